"""Probabilities are corrected where that helps customers who did not correct them."""

import numpy as np
import pytest

from evergreen.models.calibration import NONE, Calibration, Floats, calibrate


def customers(rows: int, seed: int = 0) -> tuple[Floats, np.ndarray]:
    """The true logits of two repeats, and what happened."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 1.5, rows)
    return np.tile(logits, (2, 1)), rng.random(rows) < 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize(("slope", "shift"), [(2.0, 0.0), (0.5, 0.0), (1.0, 1.0), (0.7, -0.5)])
def test_what_is_off_is_put_right(slope: float, shift: float) -> None:
    logits, churned = customers(20_000)
    line = calibrate((logits - shift) / slope, churned, np.ones(20_000))
    # standard errors at 20,000 customers are about 0.02
    assert (line.slope, line.shift) == pytest.approx((slope, shift), abs=0.08)
    assert line.logits((logits - shift) / slope) == pytest.approx(logits, abs=0.3)


def test_what_is_right_is_left_alone_most_of_the_time() -> None:
    lines = [calibrate(*customers(2_000, seed), np.ones(2_000)) for seed in range(20)]
    assert sum(line == NONE for line in lines) >= 15
    assert Calibration(1, 0) == NONE


def test_what_ranks_customers_the_wrong_way_round_is_not_turned_round() -> None:
    logits, churned = customers(5_000)
    assert calibrate(-logits, churned, np.ones(5_000)) == NONE


def test_the_same_answer_for_everybody_is_left_alone() -> None:
    churned = np.arange(300) % 3 == 0
    assert calibrate(np.zeros((1, 300)), churned, np.ones(300)) == NONE


def test_customers_count_by_their_weight() -> None:
    logits, churned = customers(20_000)
    kept = churned | (np.arange(20_000) % 4 == 0)
    weights = np.where(churned, 1.0, 4.0)[kept]
    line = calibrate(logits[:, kept] * 2, churned[kept], weights)
    assert (line.slope, line.shift) == pytest.approx((0.5, 0), abs=0.08)


def test_two_customers_of_one_outcome_are_enough() -> None:
    churned = np.arange(100) < 2
    assert calibrate(np.linspace(3, -3, 100)[np.newaxis], churned, np.ones(100)).slope > 0
