"""Logistic regression on a piecewise linear function of every column, as a sum of small trees.

A column's values are cut into bins, and each bin is given one number, so that fitting takes tables
and counts instead of a matrix with a column for each piece. What comes of it is a step function of
each column, and trees of a few leaves can be that as well: so it is exported, served and averaged
like gradient-boosted trees. It is additive: each column's part in an answer can be read off.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from evergreen.models.forest import LEAVES

Floats = npt.NDArray[np.float64]

_EDGES = 34  # between bins; with that before missing values they fill five trees
_PIECES = 9  # of a column's function; between two bends there are as many customers everywhere
_RIDGE = 20.0  # how many customers the squared slopes count as much as
_STEPS = 200  # of the optimiser at the most


@dataclass(frozen=True, slots=True)
class Step:
    """Values of a column above a threshold add so much to the logit."""

    column: int
    threshold: float
    missing_left: bool
    """Whether a missing value is not above it."""
    height: float


@dataclass(frozen=True, slots=True)
class _Column:
    """The bins of a column, and the pieces that its function is a sum of."""

    edges: Floats
    """The upper edges of the bins, included: ascending; above the last, infinity, are the missing
    values, if there can be any."""
    pieces: Floats
    """Shape (bins, pieces)."""
    missing_left: bool
    """Where missing values have no bin: whether they are taken for the lower of two values."""

    @classmethod
    def of(cls, values: npt.NDArray[Any], weights: Floats) -> Self:
        """Cut a column, each row of some weight, into bins of about as many rows each."""
        there = ~np.isnan(values)
        known = values[there].astype(np.float64)
        distinct, counts = np.unique(known, return_counts=True)
        if len(distinct) == 2 and there.all():  # a level: kept as it is, so a rare one counts less
            return cls(distinct[:1], np.array([[0.0], [1.0]]), bool(counts[0] >= counts[1]))
        last = np.arange(len(distinct) - 1)
        if len(last) > _EDGES:
            cuts = np.arange(1, _EDGES + 1) / (_EDGES + 1)
            last = np.unique(counts.cumsum().searchsorted(cuts * len(known)))
            last = last[last < len(distinct) - 1]
        edges = distinct[last] + (distinct[last + 1] - distinct[last]) / 2
        bins = edges.searchsorted(known)
        return cls(np.append(edges, np.inf), _pieces(known, bins, weights[there]), False)

    def bins(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Return each row's bin, shape (rows,)."""
        return self.edges.searchsorted(values).astype(np.uint8)

    def steps(self, column: int, heights: Floats) -> Iterator[Step]:
        """Say what a function of the bins, shape (bins,), does at their edges."""
        for edge, height in zip(self.edges, np.diff(heights), strict=True):
            if height:
                yield Step(column, float(edge), self.missing_left, float(height))


def _pieces(known: Floats, bins: npt.NDArray[np.intp], weights: Floats) -> Floats:
    """Return the pieces of each bin and, last, of missing values.

    They are ramps from 0 to 1 in turn, so that their sum bends where one ends and the next begins,
    scaled to a standard deviation of one; missing values are as the median, but for a piece of
    their own.
    """
    size = int(bins.max(initial=0)) + 1
    counts = np.bincount(bins, minlength=size)
    means = np.bincount(bins, known, size) / np.maximum(counts, 1)
    share = counts.cumsum() / max(len(known), 1)

    def quantiles(shares: npt.ArrayLike) -> npt.NDArray[np.intp]:
        return np.minimum(share.searchsorted(shares), size - 1)

    bends = np.unique(means[quantiles(np.linspace(0, 1, _PIECES + 1))])
    low, high = bends[:-1], bends[1:]
    ramps = (means[:, np.newaxis].clip(low, high) - low) / (high - low)
    weight = np.bincount(bins, weights, size) / max(weights.sum(), 1e-9)
    spread = np.sqrt(weight @ (ramps - weight @ ramps) ** 2)
    ramps = np.divide(ramps, spread, out=np.zeros_like(ramps), where=spread > 0)
    pieces = np.zeros((size + 1, len(low) + 1))
    pieces[:-1, :-1] = ramps
    pieces[-1, :-1] = ramps[quantiles(0.5)]
    pieces[-1, -1] = 1
    return pieces


