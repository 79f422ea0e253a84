"""Features that alone nearly determine the outcome: known too late, in all likelihood.

A churn score, a reason for leaving or a date of cancellation is written after the fact. A model
that learns from it looks perfect and is of no use, for in those who may still leave it is empty.
No statistics tell such a leak from a very good feature for certain; what is found here is rarer
than any honest feature, and a person is asked. `make simulate-leaks` shows what is found.

There are two signs. The feature alone ranks customers it was not fitted to surely better than
`HONEST`. Or it makes leaving certain for a good part of those who left: a reason that is filled in
for half of them, and for nobody who stayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

HONEST = 0.95
"""The ROC AUC that no single honest feature exceeds."""
SURELY = 2.0
"""Standard errors by which a leak does."""
CERTAIN = 0.3
"""A leak makes the outcome certain for such a share of those who have it."""
ENOUGH = 20
"""Customers with either outcome that there must be; fewer are not learned from either."""

_ODDS = 100  # of an outcome that is certain, and how many times those without the feature
_SUPPORT = 100  # customers of whom that is to be seen
_CHANCE = 1e-6  # that a column is known of nobody who stayed because so few are known
_ROWS = 20_000  # which are looked at, at most
_FOLDS = 5
_BINS, _PER_BIN = 100, 10  # a number has so many bins at most, of so many customers at least

Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one feature alone tells of the outcome."""

    roc_auc: float
    """How well it ranks customers, those that it was not fitted to."""
    error: float
    """The standard error of that."""
    certain: tuple[float, float]
    """The share of those who stayed, and of those who left, for whom it makes that certain."""
    known: tuple[float, float]
    """The share of those who stayed, and of those who left, where it is not missing."""

    @property
    def leak(self) -> bool:
        """Whether that is more than an honest feature tells."""
        return self.tells or max(self.certain) >= CERTAIN

    @property
    def tells(self) -> bool:
        """Whether it ranks customers surely better than an honest feature."""
        return self.roc_auc - SURELY * self.error > HONEST

    def __str__(self) -> str:
        (stayed, left), area = self.known, f"(ROC AUC {self.roc_auc:.3f})"
        if abs(left - stayed) >= CERTAIN:
            return (
                f"is known of {left:.1%} of those who left and {stayed:.1%} of those who stayed"
                f" {area}"
            )
        if self.tells:
            return f"alone tells who left {area}"
        who = "left" if self.certain[1] >= CERTAIN else "stayed"
        return f"alone settles it for {max(self.certain):.0%} of those who {who} {area}"


def leaks(
    matrix: npt.NDArray[np.float32], categorical: Sequence[bool] | Labels, churned: Labels
) -> dict[int, Evidence]:
    """Find the features that alone nearly determine the outcome, by their columns in the matrix.

    Of many customers, 20,000 are looked at, always the same.

    Args:
        matrix: shape (rows, features), encoded by a schema: numbers, codes, NaN where missing.
        categorical: for each feature, whether its numbers are codes.
        churned: shape (rows,), who left.

    """
    if len(churned) > _ROWS:
        picked = np.random.default_rng(0).choice(len(churned), _ROWS, replace=False)
        matrix, churned = matrix[picked], churned[picked]
    if min(churned.sum(), (~churned).sum()) < ENOUGH:
        return {}
    told = (measure(v, bool(c), churned) for v, c in zip(matrix.T, categorical, strict=True))
    return {feature: evidence for feature, evidence in enumerate(told) if evidence.leak}


def measure(values: npt.NDArray[np.float32], categorical: bool, churned: Labels) -> Evidence:
    """Say how much one feature alone tells of the outcome.

    The feature is cut into cells: the levels of a category, quantile bins of a number, and one for
    what is missing. In each of five folds, a customer's score is the churn rate of the others in
    the same cell, drawn towards that of all.

    Args:
        values: shape (rows,), as in the matrix.
        categorical: whether they are codes.
        churned: shape (rows,), who left: some did, and some did not.

    """
    cell, fold, rate = _cells(values, categorical), _folds(churned), float(churned.mean())
    inside, left = _others(cell, fold, churned)
    known = ~np.isnan(values)
    stays = _certain(~churned, inside, inside - left) if rate > 0.5 else 0.0
    leaves = max(_certain(churned, inside, left), _known_of(known, churned))
    area = roc_auc(churned, (left + rate) / (inside + 1))
    return Evidence(
        roc_auc=area,
        error=standard_error(area, int(churned.sum()), int((~churned).sum())),
        certain=(stays, leaves),
        known=(float(known[~churned].mean()), float(known[churned].mean())),
    )


