"""An exported graph, evaluated by numpy: what the serving runtime answers, without that runtime.

The reference evaluator of `onnx` walks a tree ensemble row by row in Python, a millisecond a row.
Here each node is decided for all rows at once.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops.aionnxml import op_one_hot_encoder, op_tree_ensemble_classifier

from evergreen.customers.schema import Matrix
from evergreen.models.artifact import ONNX_INPUT, ONNX_OUTPUT
from evergreen.models.forest import logistic
from evergreen.models.golden import Probabilities

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Graph:
    """A classifier on float32 matrices."""

    evaluator: ReferenceEvaluator

    @classmethod
    def parse(cls, onnx: bytes) -> Self:
        """Read a stored graph; what is raised where it is none is up to `onnx`."""
        return cls(ReferenceEvaluator(onnx, new_ops=[OneHotEncoder, TreeEnsembleClassifier]))

    def probabilities(self, matrix: Matrix) -> Probabilities:
        """Return each customer's probability of leaving, shape (rows,), from (rows, features)."""
        with np.errstate(invalid="ignore"):  # a missing category is cast to an integer on its way
            (probabilities,) = self.evaluator.run([ONNX_OUTPUT], {ONNX_INPUT: matrix})
        return np.asarray(probabilities, dtype=np.float32)[:, 1]


@dataclass(frozen=True, slots=True)
class Node:
    """A branch: rows whose feature is at most the value go left."""

    feature: int
    value: np.float32
    missing_left: bool
    left: "Node | np.float32"
    right: "Node | np.float32"

    def answer(self, columns: Floats, missing: npt.NDArray[np.bool_]) -> Floats:
        """Return the weight of each row's leaf, shape (rows,), from (features, rows)."""
        goes_left = columns[self.feature] <= self.value
        if self.missing_left:
            goes_left |= missing[self.feature]
        left, right = (
            side.answer(columns, missing) if isinstance(side, Node) else side
            for side in (self.left, self.right)
        )
        return np.where(goes_left, left, right)


class OneHotEncoder(op_one_hot_encoder.OneHotEncoder):
    """The operator of `ai.onnx.ml` for codes of levels, of which an unknown one sets no column."""

    def _run(self, x: npt.NDArray[Any], **attributes: Any) -> Any:  # type: ignore[override]
        levels = attributes.get("cats_int64s")
        if not levels or not attributes.get("zeros") or x.dtype != np.int64:
            return super()._run(x, **attributes)  # type: ignore[no-untyped-call]
        return ((x[..., np.newaxis] == np.array(levels)).astype(np.float32),)


class TreeEnsembleClassifier(op_tree_ensemble_classifier.TreeEnsembleClassifier):
    """The operator of `ai.onnx.ml` as gradient boosting for two outcomes is exported.

    Decides in float32 and adds up in the order of the trees, as the stock operator does. Any other
    kind of ensemble is left to that one.
    """

    base_values: list[float] | None
    class_ids: list[int]
    class_nodeids: list[int]
    class_treeids: list[int]
    class_weights: list[float]
    classlabels_int64s: list[int] | None
    nodes_falsenodeids: list[int]
    nodes_featureids: list[int]
    nodes_missing_value_tracks_true: list[int] | None
    nodes_modes: list[str]
    nodes_nodeids: list[int]
    nodes_treeids: list[int]
    nodes_truenodeids: list[int]
    nodes_values: list[float]
    post_transform: str

    def _run(self, X: Matrix, **attributes: Any) -> Any:  # type: ignore[override]
        if not self._binary:
            return super()._run(X, **attributes)  # type: ignore[no-untyped-call]
        columns = np.ascontiguousarray(X.T)
        missing = np.isnan(columns)
        (base,) = self.base_values or (0.0,)
        total = np.full(len(X), base, dtype=np.float32)
        for tree in self._trees:
            total += tree.answer(columns, missing) if isinstance(tree, Node) else tree
        leaves = logistic(total)
        stays = 1 - leaves
        return (leaves > stays).astype(np.int64), np.column_stack([stays, leaves])

    @property
    def _binary(self) -> bool:
        return (
            set(self.nodes_modes) <= {"BRANCH_LEQ", "LEAF"}
            and set(self.class_ids) == {0}
            and self.classlabels_int64s == [0, 1]
            and self.post_transform == "LOGISTIC"
            and len(self.base_values or [0.0]) == 1
        )

    @cached_property
    def _trees(self) -> list[Node | np.float32]:
        leaves = zip(self.class_treeids, self.class_nodeids, strict=True)
        weights = dict(zip(leaves, map(np.float32, self.class_weights), strict=True))
        ids = list(zip(self.nodes_treeids, self.nodes_nodeids, strict=True))
        index = {node: i for i, node in enumerate(ids)}
        tracks = self.nodes_missing_value_tracks_true or [0] * len(ids)

        def build(i: int) -> Node | np.float32:
            tree = self.nodes_treeids[i]
            if self.nodes_modes[i] == "LEAF":
                return weights[ids[i]]
            return Node(
                self.nodes_featureids[i],
                np.float32(self.nodes_values[i]),
                bool(tracks[i]),
                build(index[tree, self.nodes_truenodeids[i]]),
                build(index[tree, self.nodes_falsenodeids[i]]),
            )

        roots = {tree: i for i, tree in reversed(list(enumerate(self.nodes_treeids)))}
        return [build(roots[tree]) for tree in sorted(roots)]
