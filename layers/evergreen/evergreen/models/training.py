"""Labelled customers → a fitted, exported model, judged on customers that it has not seen."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from evergreen.customers.features import UNSEEN
from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import InputError, ParityError
from evergreen.models import artifact, reference_sample, typical
from evergreen.models.answers import rounded
from evergreen.models.candidates import FOLDS, candidates
from evergreen.models.export import to_forest, to_onnx
from evergreen.models.forest import Forest
from evergreen.models.golden import Golden
from evergreen.models.graph import Graph
from evergreen.models.learning import learn
from evergreen.models.pipelines import SEED, fit, probabilities, rivals
from evergreen.statistics import evaluation, performance
from evergreen.statistics.baseline import Baseline
from evergreen.statistics.comparison import losses, sample
from evergreen.statistics.profit import profit

MIN_ROWS = 200
"""The fewest labelled customers that a model can be trained on."""
MIN_OUTCOMES = 20
"""The fewest of them that must have churned, and that must have stayed."""

_SURE = 10  # of the rarer outcome: with fewer, nobody knows how sure a metric is
_SAME = 1e-6  # so far two forms of one model may be apart; a customer on another branch is more
_MIN_SCORES = 50
_GOLDEN_ROWS = 64
_SHUFFLES, _SHUFFLED = 5, 5_000  # times, and customers at the most


@dataclass(frozen=True, slots=True)
class Labelled:
    """Encoded customers whose outcome is known."""

    matrix: Matrix
    """Shape (rows, features)."""
    churned: npt.NDArray[np.bool_]
    """Shape (rows,)."""
    held_out: npt.NDArray[np.bool_]
    """Shape (rows,): the rows that no model may learn from, the same ones in every training."""
    recent: npt.NDArray[np.bool_]
    """Shape (rows,): the customers that the model is chosen for."""
    age: npt.NDArray[np.float64]
    """Shape (rows,): how many times as many customers as are recent arrived after this one."""

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """The held-out rows that the model is judged on: the recent ones, if of both outcomes."""
        recent = self.held_out & self.recent
        return recent if _rarer(self.churned[recent]) else self.held_out


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted pipeline, exported, with what is known of it."""

    pipeline: Pipeline
    onnx: bytes
    forest: Forest
    golden: Golden
    scores: npt.NDArray[np.float64]
    """The held-out rows' probabilities as the predictor answers them, shape (held-out rows,)."""
    metrics: dict[str, Any]
    """The document that becomes metrics.json."""


def train(schema: Schema, labelled: Labelled) -> Trained:
    """Choose what to learn from, fit the model and its rivals, and judge them on held-out rows.

    What is chosen is chosen by rows that may be learned from: see `learn`.

    Raises:
        InputError: there are too few customers, or too few of one outcome.
        ParityError: the exported model does not answer as the pipeline does, or the tables that
            are made of it do not.

    """
    _require_enough(labelled)
    with threadpool_limits(1):  # more would wait for each other, and add up in another order
        return _train(schema, labelled)


def _train(schema: Schema, labelled: Labelled) -> Trained:
    learned = ~labelled.held_out
    matrix, churned = labelled.matrix[learned], labelled.churned[learned]
    recent = labelled.recent[learned]
    if recent.sum() < MIN_ROWS or _rarer(churned[recent]) < MIN_OUTCOMES:
        recent = np.ones_like(recent)  # too few to choose by, so all are alike

    model = learn(schema, matrix, churned, recent, candidates(recent, labelled.age[learned]))
    pipeline, way = model.pipeline, model.history
    usual = typical.of(schema, labelled.matrix[labelled.recent])
    value = schema.campaign.value
    threshold = model.threshold
    if value:  # every customer has their own, and the typical one this
        threshold = float(rounded(value.amounts(usual[np.newaxis], usual.tolist()).break_even())[0])
    unseen, outcomes = labelled.matrix[labelled.held_out], labelled.churned[labelled.held_out]
    proof = np.vstack([_edge_cases(schema), unseen])
    golden = Golden(proof, probabilities(pipeline, proof))
    onnx = to_onnx(pipeline, len(schema.features))
    by_graph = Graph.parse(onnx).probabilities(proof)
    golden.check(by_graph)
    forest = to_forest(pipeline, schema)
    answered = forest.probabilities(proof)
    golden.check(answered)
    if not np.abs(answered - by_graph).max() <= _SAME:
        raise ParityError("the trees as tables do not answer as the exported graph does")
    scores = rounded(answered[-len(unseen) :])

    judged = labelled.judged[labelled.held_out]

    def judge(answers: npt.NDArray[np.float64]) -> dict[str, float]:
        return evaluation.metrics(outcomes[judged], answers[judged], threshold)

    metrics = {
        "threshold": threshold,
        "rows": int(way.rows.sum()),
        **model.told,
        "typical": typical.stored(usual),
        "held_out": judge(scores),
        "held_out_intervals": _intervals(outcomes[judged], scores[judged]),
        "calibration": {
            **model.calibration.as_dict(),
            "ece_by_chance": evaluation.calibration_error_by_chance(scores[judged]),
            "reliability": evaluation.reliability(outcomes[judged], scores[judged]),
        },
        "baselines": {
            name: judge(
                rounded(probabilities(way.fit(partial(fit, rival), matrix, churned), unseen))
            )
            for name, rival in rivals(schema).items()
        },
        "importance": _importance(schema, forest, unseen[judged], outcomes[judged]),
    }
    if value:
        amounts = value.amounts(unseen[judged], usual.tolist())
        metrics["profit"] = profit(outcomes[judged], scores[judged], amounts).as_dict()
    if not judged.all():
        metrics["held_out_all"] = evaluation.metrics(outcomes, scores, threshold)
    return Trained(pipeline, onnx, forest, golden, scores, metrics)


