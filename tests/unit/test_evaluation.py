from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evergreen.statistics import evaluation
from evergreen.statistics.evaluation import Labels, Scores

LEFT = np.array([True, True, False, False, False])
SCORES = np.array([0.9, 0.4, 0.6, 0.2, 0.1])

judged = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=2)


def test_metrics_equal_those_worked_out_by_hand() -> None:
    found = evaluation.metrics(LEFT, SCORES, threshold=0.5)
    assert found["rows"] == 5
    assert found["churn_rate"] == pytest.approx(0.4)
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


def some(rows: int, seed: int = 0) -> tuple[Labels, Scores]:
    rng = np.random.default_rng(seed)
    scores = rng.random(rows)
    return rng.random(rows) < scores, scores


def test_a_model_is_no_worse_than_itself() -> None:
    left, scores = some(500)
    comparison = evaluation.compare(left, scores, scores)
    assert comparison.no_worse
    assert comparison.worse_by_at_most == 0


def test_a_worse_model_is_found_out_and_a_better_one_is_let_through() -> None:
    left, scores = some(1_000)
    worse = np.full(1_000, left.mean())
    assert not evaluation.compare(left, scores, worse).no_worse
    assert evaluation.compare(left, worse, scores).no_worse


def test_a_model_that_could_be_worse_by_chance_is_not_let_through() -> None:
    left, scores = some(60)
    noisy = np.clip(scores + np.random.default_rng(1).normal(0, 0.2, 60), 0.01, 0.99)
    assert not evaluation.compare(left, scores, noisy).no_worse


def test_the_same_comparison_comes_out_the_same() -> None:
    left, scores = some(300)
    assert evaluation.compare(left, scores, scores**2) == evaluation.compare(
        left, scores, scores**2
    )


def test_a_certain_and_wrong_answer_costs_much_but_not_infinitely_much() -> None:
    left, scores = some(300)
    certain = np.where(left, 0.0, 1.0)
    assert np.isfinite(evaluation.compare(left, scores, certain).worse_by_at_most)
