"""Exported graphs, evaluated by numpy, against the stock evaluator and the runtime that serves."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from evergreen.customers.schema import Matrix
from evergreen.models import artifact
from evergreen.models.artifact import ONNX_INPUT, ONNX_OUTPUT, Artifact
from evergreen.models.export import round_thresholds, to_onnx
from evergreen.models.golden import Probabilities
from evergreen.models.graph import Graph

SAME = 2e-6
"""A sum of some hundred float32 logits, each below 1, in another order or with another `exp`, is
off by less; a customer who takes another branch, by more than a thousand times as much."""


Peer = Callable[[bytes, Matrix], Probabilities]


def stock(content: bytes, matrix: Matrix) -> Probabilities:
    with np.errstate(invalid="ignore"):
        (answer,) = ReferenceEvaluator(content).run([ONNX_OUTPUT], {ONNX_INPUT: matrix})
    return np.asarray(answer, np.float32)[:, 1]


def runtime(content: bytes, matrix: Matrix) -> Probabilities:
    (answer,) = ort.InferenceSession(content).run([ONNX_OUTPUT], {ONNX_INPUT: matrix})
    return np.asarray(answer, np.float32)[:, 1]


def boosting(iterations: int = 20) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=iterations, learning_rate=0.5, random_state=0)


def numbers(rows: int, seed: int) -> Matrix:
    """Three columns, of which a fifth is missing."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, 3)).astype(np.float32)
    return np.where(rng.random(matrix.shape) < 0.2, np.float32(np.nan), matrix)


@pytest.fixture(scope="module")
def exported() -> bytes:
    """Trees for numbers of which the missing ones mean something, left or right."""
    matrix = numbers(2_000, seed=0)
    total = np.where(np.isnan(matrix), [2, -2, 1], matrix).sum(axis=1)
    pipeline = make_pipeline(boosting())
    pipeline.fit(matrix, total + np.sin(5 * total) > 0)
    round_thresholds(pipeline)
    return to_onnx(pipeline, 3)


def at_thresholds(content: bytes, rows: int) -> Matrix:
    """Customers whose every value is a threshold of that feature, or the float32 next to one."""
    (node,) = onnx.load_model_from_string(content).graph.node[:1]
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    branches = np.array(found["nodes_modes"]) != b"LEAF"
    assert {0, 1} == set(np.array(found["nodes_missing_value_tracks_true"])[branches])
    values = np.array(found["nodes_values"], np.float32)[branches]
    features = np.array(found["nodes_featureids"])[branches]
    rng, columns = np.random.default_rng(1), []
    for feature in range(3):
        exact = rng.choice(values[features == feature], rows)
        side = rng.choice(np.array([-np.inf, np.nan, np.inf], np.float32), rows)
        columns.append(np.where(np.isnan(side), exact, np.nextafter(exact, side)))
    return np.column_stack(columns)


@pytest.mark.parametrize("peer", [stock, runtime])
def test_trees_decide_as_others_do_where_values_are_missing(exported: bytes, peer: Peer) -> None:
    matrix = numbers(300, seed=2)
    expected = peer(exported, matrix)
    assert np.abs(Graph.parse(exported).probabilities(matrix) - expected).max() <= SAME
    assert np.ptp(expected) > 0.9


@pytest.mark.parametrize("peer", [stock, runtime])
def test_trees_decide_as_others_do_at_their_very_thresholds(exported: bytes, peer: Peer) -> None:
    matrix = at_thresholds(exported, 300)
    expected = peer(exported, matrix)
    assert np.abs(Graph.parse(exported).probabilities(matrix) - expected).max() <= SAME


def test_a_whole_version_is_answered_as_others_do(version: Artifact) -> None:
    content = version.files[artifact.ONNX]
    features = onnx.load_model_from_string(content).graph.input[0].type.tensor_type.shape.dim[1]
    rng = np.random.default_rng(0)
    matrix = rng.integers(-1, 60, (100, features.dim_value)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    answered = Graph.parse(content).probabilities(matrix)
    assert answered.dtype == np.float32
    assert np.abs(answered - stock(content, matrix)).max() <= SAME
    assert np.abs(answered - runtime(content, matrix)).max() <= SAME


def test_no_customers_get_no_answers(version: Artifact) -> None:
    content = version.files[artifact.ONNX]
    assert Graph.parse(content).probabilities(np.empty((0, 14), np.float32)).shape == (0,)


def of_three_outcomes() -> Pipeline:
    matrix = numbers(300, seed=0)
    return make_pipeline(boosting(3)).fit(matrix, np.nan_to_num(matrix[:, 0]).round().clip(-1, 1))


def of_known_levels_only() -> Pipeline:
    matrix = np.abs(np.nan_to_num(numbers(300, seed=0)).round().clip(-1, 1))
    columns = ColumnTransformer([("levels", OneHotEncoder(sparse_output=False), [0, 1, 2])])
    return make_pipeline(columns, boosting(3)).fit(matrix, matrix.sum(axis=1) > 1)


@pytest.mark.parametrize("fitted", [of_three_outcomes, of_known_levels_only])
def test_other_kinds_of_models_are_answered_as_the_stock_evaluator_does(
    fitted: Callable[[], Pipeline],
) -> None:
    content = to_onnx(fitted(), 3)
    matrix = np.abs(np.nan_to_num(numbers(50, seed=1)).round().clip(-1, 1))
    answered = Graph.parse(content).probabilities(matrix)
    assert np.abs(answered - stock(content, matrix)).max() <= SAME
