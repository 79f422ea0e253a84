"""Which part of the history to learn from: all of it, the newer the more, or the recent part only.

Old customers teach much while the market is as it was, and mislead once it has changed. Which of
the two holds is not decided but measured, on recent customers that each candidate has not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from evergreen.customers.schema import Matrix, Schema
from evergreen.models.answers import rounded
from evergreen.models.pipelines import SEED, fit, gradient_boosting, probabilities
from evergreen.statistics.comparison import losses

FOLDS = 3
"""The recent customers are cut into so many parts, and each is answered by a model of the rest."""

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to learn from the history."""

    name: str
    rows: Mask
    """Shape (rows,): the customers that it learns from, …"""
    weights: Floats | None = None
    """… and how much each of all counts, shape (rows,); None where they count alike."""

    def fit(
        self, pipeline: Pipeline, matrix: Matrix, churned: Mask, seen: Mask | None = None
    ) -> Pipeline:
        """Fit a pipeline to its customers, or to those of them that may be seen; return it."""
        rows = self.rows if seen is None else self.rows & seen
        weights = None if self.weights is None else self.weights[rows]
        return fit(pipeline, matrix[rows], churned[rows], weights)


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate and how it did on customers that it had not seen."""

    candidate: Candidate
    scores: Floats
    """Shape (recent rows,): their out-of-fold answers."""
    losses: Floats
    """Shape (recent rows,): the log loss of each, in nats."""

    def as_dict(self) -> dict[str, float]:
        """Return the mean loss and its standard error, for metrics.json."""
        return {"log_loss": float(self.losses.mean()), "standard_error": _error(self.losses)}


def candidates(recent: Mask, age: Floats) -> list[Candidate]:
    """Name the ways to learn from customers of which some are recent, the simplest first.

    Args:
        recent: shape (rows,).
        age: shape (rows,); with each unit a customer counts half as much, where age counts.

    """
    everyone = np.ones_like(recent)
    if recent.all():
        return [Candidate("all", everyone)]
    return [
        Candidate("all", everyone),
        Candidate("weighted", everyone, 0.5**age),
        Candidate("recent", recent),
    ]


def cross_validate(
    schema: Schema,
    matrix: Matrix,
    churned: Mask,
    recent: Mask,
    among: Sequence[Candidate],
) -> list[Tried]:
    """Try each candidate on the recent customers, fold by fold.

    The older customers are always on the side that is learned from.

    Args:
        schema: what the columns are.
        matrix: shape (rows, features).
        churned: shape (rows,); at least `FOLDS` recent customers of each outcome.
        recent: shape (rows,).
        among: the candidates.

    """
    judged = np.flatnonzero(recent)
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(judged, churned[judged])
    answers = np.empty((len(among), len(judged)))
    for _, fold in split:
        seen = np.ones_like(recent)
        seen[judged[fold]] = False
        for candidate, scores in zip(among, answers, strict=True):
            pipeline = candidate.fit(gradient_boosting(schema), matrix, churned, seen)
            scores[fold] = rounded(probabilities(pipeline, matrix[judged[fold]]))
    return [
        Tried(candidate, scores, losses(churned[judged], scores))
        for candidate, scores in zip(among, answers, strict=True)
    ]


def choose(tried: Sequence[Tried]) -> Tried:
    """Return the simplest candidate that is as good as the best, as far as can be told.

    The one-standard-error rule (Breiman, Friedman, Olshen & Stone, Classification and regression
    trees, 1984, section 3.4.3), on the differences between two candidates for the same customers.
    """
    best = min(tried, key=lambda t: t.losses.mean())
    excess = (t.losses - best.losses for t in tried)
    return next(t for t, e in zip(tried, excess, strict=True) if e.mean() <= _error(e))


def _error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
