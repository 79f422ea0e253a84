"""A fitted scikit-learn pipeline → what serves: ONNX, and the same trees as tables.

Both have float32 only, where scikit-learn has float64. `make_exact` brings a fitted pipeline to
numbers for which that makes no difference, so that all three decide and add up alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from evergreen.customers.features import Numeric
from evergreen.customers.schema import Schema
from evergreen.models.artifact import ONNX_INPUT
from evergreen.models.forest import LEAVES, Bytes, Forest, Places, number

_ROWS = 1_024  # of combinations of some features' values, at the most


def to_onnx(pipeline: Pipeline, features: int) -> bytes:
    """Convert a classifier on float32 matrices of shape (rows, features).

    It is to be exact already: see `make_exact`. The conversion is not to be trusted unchecked:
    compare `Graph.probabilities` with the pipeline's own answers before anything is published.
    """
    converted = convert_sklearn(
        pipeline,
        name="evergreen",  # else a random one, and no two exports are alike
        initial_types=[(ONNX_INPUT, FloatTensorType([None, features]))],
        options={id(pipeline[-1]): {"zipmap": False}},
    )
    return bytes(converted.SerializeToString())


def make_exact(pipeline: Pipeline) -> None:
    """Give fitted gradient-boosted trees, and what encodes for them, float32 numbers, in place."""
    round_thresholds(pipeline)
    round_leaves(pipeline)
    for _, encoder, _ in pipeline[0].transformers_:
        if isinstance(encoder, TargetEncoder):
            encoder.encodings_ = [rates.astype(np.float32) for rates in encoder.encodings_]
            encoder.target_mean_ = float(np.float32(encoder.target_mean_))


def round_thresholds(pipeline: Pipeline) -> None:
    """Give fitted gradient-boosted trees thresholds that ONNX can hold, in place.

    scikit-learn decides in float64, at midpoints of values; ONNX has float32. For no float32 value
    does this change a decision: x ≤ t exactly where x ≤ the largest float32 that is ≤ t, because
    there is no float32 in between. The nearest one, which a cast takes, can lie above t and be a
    customer's value itself.
    """
    for (tree,) in pipeline[-1]._predictors:
        tree.nodes["num_threshold"] = rounded_down(tree.nodes["num_threshold"])


def rounded_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return for each threshold the largest float32 that is not above it."""
    nearest = thresholds.astype(np.float32)
    with np.errstate(over="ignore"):  # below the lowest number is -inf
        below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > thresholds, below, nearest)


def round_leaves(pipeline: Pipeline) -> None:
    """Give fitted gradient-boosted trees leaves whose sums float32 can hold, in place.

    They become whole multiples of one power of two: of the smallest by which every sum of leaves
    stays below 2²⁴ such steps. So sums are exact, in whatever order a runtime adds up. Where all
    leaves together reach 16, a step is 2e-6, and 200 trees move a logit by about 1e-5.
    """
    classifier = pipeline[-1]
    trees = [tree.nodes for (tree,) in classifier._predictors]
    reach = sum(np.abs(nodes["value"][nodes["is_leaf"] == 1]).max() for nodes in trees)
    _, exponent = np.frexp(reach + np.abs(classifier._baseline_prediction).max())
    step = 2.0 ** (int(exponent) - 23)  # rounding adds to the reach, but not as much again
    for nodes in trees:
        nodes["value"] = np.rint(nodes["value"] / step) * step
    classifier._baseline_prediction = np.rint(classifier._baseline_prediction / step) * step


