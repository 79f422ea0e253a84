"""Which part of the history to learn from, and what kind of model: tried on unseen customers.

Old customers teach much while the market is as it was, and mislead once it has changed. Which of
the two holds is not decided but measured, on recent customers that each candidate has not seen:
first all of the history, the newer the more, or the recent part only, with the learner that is
quick; then, on the part that was chosen, every learner.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import process_time
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from evergreen.customers.schema import Matrix, Schema
from evergreen.models.answers import rounded
from evergreen.models.learners import SPLINES, Learner
from evergreen.models.pipelines import SEED
from evergreen.statistics.comparison import losses, sample

FOLDS = 3
"""The recent customers are cut into so many parts, and each is answered by a model of the rest."""

SEARCHED = 50_000
"""So many recent customers, and as many older ones, are enough to choose by."""

_REPEATS = 2  # of the cross-validation, where customers are …
_FEW = 2_000  # … more than these: among fewer, chance in the customers outweighs that in the folds
_CELLS = 500_000  # … and not of more values than these, where once takes minutes
_SECONDS = 300.0  # of the processor's, so that other work on the machine chooses nothing

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Fit = Callable[[Matrix, Mask, Floats | None], Pipeline]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to learn from the history."""

    name: str
    rows: Mask
    """Shape (rows,): the customers that it learns from, …"""
    weights: Floats | None = None
    """… and how much each of all counts, shape (rows,); None where they count alike."""

    def of(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return the same way to learn from some of the customers, given their places."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, rows=self.rows[rows], weights=weights)

    def weighted(self, by: Floats) -> Self:
        """Return the same way, where each customer counts so many times as much."""
        return replace(self, weights=by if self.weights is None else self.weights * by)

    def fit(self, fit: Fit, matrix: Matrix, churned: Mask, seen: Mask | None = None) -> Pipeline:
        """Fit to its customers, or to those of them that may be seen."""
        rows = self.rows if seen is None else self.rows & seen
        weights = None if self.weights is None else self.weights[rows]
        return fit(matrix[rows], churned[rows], weights)


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate and how it did on customers that it had not seen."""

    name: str
    logits: Floats
    """Shape (repeats, recent rows): their out-of-fold answers."""
    losses: Floats
    """Shape (recent rows,): the mean log loss of each, in nats, times for how many it stands."""

    def as_dict(self) -> dict[str, float]:
        """Return the mean loss and its standard error, for metrics.json."""
        return {"log_loss": float(self.losses.mean()), "standard_error": error(self.losses)}


@dataclass(frozen=True, slots=True)
class Search:
    """The customers that candidates are tried on: all that may be learned from, or a sample."""

    schema: Schema
    matrix: Matrix
    """Shape (rows, features)."""
    churned: Mask
    """Shape (rows,); at least `FOLDS` recent customers of each outcome."""
    recent: Mask
    """Shape (rows,)."""
    weights: Floats
    """Shape (rows,), 1 in the mean: for how many customers each stands."""

    @classmethod
    def among(
        cls, schema: Schema, matrix: Matrix, churned: Mask, recent: Mask, size: int = SEARCHED
    ) -> tuple[Self, npt.NDArray[np.intp]]:
        """Choose up to `size` recent and as many older customers; return their places as well.

        Of the rarer outcome there are as many as of the other, if there are so many.
        """
        parts = [np.flatnonzero(recent), np.flatnonzero(~recent)]
        chosen = [sample(churned[part], size, seed=SEED) for part in parts]
        places = np.concatenate([p[rows] for p, (rows, _) in zip(parts, chosen, strict=True)])
        weights = np.concatenate([weights for _, weights in chosen])
        order = places.argsort()
        rows, weights = places[order], weights[order] / weights.mean()
        return cls(schema, matrix[rows], churned[rows], recent[rows], weights), rows

    @property
    def judged(self) -> npt.NDArray[np.intp]:
        """The places of the recent customers."""
        return np.flatnonzero(self.recent)

    def histories(self, among: Sequence[Candidate]) -> list[Tried]:
        """Try each part of the history, by the learner that is quick."""
        logits = self._answers([(each, SPLINES) for each in among], repeats=1)
        return [
            self._tried(each.name, answers) for each, answers in zip(among, logits, strict=True)
        ]

    def learners(self, way: Candidate, among: Sequence[Learner]) -> list[Tried]:
        """Try every learner that there is time for, and the first one in any case."""
        parts = list(dict.fromkeys(part for learner in among for part in learner.parts))
        repeats = _REPEATS if len(self.judged) > _FEW and self.matrix.size <= _CELLS else 1
        logits = self._answers([(way, Learner("", (part,))) for part in parts], repeats)
        tried = []
        for learner in among:
            answers = logits[[parts.index(part) for part in learner.parts]].mean(axis=0)
            if not np.isnan(answers).any():
                tried.append(self._tried(learner.name, answers))
        return tried

    def _answers(self, ways: Sequence[tuple[Candidate, Learner]], repeats: int) -> Floats:
        """Answer the recent customers fold by fold; the older ones are always learned from.

        Returns:
            The logits, shape (ways, repeats, recent rows), NaN where time was over.

        """
        started, judged = process_time(), self.judged
        ways = [(way.weighted(self.weights), learner) for way, learner in ways]
        logits = np.full((len(ways), repeats, len(judged)), np.nan)
        for repeat in range(repeats):
            for seen, fold in self._folds(repeat):
                for place, (way, learner) in enumerate(ways):
                    if (place or repeat) and process_time() - started > _SECONDS:
                        continue
                    fit = partial(learner.fit, self.schema)
                    pipeline = way.fit(fit, self.matrix, self.churned, seen)
                    answers = pipeline.decision_function(self.matrix[judged[fold]])
                    logits[place, repeat, fold] = answers
        whole = ~np.isnan(logits).any(axis=(0, 2))
        whole[0] = True
        return logits[:, whole]

    def _folds(self, repeat: int) -> Iterator[tuple[Mask, npt.NDArray[np.intp]]]:
        """Cut the recent customers: who may be seen, and the places of the others among them."""
        judged = self.judged
        cut = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED + repeat)
        for _, fold in cut.split(judged, self.churned[judged]):
            seen = np.ones_like(self.recent)
            seen[judged[fold]] = False
            yield seen, fold

    def _tried(self, name: str, logits: Floats) -> Tried:
        churned, weights = self.churned[self.judged], self.weights[self.judged]
        mean = np.mean([losses(churned, rounded(expit(each))) for each in logits], axis=0)
        return Tried(name, logits, mean * weights / weights.mean())


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


def choose(tried: Sequence[Tried]) -> Tried:
    """Return the simplest candidate that is as good as the best, as far as can be told.

    The one-standard-error rule (Breiman, Friedman, Olshen & Stone, Classification and regression
    trees, 1984, section 3.4.3), on the differences between two candidates for the same customers.
    """
    best = min(tried, key=lambda t: t.losses.mean())
    excess = (t.losses - best.losses for t in tried)
    return next(t for t, e in zip(tried, excess, strict=True) if e.mean() <= error(e))


def error(values: Floats) -> float:
    """Return the standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))
