"""What calibrated probabilities say of themselves; tests/peers holds it against NannyML."""

import math
import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evergreen.statistics.estimation import estimate
from evergreen.statistics.performance import measure

answers = st.lists(st.integers(0, 50).map(lambda p: p / 50), min_size=1, max_size=60)


def test_it_is_what_the_outcomes_say_if_the_probabilities_are_right() -> None:
    rng = np.random.default_rng(0)
    scores = rng.beta(1, 3, 400_000)
    measured, estimated = measure(rng.random(len(scores)) < scores, scores), estimate(scores)
    assert estimated["customers"] == 400_000
    assert estimated["churn_rate"] == pytest.approx(measured["churn_rate"], abs=0.003)
    for name in ("roc_auc", "log_loss", "brier"):
        assert estimated[name] == pytest.approx(measured[name]["value"], abs=0.003)


@given(answers)
def test_the_area_is_the_chance_that_a_leaver_has_the_higher_score(scores: list[float]) -> None:
    """Over all pairs of customers, the first by its chance to leave, the second to stay."""
    assume(0 < sum(scores) < len(scores))
    pairs = [(a * (1 - b), (a > b) + (a == b) / 2) for a in scores for b in scores]
    expected = sum(weight * won for weight, won in pairs) / sum(weight for weight, _ in pairs)
    assert estimate(np.array(scores))["roc_auc"] == pytest.approx(expected)


@given(answers)
def test_losses_are_their_means(scores: list[float]) -> None:
    def entropy(p: float) -> float:
        return -sum(side * math.log(side) for side in (p, 1 - p) if side)

    found = estimate(np.array(scores))
    assert found["log_loss"] == pytest.approx(sum(map(entropy, scores)) / len(scores))
    assert found["brier"] == pytest.approx(sum(p * (1 - p) for p in scores) / len(scores))
    assert found["churn_rate"] == pytest.approx(sum(scores) / len(scores))


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_where_all_are_sure_there_is_no_curve(sure: float) -> None:
    expected = {"customers": 3, "roc_auc": None, "log_loss": 0, "brier": 0, "churn_rate": sure}
    assert estimate(np.full(3, sure)) == expected


def test_a_model_that_says_the_same_of_all_ranks_nobody() -> None:
    assert estimate(np.full(1_000, 0.2))["roc_auc"] == pytest.approx(0.5)


def test_float32_is_no_less_exact() -> None:
    scores = np.random.default_rng(0).random(100_000).astype(np.float32)
    assert estimate(scores) == estimate(scores.astype(np.float64))


def test_a_million_take_less_than_a_second() -> None:
    scores = np.random.default_rng(0).beta(1, 3, 1_000_000)
    started = time.process_time()
    estimate(scores)
    assert time.process_time() - started < 1
