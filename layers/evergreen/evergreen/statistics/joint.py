"""Have the customers changed in how their features go together?

Tests of one feature after another see nothing where two of them swap partners: each is distributed
as it was. A classifier that tries to tell the reference from the current customers does (Lopez-Paz
& Oquab, Revisiting classifier two-sample tests, 2017): small boosted trees, which find what two or
three features do together, need no scale, and take what is missing as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from evergreen.customers.schema import Matrix
from evergreen.settings import Thresholds

MOST = 5_000
"""So many of either side are looked at; a seeded random sample of more stands for all."""

_FEWEST = 4
_TREES, _LEAVES, _RATE = 30, 8, 0.2

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Joint:
    """How well two populations can be told apart by all features at once."""

    auc: float
    """The chance that of one customer of each side the current one is taken for it; ½ is none."""
    p_value: float
    drifted: bool
    customers: int
    """How many current customers were looked at."""
    reference: int


def joint(reference: Matrix, current: Matrix, thresholds: Thresholds) -> Joint | None:
    """Try to tell two populations apart, each of shape (rows, features).

    None where there are too few customers on either side.

    Each half is judged by trees that were grown on the other. To those it is news: if nothing has
    changed, its AUC is that of a random order (Mann & Whitney, 1947), whatever was learned. Both
    halves ask the same question, so their answers go together, nobody knows how much; the mean of
    the two can't deviate more than they do. It is taken for normal, with that deviation.
    They have drifted where the p-value is below alpha and the AUC at least ½ + floor/2: that is
    what a single category that changes by the floor comes to.
    """
    enough = max(_FEWEST, thresholds.min_rows)
    if min(len(reference), len(current)) < enough:
        return None
    rng = np.random.default_rng(0)
    sides = _sampled(rng, reference), _sampled(rng, current)
    sizes = [len(side) for side in sides]
    matrix = np.concatenate(sides)
    is_current = np.repeat([False, True], sizes)
    half = np.concatenate([rng.permutation(size) % 2 == 0 for size in sizes])
    with threadpool_limits(1):  # more would add up in another order
        found = np.array(list(_judged(matrix, is_current, half)))
    auc, deviation = found.mean(axis=0)
    p_value = float(stats.norm.sf((auc - 0.5) / deviation))
    drifted = p_value < thresholds.alpha and auc >= 0.5 + thresholds.effect_floor / 2
    return Joint(float(auc), p_value, bool(drifted), sizes[1], sizes[0])


def _judged(matrix: Matrix, is_current: Mask, half: Mask) -> Iterator[tuple[float, float]]:
    """Yield the AUC of each half, and the deviation that it has where nothing has changed."""
    for held_out in (half, ~half):
        trees = HistGradientBoostingClassifier(
            max_iter=_TREES,
            max_leaf_nodes=_LEAVES,
            learning_rate=_RATE,
            early_stopping=False,
            random_state=0,
        )
        trees.fit(matrix[~held_out], is_current[~held_out])
        yield _auc(trees.decision_function(matrix[held_out]), is_current[held_out])


def _auc(scores: npt.NDArray[np.float64], is_current: Mask) -> tuple[float, float]:
    """Return the AUC and its deviation if the order is random; ties make that one too large."""
    now = int(is_current.sum())
    before = len(scores) - now
    ranks = stats.rankdata(scores)[is_current].sum()
    auc = (ranks - now * (now + 1) / 2) / (before * now)
    return float(auc), float(np.sqrt((before + now + 1) / (12 * before * now)))


def _sampled(rng: np.random.Generator, rows: Matrix) -> Matrix:
    return rows if len(rows) <= MOST else rows[rng.choice(len(rows), MOST, replace=False)]
