"""The whole choice of a model: by which history, which learner, how calibrated, which threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn import metrics as sk
from sklearn.pipeline import Pipeline

from evergreen.customers.schema import Matrix, Schema
from evergreen.models.answers import DIGITS, rounded
from evergreen.models.calibration import NONE, Calibration, calibrate
from evergreen.models.candidates import Candidate, Floats, Mask, Search, Tried, choose
from evergreen.models.export import make_exact
from evergreen.models.learners import learners, rescaled
from evergreen.statistics import evaluation


@dataclass(frozen=True, slots=True)
class Learned:
    """A fitted pipeline, ready to be exported, and how it was chosen."""

    pipeline: Pipeline
    threshold: float
    history: Candidate
    """What it learned from."""
    calibration: Calibration
    """What its trees have been corrected by."""
    told: dict[str, Any]
    """What was tried and how it did, for metrics.json."""


def learn(
    schema: Schema, matrix: Matrix, churned: Mask, recent: Mask, among: Sequence[Candidate]
) -> Learned:
    """Choose what to learn from, then the learner, on out-of-fold answers to recent customers.

    By these answers probabilities are calibrated and the threshold with the highest F1 is found.
    Where there are many customers a sample chooses, and what is chosen learns from all; it is not
    calibrated, as models of a sample are off in other ways than one of all.

    Args:
        schema: what the columns are.
        matrix: shape (rows, features).
        churned: shape (rows,); at least `FOLDS` recent customers of each outcome.
        recent: shape (rows,).
        among: the histories that it may learn from, the simplest first.

    """
    search, rows = Search.among(schema, matrix, churned, recent)
    histories = search.histories([each.of(rows) for each in among])
    name = choose(histories).name
    history = next(each for each in among if each.name == name)

    kinds = learners(int(history.rows.sum()))
    tried = search.learners(history.of(rows), kinds)
    chosen = choose(tried)
    outcomes, weights = search.churned[search.judged], search.weights[search.judged]
    whole = len(rows) == len(churned)
    line = calibrate(chosen.logits, outcomes, weights) if whole else NONE
    threshold = _threshold(line.logits(chosen.logits), outcomes, weights)

    learner = next(each for each in kinds if each.name == chosen.name)
    pipeline = history.fit(partial(learner.fit, schema), matrix, churned)
    pipeline.steps[-1] = ("trees", rescaled(pipeline[-1], line.slope, line.shift))
    make_exact(pipeline)
    told = {
        "chosen": name,
        "candidates": {each.name: each.as_dict() for each in histories},
        "learner": chosen.name,
        "learners": {
            each.name: {**each.as_dict(), "roc_auc": _roc_auc(each, outcomes, weights)}
            for each in tried
        },
    }
    return Learned(pipeline, threshold, history, line, told)


def _threshold(logits: Floats, churned: Mask, weights: Floats) -> float:
    """Return the best threshold for all repeats together."""
    scores, repeats = rounded(expit(logits)).ravel(), len(logits)
    best = evaluation.best_threshold(np.tile(churned, repeats), scores, np.tile(weights, repeats))
    return round(best, DIGITS)


def _roc_auc(tried: Tried, churned: Mask, weights: Floats) -> float:
    """Return the mean of the repeats."""
    return float(
        np.mean([sk.roc_auc_score(churned, each, sample_weight=weights) for each in tried.logits])
    )
