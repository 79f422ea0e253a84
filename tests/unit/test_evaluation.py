from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evergreen.statistics import evaluation

LEFT = np.array([True, True, False, False, False])
SCORES = np.array([0.9, 0.4, 0.6, 0.2, 0.1])

judged = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=2)


def test_metrics_equal_those_worked_out_by_hand() -> None:
    found = evaluation.metrics(LEFT, SCORES, threshold=0.5)
    assert found["rows"] == 5
    assert found["churn_rate"] == pytest.approx(0.4)
    assert found["mean_predicted"] == pytest.approx(0.44)
    assert found["roc_auc"] == pytest.approx(5 / 6)
    assert found["pr_auc"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.04 + 0.01) / 5)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.8, 0.9]).mean())
    assert (found["precision"], found["recall"], found["f1"]) == (0.5, 0.5, 0.5)
    assert found["lift_at_10_percent"] == pytest.approx(2.5)


@given(judged, st.randoms())
def test_lift_does_not_depend_on_the_order_of_ties(
    rows: list[tuple[bool, float]], order: Random
) -> None:
    assume(any(left for left, _ in rows))
    shuffled = order.sample(rows, len(rows))
    lifts = []
    for some in (rows, shuffled):
        left, scores = (np.array(side) for side in zip(*some, strict=True))
        lifts.append(evaluation.lift(left, scores, share=0.3))
    assert lifts[0] == pytest.approx(lifts[1])


@given(judged)
def test_no_threshold_has_a_higher_f1_than_the_best(rows: list[tuple[bool, float]]) -> None:
    assume(any(left for left, _ in rows))
    left, scores = (np.array(side) for side in zip(*rows, strict=True))

    def f1(threshold: float) -> float:
        hits = (left & (scores >= threshold)).sum()
        return float(2 * hits / (left.sum() + (scores >= threshold).sum()))

    best = evaluation.best_threshold(left, scores)
    assert f1(best) == pytest.approx(max(f1(t) for t in np.unique(scores)))


def test_the_calibration_error_equals_one_worked_out_by_hand() -> None:
    left = np.array([True, False, False, False, True, True, False, True])
    scores = np.array([0.1, 0.1, 0.2, 0.2, 0.7, 0.8, 0.8, 0.9])
    # halves: 0.15 predicted and 0.25 observed, 0.8 predicted and 0.75 observed
    assert evaluation.calibration_error(left, scores, bins=2) == pytest.approx(0.075)


def test_a_model_that_says_what_happens_is_calibrated_and_one_that_doubles_it_is_not() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(20_000) / 2
    left = rng.random(20_000) < scores
    # by chance a bin of 2,000 is off by about sqrt(0.25 * 0.75 / 2,000) = 0.01, in the mean 0.008
    assert evaluation.calibration_error(left, scores) < 0.015
    assert evaluation.calibration_error(left, 2 * scores) == pytest.approx(0.25, abs=0.015)


@given(judged, st.randoms())
def test_the_calibration_error_does_not_depend_on_the_order_of_ties(
    rows: list[tuple[bool, float]], order: Random
) -> None:
    errors = []
    for some in (rows, order.sample(rows, len(rows))):
        left, scores = (np.array(side) for side in zip(*some, strict=True))
        errors.append(evaluation.calibration_error(left, scores))
    assert errors[0] == pytest.approx(errors[1])
    assert 0 <= errors[0] <= 1


def test_the_error_by_chance_is_what_a_perfect_model_shows_in_the_mean() -> None:
    rng = np.random.default_rng(0)
    scores = rng.beta(1, 3, 1_000)
    errors = [evaluation.calibration_error(rng.random(1_000) < scores, scores) for _ in range(200)]
    # one error is off by about 0.008, so the mean of 200 by 0.0006
    expected = evaluation.calibration_error_by_chance(scores)
    assert np.mean(errors) == pytest.approx(expected, abs=0.002)
    assert 0.02 < expected < 0.04


def test_reliability_is_the_table_that_the_calibration_error_sums_up() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(500)
    left = rng.random(500) < scores**2
    table = evaluation.reliability(left, scores)
    assert [row["customers"] for row in table] == [50] * 10
    gaps = [row["customers"] * abs(row["mean_predicted"] - row["observed"]) for row in table]
    assert sum(gaps) / 500 == pytest.approx(evaluation.calibration_error(left, scores))
    predicted = [row["mean_predicted"] for row in table]
    assert predicted == sorted(predicted)


def test_where_all_are_answered_alike_reliability_is_one_row() -> None:
    assert evaluation.reliability(LEFT, np.full(5, 0.3)) == [
        {"customers": 5, "mean_predicted": pytest.approx(0.3), "observed": 0.4}
    ]


def test_a_row_that_stands_for_many_counts_as_many() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(200).round(2)
    left = rng.random(200) < scores
    times = rng.integers(1, 4, 200)
    expected = evaluation.best_threshold(np.repeat(left, times), np.repeat(scores, times))
    assert evaluation.best_threshold(left, scores, times.astype(np.float64)) == expected
