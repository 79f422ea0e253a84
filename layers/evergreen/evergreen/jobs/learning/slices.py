"""Where a challenger is worse than the champion: the customers of one category, level by level.

A model can be better on all customers and fail those of one kind, whom nobody looks at in a mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from evergreen.customers.features import Categorical
from evergreen.customers.schema import Matrix, Schema
from evergreen.statistics.comparison import Labels, Scores, Weights, losses

MIN_SLICE = 200
"""The fewest held-out customers of one level that are looked at by themselves."""
MARGIN = 0.03
"""How much log loss (nats) they may lose without a word."""
_ERROR = 0.01  # the chance that any of the slices is called worse where none is


@dataclass(frozen=True, slots=True)
class Slice:
    """Champion and challenger on the held-out customers who have one level of a category."""

    feature: str
    level: str
    customers: int
    champion_log_loss: float
    challenger_log_loss: float
    low: float
    """The challenger's log loss is higher by this at least, all slices being looked at."""
    worse: bool
    """Whether it surely is, and by more than `MARGIN`."""

    def __str__(self) -> str:
        """Say who it is and how much they lose."""
        return (
            f"{self.feature} = {self.level} ({self.customers} customers: log loss"
            f" {self.challenger_log_loss:.4f} against {self.champion_log_loss:.4f})"
        )


def slices(
    schema: Schema,
    matrix: Matrix,
    churned: Labels,
    champion: Scores,
    challenger: Scores,
    weights: Weights,
) -> tuple[Slice, ...]:
    """Compare two models on every level that `MIN_SLICE` customers have, the worst first.

    The mean difference of a slice is taken for normal, and the error divided by the number of
    slices (Bonferroni), as they overlap.

    Args:
        schema: by which customers are encoded.
        matrix: shape (customers, features).
        churned: shape (customers,).
        champion: shape (customers,), the probabilities that the champion gives.
        challenger: shape (customers,), and those of the challenger.
        weights: shape (customers,), for how many each stands.

    """
    masks = list(_levels(schema, matrix))
    if not masks:
        return ()
    theirs, ours = losses(churned, champion), losses(churned, challenger)
    certainty = stats.norm.isf(_ERROR / len(masks))

    def compared(feature: str, level: str, who: Labels) -> Slice:
        share = weights[who] / weights[who].sum()
        before, after = share @ theirs[who], share @ ours[who]
        excess = after - before
        error = np.linalg.norm(share * (ours[who] - theirs[who] - excess))
        low = excess - certainty * error
        worse = bool(low > 0 and excess > MARGIN)
        return Slice(feature, level, int(who.sum()), float(before), float(after), float(low), worse)

    return tuple(sorted((compared(*one) for one in masks), key=lambda found: -found.low))


def _levels(schema: Schema, matrix: Matrix) -> Iterator[tuple[str, str, Labels]]:
    for feature, column in zip(schema.features, matrix.T, strict=True):
        if isinstance(feature, Categorical):
            codes, counts = np.unique(column[column >= 0], return_counts=True)
            for code in codes[counts >= MIN_SLICE].tolist():
                level = feature.levels[int(code)]
                name = str(level).lower() if isinstance(level, bool) else str(level)
                yield feature.name, name, column == code
