"""Features that give the outcome away, and good ones that don't."""

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from evergreen.customers.schema import Schema
from evergreen.jobs.learning.cohort import leaking
from evergreen.models.training import Labelled
from evergreen.statistics import leakage
from evergreen.statistics.leakage import leaks, measure, roc_auc
from tests.simulations.leakage import HONEST, LEAKS, called

RNG = np.random.default_rng(5)
LEFT: npt.NDArray[np.bool_] = RNG.random(2_000) < 0.25


def column(values: object) -> npt.NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


@pytest.mark.parametrize("name", HONEST)
def test_a_good_feature_is_no_leak(name: str) -> None:
    assert called(*HONEST[name], rows=2_000, tables=20, seed=1) <= 0.05


@pytest.mark.parametrize("name", LEAKS)
def test_what_gives_the_outcome_away_is_found(name: str) -> None:
    assert called(*LEAKS[name], rows=10_000, tables=20, seed=1) == 1


def test_a_leak_is_named_by_its_column_with_its_evidence() -> None:
    reason = np.where(LEFT & (RNG.random(2_000) < 0.9), RNG.integers(0, 4, 2_000), np.nan)
    score = LEFT + RNG.normal(0, 0.1, 2_000)
    matrix = np.stack([column(RNG.normal(size=2_000)), column(reason), column(score)], axis=1)
    found = leaks(matrix, [False, True, False], LEFT)
    assert found.keys() == {1, 2}
    known = f"{np.mean(~np.isnan(reason[LEFT])):.1%}"
    assert str(found[1]).startswith(f"is known of {known} of those who left and 0.0% of those")
    assert str(found[2]) == "alone tells who left (ROC AUC 1.000)"


def test_certainty_for_part_of_the_leavers_is_evidence_of_its_own() -> None:
    plan = np.where(LEFT & (RNG.random(2_000) < 0.5), 7, RNG.integers(0, 4, 2_000))
    (found,) = leaks(column(plan)[:, None], [True], LEFT).values()
    assert found.roc_auc < leakage.HONEST
    assert str(found).startswith(f"alone settles it for {found.certain[1]:.0%} of those who left")


def test_missing_for_all_who_left_is_as_good_as_filled_for_them() -> None:
    renewal = np.where(LEFT, np.nan, RNG.random(2_000))
    (found,) = leaks(column(renewal)[:, None], [False], LEFT).values()
    assert found.known == (1, 0)


@pytest.mark.parametrize("values", [np.full(2_000, np.nan), np.ones(2_000)])
def test_a_column_without_content_tells_nothing(values: npt.NDArray[np.float64]) -> None:
    found = measure(column(values), False, LEFT)
    assert found.roc_auc == pytest.approx(0.5, abs=0.02)
    assert not found.leak


@pytest.mark.parametrize("left", [0, 19, 1_981, 2_000])
def test_too_few_of_an_outcome_show_nothing(left: int) -> None:
    churned = np.arange(2_000) < left
    assert leaks(column(churned)[:, None], [True], churned) == {}


def test_the_names_of_levels_do_not_matter() -> None:
    codes = RNG.integers(0, 5, 2_000) * LEFT
    other = RNG.permutation(5)[codes]
    assert measure(column(codes), True, LEFT) == measure(column(other), True, LEFT)


def test_many_customers_are_looked_at_in_part() -> None:
    churned = np.arange(1_000_000) % 4 == 0
    matrix = np.tile(column(churned)[:, None], (1, 20))
    started = time.process_time()
    assert len(leaks(matrix, [False] * 20, churned)) == 20
    assert time.process_time() - started < 3


@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=60))
@settings(max_examples=50)
def test_the_roc_auc_is_scikit_learns(pairs: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([p[0] for p in pairs]), np.array([float(p[1]) for p in pairs])
    if labels.all() or not labels.any():
        return
    assert roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_a_training_warns_of_a_leak(schema: Schema, labelled: Labelled) -> None:
    assert [*leaking(schema, labelled)] == []
    place = schema.feature_names.index("data_usage_gb")
    matrix = labelled.matrix.copy()
    matrix[:, place] = np.where(labelled.churned, matrix[:, place], np.nan)
    (warning,) = leaking(schema, replace(labelled, matrix=matrix))
    assert warning.startswith("'data_usage_gb' is known of 100.0% of those who left")
    assert warning.endswith("leave it out of the schema")
