"""Reasons add up, agree with other implementations, and read well."""

from collections.abc import Callable
from itertools import permutations
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import orjson
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.answering.explaining import explain
from evergreen.models import typical
from evergreen.models.model import Model
from evergreen.models.reasons import reasons
from evergreen.models.training import Labelled

NAN = float("nan")
Logit = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def model_of(logit: Logit, row: list[float]) -> Model:
    """A model that is nothing but a function."""
    typical_row = np.array(row, np.float32)

    def probabilities(matrix: Matrix) -> npt.NDArray[np.float32]:
        return (1 / (1 + np.exp(-logit(matrix.astype(np.float64))))).astype(np.float32)

    return cast(Model, SimpleNamespace(typical=typical_row, probabilities=probabilities))


def customers(labelled: Labelled, count: int) -> Matrix:
    return labelled.matrix[labelled.held_out][:count]


def test_the_changes_add_up_to_the_way_from_the_typical_customer(
    model: Model, labelled: Labelled
) -> None:
    matrix = np.vstack([customers(labelled, 100), model.typical])
    found = reasons(model, matrix)
    assert found.changes.shape == matrix.shape
    way = found.probabilities.astype(np.float64) - found.typical
    np.testing.assert_allclose(found.changes.sum(axis=1), way, atol=1e-7)
    np.testing.assert_array_equal(found.changes[-1], 0)
    np.testing.assert_array_equal(found.probabilities, model.probabilities(matrix))


def test_a_feature_that_is_as_usual_changes_nothing(model: Model, labelled: Labelled) -> None:
    matrix = customers(labelled, 100)
    usual = (matrix == model.typical) | (np.isnan(matrix) & np.isnan(model.typical))
    assert np.abs(reasons(model, matrix).changes[usual]).max() == 0


