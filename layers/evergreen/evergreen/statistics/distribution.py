"""How a column was distributed and how it is now, in a dozen bars that a person can read.

They are made of the counts that are tested anyway. No customer can be told from them: a number's
edges are round ones near tenths of the reference, and what fewer than `FEW` customers have on
either side is put together with its neighbour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf

import numpy as np
import numpy.typing as npt

from evergreen.customers.features import UNSEEN, Categorical, Feature
from evergreen.statistics.baseline import Column
from evergreen.statistics.two_sample import Cells

FEW = 5
OTHERS = "others"
STRANGE = "a level that is not in the schema"

_LEVELS = 10  # beside others and unseen ones
_TOGETHER = 3  # levels of one bar: those that the reference lacks are counted together
_TENTHS = np.linspace(0.1, 0.9, 9)
_DIGITS = 6
_NEAR = 0.02  # of all customers: so far from its tenth an edge may be for being round


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the customers with a value, from 0 to 1."""

    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The share of the customers whose value is this level, or in this range."""

    label: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A column then and now."""

    unseen: Share | None
    """Of a category: the levels that the schema does not list."""
    distribution: tuple[Bar, ...]
    """Levels, the most frequent first, or ranges in their order; empty where nobody has a value."""


def distribution(column: Column, cells: Cells, feature: Feature | None = None) -> Distribution:
    """Compare a column of a baseline with what was counted into it.

    A current value between two neighbouring values of the baseline is counted with the upper one:
    within such a cell nobody knows on which side of an edge it is.

    Args:
        column: of the baseline.
        cells: of the current customers.
        feature: what the column is; None: a number that is no feature, as the score is.

    """
    table = np.stack([column.cells[:-1], cells[:-1]])
    sizes = table.sum(axis=1)
    if sizes.min() < FEW:
        return Distribution(None, ())
    if isinstance(feature, Categorical):
        named = list(_levels(feature, column, table))
        strange = next((counts for label, counts in named if label == STRANGE), sizes * 0)
        unseen = Share(*(strange / sizes).tolist())
    else:
        named = list(_ranges(column, table, whole=feature is not None and feature.integer))
        unseen = None
    shares = ((label, (counts / sizes).tolist()) for label, counts in named)
    return Distribution(unseen, tuple(Bar(label, *share) for label, share in shares))


def cell_codes(column: Column, cell: int, levels: int) -> range:
    """Return the codes that are counted into a cell of a category: a value's, or what lies between.

    Args:
        column: of the baseline.
        cell: which one.
        levels: how many the schema lists.

    """
    place, at = divmod(cell, 2)
    if at:
        return range(int(column.values[place]), int(column.values[place]) + 1)
    edges = [int(UNSEEN) - 1, *map(int, column.values), levels]
    return range(edges[place] + 1, edges[place + 1])


def level_name(feature: Categorical, code: int) -> str:
    """Return a level in words."""
    if code < 0:
        return STRANGE
    level = feature.levels[code]
    return str(level).lower() if isinstance(level, bool) else str(level)


def _levels(feature: Categorical, column: Column, table: Cells) -> Iterator[tuple[str, Cells]]:
    """Yield label and counts, shape (2,), of the most frequent levels, others, and unseen ones."""
    sizes = table.sum(axis=1)
    order = np.argsort(-(table.T / sizes).max(axis=1), kind="stable")
    bars: list[tuple[str, Cells]] = []
    others, strange = [], []
    for cell in order[table.T[order].any(axis=1)].tolist():
        counts = table[:, cell]
        names = [
            level_name(feature, code) for code in cell_codes(column, cell, len(feature.levels))
        ]
        of_strangers = names == [STRANGE]
        if _few(counts) or (len(bars) == _LEVELS and not of_strangers) or len(names) > _TOGETHER:
            others.append(counts)
        elif of_strangers:
            strange.append((STRANGE, counts))
        else:
            bars.append((" or ".join(names), counts))
    rest = np.sum(others, axis=0) if others else sizes * 0
    while rest.any() and _few(rest) and (bars or strange):
        rest = rest + (bars or strange).pop()[1]
    yield from bars
    if rest.any():
        yield OTHERS, rest
    yield from strange


def _ranges(column: Column, table: Cells, *, whole: bool) -> Iterator[tuple[str, Cells]]:
    """Yield label and counts, shape (2,), of ranges, from the lowest to the highest."""
    edges = _edges(column, whole=whole)
    places = 2 * np.searchsorted(column.values, edges, side="right")
    below = np.concatenate([[0], places, [table.shape[1]]])
    counts = [table[:, i:j].sum(axis=1) for i, j in pairwise(below)]
    ends = [-inf, *(float(str(edge)) for edge in edges), inf]
    while len(counts) > 1 and (small := [i for i, of in enumerate(counts) if _few(of)]):
        first = min(small[0], len(counts) - 2)
        counts[first : first + 2] = [counts[first] + counts[first + 1]]
        del ends[first + 1]
    for (low, high), of in zip(pairwise(ends), counts, strict=True):
        yield _range(low, high, whole=whole), of


def _edges(column: Column, *, whole: bool) -> npt.NDArray[np.float32]:
    """Return round numbers near the tenths of a baseline, sorted, each once."""
    below = column.counts.cumsum() / column.counts.sum()
    ends = np.stack([_TENTHS - _NEAR, _TENTHS + _NEAR]) - 1e-9  # sums of shares
    low, high = column.values[np.searchsorted(below, ends)].tolist()
    found = [_roundest(*one, whole=whole) for one in zip(low, high, strict=True)]
    return np.unique(np.array(found, dtype=np.float32))


def _roundest(low: float, high: float, *, whole: bool) -> float:
    """Return the number of fewest digits from low to high, and of those the one in the middle."""
    middle = (low + high) / 2
    if low <= 0 <= high:
        return 0.0
    largest = int(np.floor(np.log10(max(abs(low), abs(high)))))
    smallest = max(0, largest - _DIGITS) if whole else largest - _DIGITS
    for power in range(largest, smallest - 1, -1):
        for step in (5, 2, 1):
            # a power of ten below one is divided by: 3 / 10 is 0.3, and 3 * 0.1 is not
            unit = (step * 10**power, 1) if power >= 0 else (step, 10**-power)
            nearest = round(middle * unit[1] / unit[0]) * unit[0] / unit[1]
            if low <= nearest <= high:
                return nearest
    return high


def _range(low: float, high: float, *, whole: bool) -> str:
    if low == -inf and high == inf:
        return "any value"
    if low == -inf:
        return f"up to {high:,.15g}"
    if high == inf:
        return f"above {low:,.15g}"
    if whole and high - low == 1:
        return f"{high:,.15g}"
    return f"{low + whole:,.15g} to {high:,.15g}"


def _few(counts: Cells) -> bool:
    """Whether so few are behind a bar that they might be recognised; nobody can't be."""
    return bool(((counts > 0) & (counts < FEW)).any() or not counts.any())
