"""Kinds of models, each as trees that scikit-learn, graph and tables answer alike."""

import numpy as np
import pytest

from evergreen.customers.schema import Schema
from evergreen.models.export import make_exact, to_forest, to_onnx
from evergreen.models.graph import Graph
from evergreen.models.learners import Learner, learners, rescaled
from evergreen.models.training import Labelled

LEARNERS = learners(1_000)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
def test_each_is_exported_as_it_answers(
    learner: Learner, schema: Schema, labelled: Labelled
) -> None:
    pipeline = learner.fit(schema, labelled.matrix, labelled.churned)
    before = pipeline.predict_proba(labelled.matrix)[:, 1]
    make_exact(pipeline)
    rng = np.random.default_rng(0)
    matrix = labelled.matrix.copy()
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    expected = pipeline.predict_proba(matrix)[:, 1]
    graph = Graph.parse(to_onnx(pipeline, len(schema.features)))
    assert np.abs(pipeline.predict_proba(labelled.matrix)[:, 1] - before).max() < 1e-5
    assert np.abs(graph.probabilities(matrix) - expected).max() <= 1e-6
    assert np.abs(to_forest(pipeline, schema).probabilities(matrix) - expected).max() <= 1e-6
    assert np.ptp(expected) > 0.5


def test_the_mean_is_that_of_its_parts(schema: Schema, labelled: Labelled) -> None:
    splines, trees, mean = (
        learner.fit(schema, labelled.matrix, labelled.churned).decision_function(labelled.matrix)
        for learner in LEARNERS
    )
    assert mean == pytest.approx((splines + trees) / 2)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
def test_the_same_customers_make_the_same_model(
    learner: Learner, schema: Schema, labelled: Labelled
) -> None:
    first, second = (
        learner.fit(schema, labelled.matrix, labelled.churned, np.full(1_000, weight))
        for weight in (1.0, 1.0)
    )
    answers = first.decision_function(labelled.matrix)
    assert np.array_equal(answers, second.decision_function(labelled.matrix))


def test_a_logit_is_moved_as_asked_and_the_model_that_it_was_stays(
    schema: Schema, labelled: Labelled
) -> None:
    pipeline = LEARNERS[0].fit(schema, labelled.matrix, labelled.churned)
    before = pipeline.decision_function(labelled.matrix)
    columns = pipeline[0].transform(labelled.matrix)
    moved = rescaled(pipeline[-1], 0.5, 2.0)
    assert moved.decision_function(columns) == pytest.approx(before / 2 + 2)
    assert np.array_equal(pipeline.decision_function(labelled.matrix), before)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
def test_a_field_of_which_nothing_is_known_changes_no_answer(
    learner: Learner, schema: Schema, labelled: Labelled
) -> None:
    field = {"name": "visits", "type": "integer"}
    wider = Schema({**schema.document, "fields": [*schema.document["fields"], field]})
    matrix = np.column_stack([labelled.matrix, np.full(1_000, np.nan, np.float32)])
    expected = learner.fit(schema, labelled.matrix, labelled.churned).predict_proba(labelled.matrix)
    assert np.array_equal(
        learner.fit(wider, matrix, labelled.churned).predict_proba(matrix), expected
    )
