"""Categories of customers whom a challenger fails."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.learning.slices import MARGIN, MIN_SLICE, Slice, slices
from evergreen.statistics.comparison import Labels, losses

CUSTOMERS = 3_000
SCHEMA = Schema.parse(
    json.dumps(
        {
            "fields": [
                {
                    "name": "plan",
                    "type": "string",
                    "constraints": {"enum": ["basic", "pro", "old"]},
                },
                {"name": "paperless", "type": "boolean"},
                {"name": "months", "type": "integer"},
                {"name": "left", "type": "string", "constraints": {"enum": ["yes", "no"]}},
            ],
            "target": {"field": "left", "positive": "yes"},
        }
    )
)
Odds = npt.NDArray[np.float64]


def people(seed: int) -> tuple[Matrix, Labels, Odds]:
    """Customers, who left, and their true log odds; one in thirty has the old plan."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(3, CUSTOMERS, p=[0.6, 0.37, 0.03])
    matrix = np.column_stack([plan, rng.integers(0, 2, CUSTOMERS), rng.integers(0, 60, CUSTOMERS)])
    odds = rng.normal(-1, 1, CUSTOMERS)
    return matrix.astype(np.float32), rng.random(CUSTOMERS) < special.expit(odds), odds


def compared(seed: int, wrong: Any = 0.0) -> tuple[Slice, ...]:
    """A challenger that is off by so many log odds, and as noisy as the champion."""
    matrix, churned, odds = people(seed)
    noise = np.random.default_rng([seed, 1]).normal(0, 0.2, (2, CUSTOMERS))
    off = wrong(matrix) if callable(wrong) else wrong
    theirs, ours = special.expit(odds + noise[0]), special.expit(odds + noise[1] + off)
    return slices(SCHEMA, matrix, churned, theirs, ours, np.ones(CUSTOMERS))


def test_a_category_that_becomes_worse_is_named_first_with_both_losses() -> None:
    found = compared(0, lambda matrix: np.where(matrix[:, 0] == 1, 1.5, 0.0))
    assert (found[0].feature, found[0].level, found[0].worse) == ("plan", "pro", True)
    assert found[0].challenger_log_loss - found[0].champion_log_loss > max(MARGIN, found[0].low)
    assert str(found[0]).startswith(f"plan = pro ({found[0].customers} customers: log loss 0.")
    assert not any(
        other.worse for other in found if other.feature == "plan" and other.level != "pro"
    )


def test_levels_that_few_have_are_not_looked_at_and_a_boolean_is_named_as_json_has_it() -> None:
    found = compared(0)
    names = {(one.feature, one.level) for one in found}
    assert names == {
        ("plan", "basic"),
        ("plan", "pro"),
        ("paperless", "false"),
        ("paperless", "true"),
    }
    assert all(one.customers >= MIN_SLICE for one in found)


def test_challengers_that_are_as_good_are_hardly_ever_called_worse() -> None:
    assert sum(any(one.worse for one in compared(seed)) for seed in range(200)) <= 2


def test_what_all_lose_a_little_is_no_slices_fault() -> None:
    assert not any(one.worse for seed in range(20) for one in compared(seed, 0.1))


def test_customers_who_stand_for_many_count_so_often() -> None:
    matrix, churned, odds = people(3)
    theirs, ours = special.expit(odds), special.expit(odds + matrix[:, 1])
    weights = np.where(churned, 1.0, 3.0)
    found = {
        (one.feature, one.level): one
        for one in slices(SCHEMA, matrix, churned, theirs, ours, weights)
    }
    who = matrix[:, 1] == 1
    one = found["paperless", "true"]
    before = np.average(losses(churned, theirs)[who], weights=weights[who])
    assert np.isclose(one.champion_log_loss, before)
    assert one.worse
    repeated = np.repeat(np.arange(CUSTOMERS), weights.astype(int))
    whole = slices(
        SCHEMA, *(a[repeated] for a in (matrix, churned, theirs, ours)), np.ones(len(repeated))
    )
    same = {(one.feature, one.level): one for one in whole}["paperless", "true"]
    assert np.isclose(same.challenger_log_loss, one.challenger_log_loss)
    assert same.low > one.low  # copies would count as if they were known, and are less sure


def test_a_bound_is_that_of_a_normal_mean_divided_among_the_slices() -> None:
    matrix, churned, odds = people(4)
    theirs, ours = special.expit(odds), special.expit(odds + 0.5)
    one = slices(SCHEMA, matrix, churned, theirs, ours, np.ones(CUSTOMERS))[0]
    column = matrix[:, SCHEMA.feature_names.index(one.feature)]
    code = {"basic": 0, "pro": 1, "false": 0, "true": 1}[one.level]
    worse = (losses(churned, ours) - losses(churned, theirs))[column == code]
    error = worse.std() / np.sqrt(len(worse))
    assert np.isclose(one.low, worse.mean() - stats.norm.isf(0.01 / 4) * error)


def test_without_categories_there_is_nothing_to_look_at() -> None:
    schema = Schema.parse(
        json.dumps(
            {
                "fields": [{"name": "months", "type": "integer"}, SCHEMA.document["fields"][3]],
                "target": SCHEMA.document["target"],
            }
        )
    )
    matrix, churned, odds = people(5)
    scores = special.expit(odds)
    assert slices(schema, matrix[:, 2:], churned, scores, scores, np.ones(CUSTOMERS)) == ()