def _intervals(
    churned: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]
) -> dict[str, Any] | None:
    """How sure the held-out metrics are; None where too few tell."""
    if _rarer(churned) < _SURE:
        return None
    found = performance.measure(churned, scores)
    return {name: value for name, value in found.items() if isinstance(value, dict)}


def version_files(
    schema: Schema,
    labelled: Labelled,
    trained: Trained,
    more: Mapping[str, bytes] = MappingProxyType({}),
) -> dict[str, bytes]:
    """Return all files of a trained version, by name.

    The baseline holds the features of all recent customers, and the answers to the recent ones
    that were held out: to the others a model is surer than it will be to anyone new.

    Args:
        schema: what it was trained with.
        labelled: what it was trained on.
        trained: what came of it.
        more: further files of the version, which somebody else knows how to make.

    """
    pickled = io.BytesIO()
    joblib.dump(trained.pipeline, pickled, compress=3)
    scored = labelled.recent[labelled.held_out]
    if scored.sum() < _MIN_SCORES:
        scored = np.ones_like(scored)
    reference = labelled.matrix[labelled.recent]
    kinds = schema.categorical.tolist()
    baseline = Baseline.of(schema.feature_names, kinds, reference, trained.scores[scored])
    golden = Golden(
        trained.golden.matrix[:_GOLDEN_ROWS], trained.golden.probabilities[:_GOLDEN_ROWS]
    )
    return {
        artifact.SCHEMA: json.dumps(schema.document, indent=2).encode(),
        artifact.ONNX: trained.onnx,
        artifact.FOREST: trained.forest.to_bytes(),
        artifact.PIPELINE: pickled.getvalue(),
        artifact.GOLDEN: golden.to_bytes(),
        artifact.BASELINE: baseline.to_bytes(),
        artifact.SAMPLE: reference_sample.to_bytes(reference_sample.of(reference)),
        artifact.METRICS: json.dumps(trained.metrics, indent=2).encode(),
        **more,
    }


def _importance(
    schema: Schema, forest: Forest, matrix: Matrix, churned: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """Each feature's share of what log loss gains when that feature is shuffled (Breiman, 2001)."""
    chosen, weights = sample(churned, _SHUFFLED)
    matrix, churned = matrix[chosen], churned[chosen]
    rng = np.random.default_rng(SEED)

    def loss(customers: Matrix) -> float:
        return float(np.average(losses(churned, forest.probabilities(customers)), weights=weights))

    def loss_without(feature: int) -> float:
        shuffled = matrix.copy()
        shuffled[:, feature] = rng.permutation(matrix[:, feature])
        return loss(shuffled)

    whole = loss(matrix)
    gains = [
        max(0.0, sum(loss_without(feature) for _ in range(_SHUFFLES)) / _SHUFFLES - whole)
        for feature in range(len(schema.features))
    ]
    total = sum(gains) or 1.0
    return {name: gain / total for name, gain in zip(schema.feature_names, gains, strict=True)}


def _edge_cases(schema: Schema) -> Matrix:
    """A customer of whom nothing is known, and one whose every category is new."""
    nothing = np.full(len(schema.features), np.nan, dtype=np.float32)
    new = np.where(schema.categorical, UNSEEN, nothing).astype(np.float32)
    return np.vstack([nothing, new])


def _require_enough(labelled: Labelled) -> None:
    churned, held_out = labelled.churned, labelled.held_out
    enough = (
        len(churned) >= MIN_ROWS
        and _rarer(churned) >= MIN_OUTCOMES
        and _rarer(churned[held_out]) >= 1
        and _rarer(churned[~held_out]) >= FOLDS
    )
    if not enough:
        gone, unseen = int(churned.sum()), int(churned[held_out].sum())
        raise InputError(
            f"{len(churned)} labelled customers ({gone} churned, {len(churned) - gone} stayed) are"
            f" too few to learn from: at least {MIN_ROWS} are needed, {MIN_OUTCOMES} of each"
            f" outcome, and both outcomes among the {held_out.sum()} that are held out"
            f" ({unseen} of them churned)"
        )


def _rarer(churned: npt.NDArray[np.bool_]) -> int:
    """How many customers have the outcome that fewer have."""
    return int(min(churned.sum(), (~churned).sum()))