def fit_steps(
    columns: npt.NDArray[Any], churned: npt.NDArray[np.bool_], weights: Floats
) -> tuple[float, list[Step]]:
    """Fit the logit of leaving: what it is below all thresholds, and the steps from there.

    Args:
        columns: shape (rows, columns); NaN where a value is missing.
        churned: shape (rows,), with both outcomes.
        weights: shape (rows,).

    """
    made = [_Column.of(values, weights) for values in columns.T]
    bins = [column.bins(values) for column, values in zip(made, columns.T, strict=True)]
    ends = np.cumsum([1, *(column.pieces.shape[1] for column in made)])
    total = weights.sum()

    def tables(parameters: Floats) -> list[Floats]:
        parts = np.split(parameters, ends)[1:-1]
        return [column.pieces @ part for column, part in zip(made, parts, strict=True)]

    def objective(parameters: Floats) -> tuple[float, Floats]:
        logits = np.full(len(churned), parameters[0])
        for table, places in zip(tables(parameters), bins, strict=True):
            logits += table.take(places)
        loss = weights @ (np.logaddexp(0, logits) - churned * logits)
        excess = weights * (expit(logits) - churned)
        slopes = parameters.copy()
        slopes[0] = 0
        gradient = _RIDGE * slopes
        gradient[0] = excess.sum()
        for column, places, end in zip(made, bins, ends, strict=False):
            counted = np.bincount(places, excess, len(column.pieces))
            gradient[end : end + column.pieces.shape[1]] += counted @ column.pieces
        return (loss + _RIDGE / 2 * slopes @ slopes) / total, gradient / total

    start = np.zeros(ends[-1])
    rate = weights @ churned / total
    start[0] = np.log(rate / (1 - rate))
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS, "ftol": 1e-6}
    ).x
    heights = tables(found)
    base = found[0] + sum(table[0] for table in heights)
    steps = [
        step
        for place, (column, table) in enumerate(zip(made, heights, strict=True))
        for step in column.steps(place, table)
    ]
    return float(base), steps


def to_trees(steps: Sequence[Step], node: np.dtype[Any]) -> list[npt.NDArray[Any]]:
    """Make trees of at most `LEAVES` leaves whose sum is that of the steps.

    Args:
        steps: those of a column in a row, ascending.
        node: the record that a node is.

    Returns:
        The nodes of each tree, the root first.

    """
    parts: list[list[Step]] = []
    for step in steps:
        if parts and parts[-1][0].column == step.column and len(parts[-1]) < LEAVES - 1:
            parts[-1].append(step)
        else:
            parts.append([step])
    bundles: list[list[list[Step]]] = []
    room = 0
    for part in sorted(parts, key=len, reverse=True):
        if len(part) < room:
            bundles[-1].append(part)
        else:
            bundles.append([part])
            room = LEAVES
        room //= len(part) + 1
    return [_tree(bundle, node) for bundle in bundles or [[]]]


def _tree(bundle: Sequence[Sequence[Step]], node: np.dtype[Any]) -> npt.NDArray[Any]:
    """Make one tree of the steps of some columns: a leaf for each of their combinations."""
    nodes = [np.zeros((), node)]

    def grow(place: int, parts: Sequence[Sequence[Step]], value: float, depth: int) -> None:
        here = nodes[place]
        here["depth"] = depth
        parts = [part for part in parts if part]
        if not parts:
            here["is_leaf"], here["value"] = 1, value
            return
        (first, *rest), middle = parts, len(parts[0]) // 2
        step = first[middle]
        here["feature_idx"], here["num_threshold"] = step.column, step.threshold
        here["missing_go_to_left"] = step.missing_left
        below, above = first[:middle], first[middle + 1 :]
        passed = sum(each.height for each in first[: middle + 1])
        for side, part, reached in (("left", below, 0.0), ("right", above, passed)):
            here[side] = len(nodes)
            nodes.append(np.zeros((), node))
            grow(len(nodes) - 1, [part, *rest], value + reached, depth + 1)

    grow(0, bundle, 0.0, 0)
    return np.stack(nodes)
