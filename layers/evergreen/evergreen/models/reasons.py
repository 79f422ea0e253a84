"""Why a customer has this probability: what each feature adds on the way from a typical customer.

The model's logit is shared out among the features by Shapley values against one typical customer
(Lundberg & Lee, NeurIPS 2017; the reference as in Sundararajan & Najmi, ICML 2020), and then each
share is given as a change of probability: along the straight way between the two logits the
logistic function takes all shares with it alike (Aumann & Shapley, 1974). So the changes add up to
the difference of the two probabilities.

Shapley values are means over the orders in which the features may change from the typical value to
the customer's. Here a few orders and their reverses stand for all (Mitchell et al., JMLR 23, 2022):
a pair is exact for features that add up, and for those that interact two by two.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from evergreen.customers.schema import Matrix
from evergreen.models.golden import Probabilities
from evergreen.models.model import Model

PAIRS = 4
"""So many orders of the features, and as many reverses: for what interacts three by three."""

_CELLS = 4_000_000  # of hybrid customers that are in memory at a time
_SURE = 1e-7  # float32 knows no probability between 1 and 1 - 6e-8

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reasons:
    """What each feature changes, for some customers."""

    typical: float
    """The typical customer's probability."""
    probabilities: Probabilities
    """Shape (customers,)."""
    changes: Floats
    """Shape (customers, features): of the probability. Each row adds up to the customer's
    probability less the typical one."""


def reasons(model: Model, matrix: Matrix) -> Reasons:
    """Say for customers, shape (customers, features), what each feature changes."""
    features = matrix.shape[1]
    masks, orders = _hybrids(features)
    probabilities = model.probabilities(matrix)
    base = model.probabilities(model.typical[np.newaxis])
    shares = np.empty(matrix.shape)
    step = max(1, _CELLS // max(1, masks.size))
    for start in range(0, len(matrix), step):
        chunk = matrix[start : start + step]
        hybrids = np.where(masks, chunk[:, np.newaxis], model.typical).reshape(-1, features)
        between = _logits(model.probabilities(hybrids)) if len(hybrids) else np.empty(0)
        ends = _logits(probabilities[start : start + step])
        shares[start : start + step] = _shapley(between, _logits(base).item(), ends, orders)
    way = _logits(probabilities) - _logits(base)
    rise = probabilities.astype(np.float64) - base
    steepness = base * (1.0 - base)  # where there is no way to go, shares that cancel out
    slope = np.divide(rise, way, out=np.full_like(way, steepness.item()), where=way != 0)
    return Reasons(float(base.item()), probabilities, shares * slope[:, np.newaxis])


@cache
def _hybrids(features: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Return which features of each hybrid are the customer's, and the orders they come from.

    Returns:
        Shapes (orders * (features - 1), features) and (orders, features).

    """
    rng = np.random.default_rng(0)
    some = np.array([rng.permutation(features) for _ in range(PAIRS)])
    orders = np.concatenate([some, some[:, ::-1]])
    turn = orders.argsort(axis=1)  # when a feature becomes the customer's
    masks = turn[:, np.newaxis] <= np.arange(features - 1)[:, np.newaxis]
    return masks.reshape(-1, features), orders


def _shapley(between: Floats, start: float, ends: Floats, orders: npt.NDArray[np.intp]) -> Floats:
    """Return each feature's mean step, shape (customers, features), on the way in these orders."""
    count, features = orders.shape
    logits = np.empty((len(ends), count, features + 1))
    logits[..., 0] = start
    logits[..., 1:-1] = between.reshape(len(ends), count, features - 1)
    logits[..., -1] = ends[:, np.newaxis]
    steps = np.diff(logits, axis=-1)
    of_feature = np.take_along_axis(steps, orders.argsort(axis=1)[np.newaxis], axis=-1)
    return of_feature.mean(axis=1)


def _logits(probabilities: Probabilities) -> Floats:
    sure = np.clip(probabilities.astype(np.float64), _SURE, 1.0 - _SURE)
    return np.log(sure) - np.log1p(-sure)