def to_forest(pipeline: Pipeline, schema: Schema) -> Forest:
    """Make tables of gradient-boosted trees on customers of a schema.

    They are to be exact already: see `make_exact`. A category's codes are to be whole
    numbers; any beyond its levels are decided as `UNSEEN` is.

    Raises:
        ValueError: a tree has more than `LEAVES` leaves.

    """
    trees = [_read(tree, nodes.nodes) for tree, (nodes,) in enumerate(pipeline[-1]._predictors)]
    trees += [([0.0], [])] * (len(trees) % 2)  # they go in pairs
    leaf_values = np.zeros((len(trees), LEAVES), np.float32)
    order = number(np.array([1 << leaf for leaf in range(LEAVES)], np.uint8))
    for tree, (leaves, _) in enumerate(trees):
        leaf_values[tree, order[: len(leaves)]] = leaves
    every = np.array([2 ** len(leaves) - 1 for leaves, _ in trees], np.uint8)

    owners = _owners(pipeline[0])
    splits: list[list[_Split]] = [[] for _ in schema.features]
    for split in chain.from_iterable(found for _, found in trees):
        splits[owners[split.column]].append(split)
    levels = [0 if isinstance(f, Numeric) else len(f.levels) for f in schema.features]
    edges, parts, places = [], [], []
    for feature, mine in enumerate(splits):
        thresholds = [] if levels[feature] else [*(split.threshold for split in mine), np.inf]
        edges.append(np.unique(np.array(thresholds, np.float32)))
        values = [*range(levels[feature]), *edges[-1], np.nan]  # the greatest of every bin
        customers = np.full((len(values), len(splits)), np.nan, np.float32)
        customers[:, feature] = values
        possible = _possible(mine, pipeline[0].transform(customers), every)
        rows, place = np.unique(possible, axis=0, return_inverse=True)  # alike is one row
        parts.append(rows)
        places.append(place.astype(np.intp))
    groups, possible = _combined(parts, places)
    low, high = leaf_values[::2], leaf_values[1::2]
    return Forest(
        levels=np.array(levels, np.float32)[:, np.newaxis],
        edges=tuple(edges),
        places=tuple(places),
        groups=groups,
        possible=possible,
        leaves=(high[:, :, np.newaxis] + low[:, np.newaxis]).reshape(len(low), -1),
        base=np.float32(pipeline[-1]._baseline_prediction.item()),
    )


@dataclass(frozen=True, slots=True)
class _Split:
    """A branch of a tree, with the leaves on both sides as bits."""

    tree: int
    column: int
    threshold: float
    missing_left: bool
    left: int
    right: int


def _read(tree: int, nodes: npt.NDArray[Any]) -> tuple[list[float], list[_Split]]:
    """Return the leaves of a tree, left to right, and its branches."""
    leaves: list[float] = []
    splits: list[_Split] = []

    def below(place: int) -> int:
        node = nodes[place]
        if node["is_leaf"]:
            leaves.append(node["value"])
            return 1 << (len(leaves) - 1)
        left, right = below(node["left"]), below(node["right"])
        splits.append(
            _Split(
                tree,
                int(node["feature_idx"]),
                float(node["num_threshold"]),
                bool(node["missing_go_to_left"]),
                left,
                right,
            )
        )
        return left | right

    below(0)
    if len(leaves) > LEAVES:
        raise ValueError(f"a tree has {len(leaves)} leaves, where a table holds {LEAVES}")
    return leaves, splits


def _owners(transformer: ColumnTransformer) -> list[int]:
    """Name the feature that each column which the trees see is made of."""
    return [
        feature
        for _, part, features in transformer.transformers_
        for feature, columns in zip(
            features,
            map(len, part.categories_) if isinstance(part, OneHotEncoder) else repeat(1),
            strict=False,
        )
        for _ in range(columns)
    ]


def _possible(splits: Sequence[_Split], columns: npt.NDArray[Any], every: Bytes) -> Bytes:
    """Return the leaves that each customer's columns leave possible, shape (customers, trees)."""
    possible = np.tile(every, (len(columns), 1))
    for split in splits:
        column = columns[:, split.column]
        goes_left = column <= split.threshold
        if split.missing_left:
            goes_left |= np.isnan(column)
        ruled_out = np.where(goes_left, split.right, split.left).astype(np.uint8)
        possible[:, split.tree] &= ~ruled_out
    return possible


def _combined(
    parts: Sequence[Bytes], places: Sequence[Places]
) -> tuple[tuple[tuple[int, ...], ...], Bytes]:
    """Combine the rows of features, those of few rows first, into as few tables as hold them.

    Args:
        parts: the rows of each feature.
        places: for each feature the row of every value; it becomes, in place, what the value adds
            to the place of its group's row.

    Returns:
        The groups of features, and the rows of all groups.

    """
    groups: list[list[int]] = []
    tables: list[Bytes] = []
    for feature in sorted(range(len(parts)), key=lambda f: len(parts[f])):
        part = parts[feature]
        if tables and len(tables[-1]) * len(part) <= _ROWS:
            places[feature] *= len(tables[-1])
            tables[-1] = (part[:, np.newaxis] & tables[-1]).reshape(-1, part.shape[1])
            groups[-1].append(feature)
        else:
            tables.append(part)
            groups.append([feature])
    starts = accumulate(map(len, tables), initial=0)
    for group, start in zip(groups, starts, strict=False):
        places[group[0]] += start
    return tuple(map(tuple, groups)), np.concatenate(tables)
