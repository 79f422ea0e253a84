"""What contacting some customers brings, and how far chance alone may take it from that.

A customer who is contacted leaves all the same, stays for the offer, or would have stayed anyway
and takes it (see `customers.value`). The sum over many such draws has no handy distribution where
customers are few, or few of them are worth most; so it is drawn often, and the middle 95 % of what
comes out is the interval (the parametric bootstrap: Efron & Tibshirani, 1993, ch. 13). It holds
for a single customer as for thousands, which mean ± 1.96 deviations does not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.customers.value import Amounts

DRAWS = 4_000
"""So many outcomes are drawn: the share of all outcomes within an interval varies by 0.4 %."""

_TAIL = 0.025
_CELLS = 2_000_000  # draws that are in memory at a time

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Worth:
    """What contacting some customers brings, in the currency of the schema."""

    expected: float
    low: float
    """95 of 100 outcomes lie from `low` …"""
    high: float
    """… to `high`, if the probabilities and the amounts are right."""
    per_point: float
    """How much less it is if all probabilities are a percentage point too high."""


def worth(probabilities: Floats, amounts: Amounts) -> Worth:
    """Return what contacting all of some customers brings, of amounts of shape (customers,)."""
    expected = float(amounts.expected(probabilities).sum())
    per_point = 0.01 * (amounts.acceptance * (amounts.worth - amounts.offer) + amounts.offer).sum()
    low, high = np.quantile(_drawn(probabilities, amounts), [_TAIL, 1.0 - _TAIL])
    return Worth(expected, float(low), float(high), float(per_point))


def _drawn(probabilities: Floats, amounts: Amounts) -> Floats:
    """Return what comes out in each of `DRAWS` campaigns; the same every time."""
    rng = np.random.default_rng(0)
    total = np.full(DRAWS, -amounts.contact.sum())
    step = max(1, _CELLS // DRAWS)
    for start in range(0, len(probabilities), step):
        some = slice(start, start + step)
        leaves = probabilities[some]
        chance = rng.random((DRAWS, len(leaves)))
        total += (chance < leaves * amounts.acceptance[some]) @ (
            amounts.worth[some] - amounts.offer[some]
        )
        total -= (chance >= leaves) @ amounts.offer[some]
    return total
