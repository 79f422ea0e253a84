"""Have two samples the same distribution? Tests on counts of cells, many tables at a time.

The arrays may have any leading dimensions (…): the columns of a check, the checks of a month.
"""

from math import lgamma, log, tau

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Cells = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ENOUGH = 5
"""A level of which fewer are expected in one of the samples is pooled with others like it."""

NEWS = 20
"""… unless there are so many: where fewer than `ENOUGH` are expected, so many come about by chance
with a probability of 3e-7 (Poisson)."""

# where `scipy.stats.kstwo` sums up the same terms, but one by one (Simard & L'Ecuyer, 2011)
_FEW, _MANY = 140, 1_000_000  # customers
_NEAR, _FAR = 2.2, 370.0  # their number times D²

_STIRLING = np.array(
    [0, *(lgamma(n + 1) - (n + 0.5) * log(n) + n - log(tau) / 2 for n in range(1, 16))]
)


def smirnov(before: Cells, now: Cells) -> Floats:
    """Return the Kolmogorov-Smirnov statistic D, shape (…), from counts by value, (…, cells).

    It is 0 where a sample is empty.

    Source: Hodges, The significance probability of the Smirnov two-sample test, 1958.
    """
    gaps = (_shares(before) - _shares(now)).cumsum(axis=-1)
    both = before.any(axis=-1) & now.any(axis=-1)
    return np.where(both, np.abs(gaps).max(axis=-1), 0.0)


def smirnov_p(statistic: npt.ArrayLike, before: npt.ArrayLike, now: npt.ArrayLike) -> Floats:
    """Return D's p-value, from the sizes of both samples; 1 where either is empty.

    It is the asymptotic one of `scipy.stats.ks_2samp`; ties make it conservative.
    """
    here, there = np.asarray(before, np.float64), np.asarray(now, np.float64)
    both = np.maximum(np.round(here * there / np.maximum(here + there, 1)), 1)
    distance, size = np.broadcast_arrays(np.asarray(statistic, np.float64), both)
    scaled = size * distance**2
    summed = (size > _FEW) & (size <= _MANY) & (scaled >= _NEAR) & (scaled < _FAR)
    p_value = np.empty(distance.shape)
    if not summed.all():
        p_value[~summed] = stats.kstwo.sf(distance[~summed], size[~summed])
    p_value[summed] = [
        2 * _one_sided(*each) for each in zip(distance[summed], size[summed], strict=True)
    ]
    return np.where((here > 0) & (there > 0), np.clip(p_value, 0, 1), 1.0)


def _one_sided(distance: float, size: float) -> float:
    """Return what `scipy.special.smirnov` does, by the same sum, but all of its terms at once.

    Sources: Birnbaum & Tingey, One-sided confidence contours, 1951; and, for what is left of the
    factorials, Loader, Fast and accurate computation of binomial probabilities, 2000.
    """
    gap = size * distance
    below = np.arange(1.0, np.ceil(size - gap))
    above = size - below
    logs = below * np.log1p(gap / below) + above * np.log1p(-gap / above)
    logs += _stirling(np.array([size])) - _stirling(below) - _stirling(above)
    terms = np.exp(logs) * np.sqrt(size / (tau * below * above)) * gap / (gap + below)
    return float(terms.sum() + (1 - distance) ** size)


def _stirling(numbers: Floats) -> Floats:
    """Return by how much the logarithm of n! exceeds Stirling's formula, for n from 1 on."""
    inverse = 1 / numbers
    square = inverse**2
    series = inverse / 12 * (1 - square / 30 * (1 - square * 2 / 7 * (1 - square * 3 / 4)))
    small = numbers < len(_STIRLING)
    series[small] = _STIRLING[numbers[small].astype(np.intp)]
    return series


def homogeneity(tables: Cells) -> tuple[Floats, Floats, Floats]:
    """Return Pearson's χ², its p-value and the total variation distance, each of shape (…).

    Args:
        tables: shape (…, 2, levels): how often each level occurs in either sample.

    Of a level that is rare in one of the samples χ² makes too much: with thirty levels of 0.3 % a
    nominal 5 % is really 9 %, and one in 100,000 is one in 800. Rare levels are one level here,
    together with as many of the next as make it `ENOUGH` (Cochran, 1954). Which ones they are is
    told by the margins of the table alone, on which the test is conditional, so choosing them
    costs nothing. The distance is that of the pooled table: what can't be tested is no effect.

    """
    counts = tables.astype(np.float64)
    sizes = counts.sum(axis=-1, keepdims=True)
    pooled = _pooled(counts, _expected(counts, sizes))
    expected = _expected(pooled, sizes)
    terms = np.divide(
        (pooled - expected) ** 2, expected, out=np.zeros_like(pooled), where=expected > 0
    )
    statistic = terms.sum(axis=(-2, -1))
    freedom = (expected.min(axis=-2) > 0).sum(axis=-1) - 1
    p_value = np.where(freedom > 0, special.chdtrc(np.maximum(freedom, 1), statistic), 1.0)
    shares = _shares(pooled)
    distance = np.abs(shares[..., 0, :] - shares[..., 1, :]).sum(axis=-1) / 2
    return statistic, p_value, np.where(sizes.min(axis=(-2, -1)) > 0, distance, 0.0)


def adjusted(p_values: Floats) -> Floats:
    """Return p-values adjusted for their number, shape (tests,): each the smallest false discovery
    rate at which its test is one of the discoveries.

    Source: Benjamini & Hochberg, Controlling the false discovery rate, 1995.
    """
    tests = len(p_values)
    order = np.argsort(p_values)[::-1]
    rates = p_values[order] * (tests / np.arange(tests, 0, -1))
    found = np.empty(tests)
    found[order] = np.minimum.accumulate(np.minimum(rates, 1))
    return found


def _pooled(counts: Floats, expected: Floats) -> Floats:
    """Put rare levels together; shape (…, 2, levels + 1), the last one being theirs."""
    news = ((expected < ENOUGH) & (counts >= NEWS)).any(axis=-2)
    scarcest = np.where(news, counts.sum(axis=(-2, -1))[..., None], expected.min(axis=-2))
    order = np.argsort(scarcest, axis=-1, kind="stable")
    scarcest = np.take_along_axis(scarcest, order, axis=-1)
    counts = np.take_along_axis(counts, order[..., None, :], axis=-1)
    scarcer = scarcest.cumsum(axis=-1) - scarcest
    rare = (scarcest < ENOUGH) | ((scarcer > 0) & (scarcer < ENOUGH))
    rare = rare[..., None, :]
    together = np.where(rare, counts, 0).sum(axis=-1, keepdims=True)
    return np.concatenate([np.where(rare, 0, counts), together], axis=-1)


def _expected(counts: Floats, sizes: Floats) -> Floats:
    """How often each level would occur if the samples differed by chance alone."""
    totals = counts.sum(axis=-2, keepdims=True)
    return np.asarray(sizes * totals / np.maximum(sizes.sum(axis=-2, keepdims=True), 1))


def _shares(counts: npt.NDArray[np.int64] | Floats) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1))