def standard_error(area: float, left: int, stayed: int) -> float:
    """The standard error of a ROC AUC among so many who left and stayed.

    Source: Hanley & McNeil, The meaning and use of the area under a ROC curve, 1982.
    """
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (left - 1) * (one - area**2) + (stayed - 1) * (two - area**2)
    return float(np.sqrt(max(variance, 0.0) / (left * stayed)))


def roc_auc(labels: Labels, scores: Floats) -> float:
    """Return the share of pairs of a leaver and a stayer that scores put right; ties count half.

    As in `standard_error`'s source.
    """
    _, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    left = np.bincount(place, labels, minlength=len(sizes))
    stayed = sizes - left
    below = stayed.cumsum() - stayed
    return float((left * (below + stayed / 2)).sum() / (left.sum() * stayed.sum()))


def _certain(outcome: Labels, inside: Floats, having: Floats) -> float:
    """The share of those with an outcome for whom a cell makes it certain.

    Args:
        outcome: shape (rows,), who has it.
        inside: shape (rows,), how many others are in the cell of each.
        having: shape (rows,), how many of them have the outcome.

    """
    odds = _ODDS * max(1.0, outcome.mean() / (1 - outcome.mean()))
    sure = (having >= odds * (inside - having)) & (inside >= ENOUGH / 2)
    hold = int(outcome[sure].sum())
    holds = hold >= max(_SUPPORT, odds * (sure.sum() - hold))
    return float(sure[outcome].mean()) if holds else 0.0


def _known_of(known: Labels, churned: Labels) -> float:
    """The share of those who left of whom something is known that is known of nobody who stayed.

    Or of next to nobody. Being known is not fitted to the outcome, so fewer customers show it.
    """
    left = int(churned[known].sum())
    chance = churned.mean() ** left
    nobody = left >= _ODDS * (known.sum() - left) and chance <= _CHANCE
    return float(known[churned].mean()) if nobody else 0.0


def _cells(values: npt.NDArray[np.float32], categorical: bool) -> Integers:
    """Number the cells, shape (rows,); cell 0 is that of missing values."""
    known = ~np.isnan(values)
    cell = np.zeros(len(values), dtype=np.int64)
    present = values[known]
    if not categorical and len(present):
        bins = max(2, min(_BINS, len(values) // _PER_BIN))
        edges = np.unique(np.quantile(present, np.arange(1, bins) / bins, method="lower"))
        cell[known] = np.searchsorted(edges, present, side="left") + 1
    else:
        cell[known] = np.unique(present, return_inverse=True)[1] + 1
    return cell


def _folds(churned: Labels) -> Integers:
    """Deal the customers of each outcome to the folds, shape (rows,), the same way every time."""
    rng = np.random.default_rng(0)
    fold = np.empty(len(churned), dtype=np.int64)
    for outcome in (True, False):
        who = rng.permutation(np.flatnonzero(churned == outcome))
        fold[who] = np.arange(len(who)) % _FOLDS
    return fold


def _others(cell: Integers, fold: Integers, churned: Labels) -> tuple[Floats, Floats]:
    """For each customer, how many of the other folds share the cell, and how many of them left."""
    cells = int(cell.max()) + 1
    shape, place = (_FOLDS, cells), fold * cells + cell
    size = _FOLDS * cells
    sizes = np.bincount(place, minlength=size).reshape(shape)
    left = np.bincount(place, churned, minlength=size).reshape(shape)
    return (
        (sizes.sum(axis=0) - sizes)[fold, cell].astype(np.float64),
        (left.sum(axis=0) - left)[fold, cell],
    )
