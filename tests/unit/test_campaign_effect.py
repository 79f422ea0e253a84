"""The interval of a campaign's effect, against the figures of the paper that defines it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.statistics.campaign import effect


@pytest.mark.parametrize(
    ("left", "of", "others", "control", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17, 1998, table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
        (10, 10, 0, 10, 0.6075, 1.0000),
    ],
)
def test_the_interval_is_the_published_one(
    left: int, of: int, others: int, control: int, low: float, high: float
) -> None:
    found = effect(left, of, others, control)
    assert found.value == pytest.approx(left / of - others / control)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


counts = st.integers(1, 1_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts)
def test_the_groups_may_be_exchanged(one: tuple[int, int], other: tuple[int, int]) -> None:
    found, mirrored = effect(*one, *other), effect(*other, *one)
    assert -1 - 1e-12 <= found.low <= found.value <= found.high <= 1 + 1e-12
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low))
