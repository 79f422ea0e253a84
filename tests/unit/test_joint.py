"""All features at once: what single features do not show, and nothing where there is nothing."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from evergreen.settings import Thresholds
from evergreen.statistics.joint import MOST, joint

LIMITS = Thresholds()
Floats = npt.NDArray[np.float32]


def pairs(seed: int, correlation: float, rows: int = 1_000) -> Floats:
    """Two numbers that go together, and a category; each is distributed as ever."""
    rng = np.random.default_rng(seed)
    numbers = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], rows)
    return np.column_stack([numbers, rng.integers(0, 3, rows)]).astype(np.float32)


def test_a_correlation_that_changes_its_sign_is_seen() -> None:
    found = joint(pairs(0, 0.6), pairs(1, -0.6), LIMITS)
    assert found
    assert found.drifted
    assert found.auc > 0.7
    assert found.p_value < 1e-5
    assert (found.reference, found.customers) == (1_000, 1_000)


def test_where_nothing_has_changed_nothing_is_seen() -> None:
    found = [joint(pairs(s, 0.6, 400), pairs(s + 50, 0.6, 400), LIMITS) for s in range(20)]
    p_values = np.array([one.p_value for one in found if one])
    assert len(p_values) == 20
    assert not any(one.drifted for one in found if one)
    assert (p_values < 0.05).sum() <= 4  # 1 expected


def test_it_says_the_same_whenever_it_is_asked() -> None:
    here, there = pairs(0, 0.3, 2 * MOST), pairs(1, 0.2, 2 * MOST)
    found = joint(here, there, LIMITS)
    assert found == joint(here, there, LIMITS)
    assert found
    assert (found.reference, found.customers) == (MOST, MOST)


def test_a_missing_value_is_one_more_value() -> None:
    here, there = pairs(0, 0), pairs(1, 0)
    there[::2, 2] = np.nan
    found = joint(here, there, LIMITS)
    assert found
    assert found.drifted


def test_an_effect_below_the_floor_is_no_drift_however_sure() -> None:
    floor = replace(LIMITS, effect_floor=0.9)
    found = joint(pairs(0, 0.6), pairs(1, -0.6), floor)
    assert found
    assert found.p_value < floor.alpha
    assert not found.drifted


@pytest.mark.parametrize(("here", "there", "fewest"), [(199, 500, 200), (500, 199, 200), (3, 9, 0)])
def test_of_too_few_nothing_is_said(here: int, there: int, fewest: int) -> None:
    limits = replace(LIMITS, min_rows=fewest)
    assert joint(pairs(0, 0, here), pairs(1, 0, there), limits) is None


def test_the_fewest_can_be_asked_for() -> None:
    assert joint(pairs(0, 0, 4), pairs(1, 0, 4), replace(LIMITS, min_rows=0))
