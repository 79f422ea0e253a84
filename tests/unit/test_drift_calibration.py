"""The defaults keep a month quiet and see what has changed; `make calibrate` has the table."""

from dataclasses import replace

import numpy as np
import pytest

from evergreen.settings import Thresholds
from tests.simulations import calibrate
from tests.simulations.populations import small

LIMITS = Thresholds()


def alarms(months: int, limits: Thresholds, rate: int = 10) -> int:
    population, rng = small(), np.random.default_rng(0)
    return sum(calibrate.month(population, rng, 1_000, rate, limits)[1] for _ in range(months))


def test_months_in_which_nothing_changes_are_quiet_at_the_defaults() -> None:
    # at one month in a hundred, two of fifty would be seen once in eleven times, three in 72
    assert alarms(50, LIMITS) <= 1


def test_at_the_usual_five_per_cent_hardly_a_month_is_quiet() -> None:
    assert alarms(3, replace(LIMITS, alpha=0.05)) == 3


@pytest.mark.parametrize("rate", [10, 10_000])
def test_the_hours_that_are_passed_over_would_not_have_been_alarms(rate: int) -> None:
    limits = replace(LIMITS, alpha=0.05)
    population, rng = small(), np.random.default_rng(0)
    baseline = calibrate.reference(population, rng, 1_000)
    months = [calibrate.Month(field, rng, rate, 24) for field in population.values()]
    suspect = calibrate.suspect_hours(population, baseline, months, limits)
    quiet = np.flatnonzero(~suspect)[::40].tolist()
    assert quiet
    for hour in quiet:
        assert calibrate.report(population, baseline, months, hour, limits).drifted == ()


def test_shifts_are_found_in_two_thousand_customers() -> None:
    population, rng = small(), np.random.default_rng(0)
    found = [calibrate.found(population, rng, 1_000, 2_000, LIMITS) for _ in range(50)]
    assert np.mean(found, axis=0).min() >= 0.96  # of 99 %, less two standard errors


@pytest.mark.parametrize(("rate", "hours"), [(10, 24), (5, 48), (1, 216), (0.1, 336)])
def test_the_window_is_as_long_as_the_product_makes_it(rate: int, hours: int) -> None:
    assert calibrate.width_of(rate, LIMITS) == hours
