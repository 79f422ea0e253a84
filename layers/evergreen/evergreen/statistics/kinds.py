"""Which kinds of customers there are more of than before, in words that a person can act on."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from evergreen.customers.features import Categorical, Feature
from evergreen.statistics.baseline import Baseline, Column, Counts
from evergreen.statistics.distribution import cell_codes, level_name
from evergreen.statistics.drift import Report
from evergreen.statistics.two_sample import Cells

_QUANTILES = np.linspace(0.1, 1, 10)

Shares = npt.NDArray[np.float64]


def kinds(
    features: Sequence[Feature], baseline: Baseline, counts: Counts, report: Report
) -> tuple[str, ...]:
    """Say for each feature that has drifted who has become more, the clearest change first.

    "contract = monthly: 95 % of customers, 45 % before" or "monthly_fee above 72.5: 78 % of
    customers, 20 % before". A number's ranges lie between tenths of the baseline.
    """
    found = {column.name: column for column in report.columns}
    said: list[tuple[float, str]] = []
    for feature, column, cells in zip(features, baseline.features, counts.features, strict=True):
        of = found.get(column.name)
        if of and "values" in of.drifted_in:
            who = "customers" if of.missing is None else "customers with a value"
            for kind, before, now in _grown(feature, column, cells[:-1]):
                said.append((now - before, _sentence(f"{feature.name} {kind}", before, now, who)))
        if of and of.missing and "missing" in of.drifted_in:
            before, now = of.missing.before, of.missing.now
            kind = "missing"
            if now < before:
                kind, before, now = "known", 1 - before, 1 - now
            said.append((now - before, _sentence(f"{feature.name} {kind}", before, now)))
    return tuple(sentence for _, sentence in sorted(said, key=lambda one: -one[0]))


Kind = tuple[str, float, float]


def _sentence(kind: str, before: float, now: float, who: str = "customers") -> str:
    return f"{kind}: {100 * now:.0f} % of {who}, {100 * before:.0f} % before"


def _grown(feature: Feature, column: Column, cells: Cells) -> Iterator[Kind]:
    if isinstance(feature, Categorical):
        return _levels(feature, column, cells)
    return _range(column, cells)


def _levels(feature: Categorical, column: Column, cells: Cells) -> Iterator[Kind]:
    """The level that has grown most, and those that have grown half as much or more."""
    before, now = _shares(column.cells[:-1]), _shares(cells)
    levels = len(feature.levels)
    growth = now - before
    for cell in np.flatnonzero(growth >= growth.max() / 2).tolist():
        names = " or ".join(level_name(feature, code) for code in cell_codes(column, cell, levels))
        yield f"= {names}", float(before[cell]), float(now[cell])


def _range(column: Column, cells: Cells) -> Iterator[Kind]:
    """The range between two tenths of the baseline whose share has grown most."""
    before, now = (_shares(counts).cumsum() for counts in (column.cells[:-1], cells))
    tenths = np.searchsorted(before[1::2], _QUANTILES - 1e-9)
    places = np.unique(tenths.clip(max=len(column.values) - 1))  # of values; 1e-9: sums of shares
    edges = [-np.inf, *column.values[places].tolist(), np.inf]
    below = np.array([[0.0, 0.0], *np.stack([before, now], axis=1)[2 * places + 1], [1.0, 1.0]])
    growth = (below[:, 1] - below[:, 0]).round(9)  # so that ties are ties, and the shortest wins
    first, last = max(
        ((i, j) for j in range(len(edges)) for i in range(j)),
        key=lambda ends: (growth[ends[1]] - growth[ends[0]], ends[0] - ends[1]),
    )
    share = below[last] - below[first]
    words = [f"above {edges[first]:.6g}"] if first else []
    words += [f"up to {edges[last]:.6g}"] if last < len(edges) - 1 else []
    yield " ".join(words), float(share[0]), float(share[1])


def _shares(cells: Cells) -> Shares:
    return np.asarray(cells / cells.sum())
