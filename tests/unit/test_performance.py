"""Measured performance: its values are those of the hold-out's metrics, its intervals hold."""

import time
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit, logit

from evergreen.customers.value import Amounts, Value
from evergreen.statistics import evaluation, performance
from evergreen.statistics.profit import profit

FIXED = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}

judged = st.lists(st.tuples(st.booleans(), st.integers(1, 99)), min_size=4, max_size=60)
Sides = tuple[np.ndarray, np.ndarray]


def sides(rows: list[tuple[bool, int]]) -> Sides:
    labels, scores = (np.array(side) for side in zip(*rows, strict=True))
    assume(labels.any() and not labels.all())
    return labels, scores / 100


def drawn(rng: np.random.Generator, size: int, excess: float = 0.0) -> Sides:
    """Customers of a model that says everything too high, by so much on the scale of log odds."""
    truth = rng.beta(1, 3, size)
    labels = rng.random(size) < truth
    labels[:2] = [True, False]
    return labels, expit(logit(truth) + excess)


def amounts(size: int) -> Amounts:
    return Value.parse(FIXED, {}).amounts(np.zeros((size, 1), np.float32), [0.0])


@given(judged)
def test_values_are_those_of_the_hold_outs_metrics(rows: list[tuple[bool, int]]) -> None:
    labels, scores = sides(rows)
    expected = evaluation.metrics(labels, scores, threshold=0.5)
    found = performance.measure(labels, scores)
    assert (found["customers"], found["churn_rate"]) == (len(rows), expected["churn_rate"])
    assert found["mean_predicted"] == pytest.approx(expected["mean_predicted"])
    for name in ("roc_auc", "log_loss", "brier", "ece"):
        assert found[name]["value"] == pytest.approx(expected[name], abs=1e-12)
        assert 0 <= found[name]["low"] <= found[name]["value"] + 1e-12
        assert found[name]["value"] <= found[name]["high"] + 1e-12
    assert "profit" not in found


@given(judged)
def test_the_area_varies_as_delong_says(rows: list[tuple[bool, int]]) -> None:
    labels, scores = sides(rows)
    left, stayed = scores[labels], scores[~labels]
    won = np.array([[(a > b) + (a == b) / 2 for b in stayed] for a in left], dtype=float)
    variance = sum(
        float(share.var(ddof=1)) / len(share)
        for share in (won.mean(axis=1), won.mean(axis=0))
        if len(share) > 1
    )
    found = performance.roc_auc(labels, scores)
    reach = 1.959964 * variance**0.5
    assert found["value"] == pytest.approx(won.mean())
    assert found["low"] == pytest.approx(max(0, won.mean() - reach))
    assert found["high"] == pytest.approx(min(1, won.mean() + reach))


def test_profit_is_what_contacting_from_the_break_even_on_brings() -> None:
    labels, scores = drawn(np.random.default_rng(0), 1_000)
    found = performance.measure(labels, scores, amounts(1_000))["profit"]
    assert found["value"] == pytest.approx(profit(labels, scores, amounts(1_000)).at_break_even)
    assert found["low"] < found["value"] < found["high"]


@pytest.mark.parametrize(("size", "excess"), [*product((150, 2_000), (0.0, 0.3))])
def test_intervals_hold_the_truth_in_95_cases_of_100(size: int, excess: float) -> None:
    rng, rounds = np.random.default_rng(size), 300
    labels, scores = drawn(rng, 500_000, excess)
    everyone = performance.measure(labels, scores, amounts(500_000))
    truth = {name: everyone[name]["value"] for name in ("roc_auc", "log_loss", "brier", "profit")}
    truth["ece"] = float(np.abs(scores - expit(logit(scores) - excess)).mean())
    held = dict.fromkeys(truth, 0)
    for _ in range(rounds):
        found = performance.measure(*drawn(rng, size, excess), amounts(size))
        for name, value in truth.items():
            held[name] += found[name]["low"] <= value <= found[name]["high"]
    # 95 % of 300 is 285, with a standard deviation of 3.8
    assert held.pop("ece") >= 274
    assert all(270 <= times <= 297 for times in held.values()), held


def test_sure_answers_are_judged_as_well() -> None:
    labels = np.arange(200) < 50
    found = performance.measure(labels, labels.astype(float))
    assert found["roc_auc"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert found["log_loss"]["value"] == found["brier"]["value"] == found["ece"]["value"] == 0
    wrong = performance.measure(labels, (~labels).astype(float))
    assert wrong["roc_auc"]["value"] == 0
    assert wrong["log_loss"]["value"] == pytest.approx(-np.log(performance.LOWEST))


def test_one_of_an_outcome_is_enough() -> None:
    found = performance.measure(np.array([True, False, False]), np.array([0.5, 0.5, 0.1]))
    assert found["roc_auc"]["value"] == 0.75
    assert found["roc_auc"]["low"] < 0.75 < found["roc_auc"]["high"]


def test_a_million_take_less_than_a_second() -> None:
    labels, scores = drawn(np.random.default_rng(0), 1_000_000)
    started = time.process_time()
    performance.measure(labels, scores, amounts(len(labels)))
    assert time.process_time() - started < 1