def test_they_are_the_same_whoever_else_is_asked_about(model: Model, labelled: Labelled) -> None:
    matrix = customers(labelled, 40)
    together = reasons(model, matrix).changes
    alone = np.vstack([reasons(model, row[np.newaxis]).changes for row in matrix])
    np.testing.assert_allclose(alone, together, atol=2e-6)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_they_are_exact_for_features_that_interact_two_by_two(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = 4
    weights, pairs = rng.normal(size=features) / 3, rng.normal(size=(features, features)) / 9

    def logit(matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return matrix @ weights + np.einsum("ri,ij,rj->r", matrix, np.triu(pairs, 1), matrix)

    usual, matrix = rng.normal(size=features), rng.normal(size=(3, features)).astype(np.float32)
    model = model_of(logit, [*usual])
    found = reasons(model, matrix)
    for row, changes, probability in zip(matrix, found.changes, found.probabilities, strict=True):
        exact = brute_force(logit, model.typical, row)
        way = logit(row[np.newaxis])[0] - logit(model.typical[np.newaxis])[0]
        if abs(way) < 0.05:
            continue  # here float32 probabilities tell too little of the slope
        np.testing.assert_allclose(changes, exact * (probability - found.typical) / way, atol=1e-5)


def brute_force(logit: Logit, start: Matrix, row: Matrix) -> npt.NDArray[np.float64]:
    """Shapley's definition: the mean over all orders."""
    orders = list(permutations(range(len(row))))
    shares = np.zeros(len(row))
    for order in orders:
        hybrid = np.tile(start.astype(np.float64), (len(row) + 1, 1))
        for step, feature in enumerate(order):
            hybrid[step + 1 :, feature] = row[feature]
        shares[list(order)] += np.diff(logit(hybrid))
    return shares / len(orders)


def test_they_rank_as_an_independent_implementation_does(model: Model, labelled: Labelled) -> None:
    matrix = customers(labelled, 25)

    def logit(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        probabilities = model.probabilities(rows.astype(np.float32)).astype(np.float64)
        return np.log(probabilities) - np.log1p(-probabilities)

    background = shap.maskers.Independent(model.typical[np.newaxis].astype(np.float64))
    explainer = shap.explainers.Permutation(logit, background, seed=0)
    theirs = explainer(matrix.astype(np.float64), max_evals=2_000, silent=True).values
    ours = reasons(model, matrix).changes
    assert (np.abs(theirs).argmax(axis=1) == np.abs(ours).argmax(axis=1)).mean() >= 0.9
    ranks = [np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1]
             for a, b in zip(theirs, ours, strict=True)]  # fmt: skip
    assert np.mean(ranks) >= 0.95


def test_one_feature_has_all_of_the_way() -> None:
    found = reasons(model_of(lambda m: m[:, 0], [0.0]), np.array([[2.0]], np.float32))
    assert found.changes[0, 0] == pytest.approx(float(found.probabilities[0]) - 0.5)


def test_a_customer_who_is_surely_gone_has_reasons_as_well() -> None:
    model = model_of(lambda m: 100 * m.sum(axis=1), [0.0, 0.0])
    found = reasons(model, np.array([[1.0, 1.0], [1.0, -1.0]], np.float32))
    np.testing.assert_allclose(found.changes[0], [0.25, 0.25])
    np.testing.assert_allclose(found.changes[1].sum(), 0, atol=1e-12)


def test_the_typical_customer_is_the_median_and_the_most_frequent(schema: Schema) -> None:
    rows = np.full((5, len(schema.features)), NAN, np.float32)
    number, category = (int(np.flatnonzero(schema.categorical == kind)[0]) for kind in (0, 1))
    rows[:, number] = [1, 2, 9, 9, 9]
    rows[:3, category] = [1, 0, 1]
    found = typical.of(schema, rows)
    assert (found[number], found[category]) == (9, 1)
    assert np.isnan(found).sum() == len(found) - 2
    again = typical.parse(typical.stored(found))
    np.testing.assert_array_equal(again, found)


def test_an_explanation_adds_up_to_what_is_answered(model: Model, labelled: Labelled) -> None:
    matrix = customers(labelled, 50)
    for row, explanation in zip(matrix, explain(model, matrix), strict=True):
        answered = round(float(model.probabilities(row[np.newaxis])[0]), 6)
        parts = [reason.change for reason in explanation.reasons]
        whole = explanation.typical_probability + sum(parts) + explanation.other_changes
        assert whole == pytest.approx(answered, abs=1e-6)
        assert [*map(abs, parts)] == sorted(map(abs, parts), reverse=True)
        assert 0 < len(parts) <= 5


def test_a_reason_names_the_values_and_reads_as_a_sentence() -> None:
    document = {
        "fields": [
            {"name": "plan", "title": "Contract", "constraints": {"enum": ["monthly", "yearly"]}},
            {"name": "fee", "type": "number"},
            {"name": "calls", "type": "integer"},
            {"name": "left", "type": "boolean"},
        ],
        "target": {"field": "left", "positive": True},
    }
    plain = model_of(lambda m: -1.0 - m[:, 0] + 0.01 * np.nan_to_num(m[:, 1]) ,
                     [1, 29.85, NAN])  # fmt: skip
    model = cast(Model, SimpleNamespace(
        schema=Schema(document), typical=plain.typical, probabilities=plain.probabilities
    ))  # fmt: skip
    (found,) = explain(model, np.array([[0, NAN, 3]], np.float32))
    assert [reason.sentence for reason in found.reasons] == [
        "Contract is monthly, typically yearly: raises the risk by 16 points",
        "fee is not known, typically 29.85: lowers the risk by 5 points",
    ]
    plan, fee = found.reasons
    assert (plan.value, plan.typical) == ("monthly", "yearly")
    assert (fee.value, fee.typical) == (None, 29.85)


def test_a_whole_number_beyond_64_bits_can_be_told(model: Model) -> None:
    whole = [place for place, f in enumerate(model.schema.features) if f.integer]
    matrix = np.tile(model.typical, (len(whole), 1))
    matrix[range(len(whole)), whole] = 3.4e38
    told = [reason for each in explain(model, matrix) for reason in each.reasons]
    assert told
    assert all(reason.value == pytest.approx(3.4e38) for reason in told)
    assert orjson.dumps(told)
