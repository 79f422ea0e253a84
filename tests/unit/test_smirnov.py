"""D's p-value is SciPy's, though the terms behind it are summed up all at once."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evergreen.statistics.two_sample import smirnov_p

SIZES = st.integers(1, 20_000)


@given(before=SIZES, now=SIZES, scaled=st.floats(0, 45))
def test_as_scipy_has_it(before: int, now: int, scaled: float) -> None:
    size = max(1, round(before * now / (before + now)))
    distance = min(1.0, float(np.sqrt(scaled / size)))
    expected = stats.kstwo.sf(distance, size)
    assert smirnov_p(distance, before, now) == pytest.approx(expected, rel=1e-11, abs=1e-300)


@pytest.mark.parametrize("distance", [Fraction(1, 8), Fraction(1, 4), Fraction(5, 7)])
def test_is_twice_the_sum_of_birnbaum_and_tingey(distance: Fraction) -> None:
    size = 141  # the first that is summed up
    terms = (
        comb(size, low)
        * (distance + Fraction(low, size)) ** (low - 1)
        * (1 - distance - Fraction(low, size)) ** (size - low)
        for low in range(int(size * (1 - distance)) + 1)
    )
    exact = float(2 * distance * sum(terms))
    assert smirnov_p(float(distance), 2 * size, 2 * size) == pytest.approx(exact, rel=1e-12)


def test_many_at_once_and_none() -> None:
    distances = [[0.0, 0.01, 0.03], [0.1, 0.9, 1.0]]
    found = smirnov_p(distances, 7_000, [100_000, 100, 0])
    alone = [
        [float(smirnov_p(d, 7_000, n)) for d, n in zip(row, (100_000, 100, 0), strict=True)]
        for row in distances
    ]
    assert found.tolist() == alone
    assert found[:, 2].tolist() == [1, 1]
    assert smirnov_p(np.zeros((3, 0)), np.ones(0), np.ones(0)).shape == (3, 0)
