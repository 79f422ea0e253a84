"""Profit, as the paper and an independent implementation of it have it."""

import numpy as np
import pytest
from empulse.metrics import empc_score
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.value import Value
from evergreen.statistics.profit import expected_maximum, profit

STATED = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}


def customers(seed: int, rows: int, churn: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < churn
    labels[:2] = [True, False]
    scores = 1 / (1 + np.exp(-(2 * labels - 1 + rng.normal(size=rows))))
    return labels, np.round(scores, rng.integers(1, 5))


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 400),
    st.floats(0.02, 0.8),
    st.integers(20, 500),
    st.integers(1, 19),
    st.integers(1, 10),
    st.floats(0.1, 0.9),
)
def test_the_expected_maximum_is_that_of_an_independent_implementation(
    seed: int, rows: int, churn: float, worth: int, offer: int, contact: int, acceptance: float
) -> None:
    labels, scores = customers(seed, rows, churn)
    ours, share = expected_maximum(
        labels, scores, worth=worth, offer=offer, contact=contact, acceptance=acceptance
    )
    theirs = empc_score(
        labels.astype(int), scores, alpha=20 * acceptance, beta=20 * (1 - acceptance),
        clv=worth, incentive_cost=offer, contact_cost=contact,
    )  # fmt: skip
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert 0 <= share <= 1


def test_a_perfect_model_brings_what_there_is_to_win() -> None:
    labels = np.arange(1_000) < 300
    amounts = Value.parse(STATED, {}).amounts(np.zeros((1_000, 1), np.float32), [0.0])
    found = profit(labels, labels.astype(float), amounts)
    assert found.at_break_even == pytest.approx(0.3 * (0.3 * 190 - 1))
    assert found.contacted == 0.3
    assert found.expected_maximum == pytest.approx(found.at_break_even, rel=1e-3)
    assert found.best_share == pytest.approx(0.3, rel=1e-3)


def test_whom_it_never_pays_to_contact_nobody_contacts() -> None:
    labels, scores = customers(1, 100, 0.3)
    poor = Value.parse(STATED | {"worth": 5}, {}).amounts(np.zeros((100, 1), np.float32), [0.0])
    assert {*profit(labels, scores, poor).as_dict().values()} == {0.0}


def test_amounts_of_each_customer_count_at_break_even() -> None:
    labels, scores = np.array([True, True, False]), np.array([0.9, 0.9, 0.01])
    value = Value.parse(STATED | {"worth": "cltv"}, {"cltv": 0})
    amounts = value.amounts(np.array([[1_000], [11], [500]], np.float32), [0.0])
    found = profit(labels, scores, amounts)
    assert found.contacted == pytest.approx(1 / 3)
    assert found.at_break_even == pytest.approx((0.3 * 990 - 1) / 3)
