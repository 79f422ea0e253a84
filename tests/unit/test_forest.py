"""Trees as tables, against the graph that they were exported beside."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from evergreen.customers.schema import Matrix, Schema
from evergreen.models.answers import rounded
from evergreen.models.export import make_exact, to_forest, to_onnx
from evergreen.models.forest import Forest, number
from evergreen.models.graph import Graph
from evergreen.models.model import Model
from evergreen.models.pipelines import fit, gradient_boosting

LEVELS = (2, 5, 45)
ULP = 2.0**-23
"""The last bit of a probability: all else is the same sum of the same leaves."""


def schema_of(levels: tuple[int, ...], numbers: int) -> Schema:
    categories = [
        {"name": f"c{place}", "constraints": {"enum": list(range(size))}}
        for place, size in enumerate(levels)
    ]
    fields = [{"name": f"n{place}", "type": "number"} for place in range(numbers)]
    target = {"name": "y", "constraints": {"enum": [0, 1]}}
    return Schema(
        {"fields": [*categories, *fields, target], "target": {"field": "y", "positive": "1"}}
    )


def customers(rows: int, seed: int, levels: tuple[int, ...], numbers: int) -> Matrix:
    """Every kind of value in every column: a tenth is missing, another is a new level."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, size, rows).astype(np.float32) for size in levels]
    matrix = np.column_stack([*codes, *rng.normal(size=(numbers, rows)).round(1)])
    chance = rng.random(matrix.shape)
    matrix[chance < 0.1] = np.nan
    new = chance > 0.9
    new[:, len(levels) :] = False
    matrix[new] = -1
    return matrix.astype(np.float32)


def outcomes(matrix: Matrix, seed: int) -> np.ndarray:
    """What every column decides, and its being missing as well."""
    rng = np.random.default_rng(seed)
    known = np.nan_to_num(matrix, nan=-2.5)
    effect = np.sin(known * rng.normal(1, 1, known.shape[1])) @ rng.normal(size=known.shape[1])
    return effect + rng.normal(size=len(matrix)) > 0


@dataclass(frozen=True)
class Case:
    pipeline: Pipeline
    schema: Schema
    graph: Graph
    forest: Forest

    @property
    def columns(self) -> int:
        return len(self.schema.features)


def case(levels: tuple[int, ...], numbers: int, seed: int, trees: int = 200) -> Case:
    schema = schema_of(levels, numbers)
    matrix = customers(2_000, seed, levels, numbers)
    pipeline = gradient_boosting(schema)
    pipeline[-1].set_params(max_iter=trees, learning_rate=0.1)
    fit(pipeline, matrix, outcomes(matrix, seed))
    graph = Graph.parse(to_onnx(pipeline, len(schema.features)))
    return Case(pipeline, schema, graph, to_forest(pipeline, schema))


@pytest.fixture(
    scope="module",
    params=[(LEVELS, 3, 0, 60), (LEVELS, 0, 1, 33), ((), 2, 2, 60), ((3,), 12, 3, 60)],
    ids=["all kinds", "categories, an odd number of trees", "numbers", "many features"],
)
def made(request: pytest.FixtureRequest) -> Case:
    return case(*request.param)


def awkward(made: Case, feature: int) -> list[float]:
    """Values at and beside every edge, and beyond all of them."""
    (size,) = made.forest.levels[feature]
    if size:
        return [*range(-1, int(size) + 1), size + 7, np.inf, -np.inf, np.nan]
    edges = made.forest.edges[feature]
    beside = np.nextafter(edges[:-1], np.float32(np.inf)), np.nextafter(edges, np.float32(-np.inf))
    return [*edges.tolist(), *beside[0].tolist(), *beside[1].tolist(), -np.inf, 0.0, -0.0, np.nan]


def test_at_every_edge_tables_decide_as_the_graph_does(made: Case) -> None:
    rng = np.random.default_rng(0)
    values = [np.array(awkward(made, feature), np.float32) for feature in range(made.columns)]
    matrix = np.column_stack([rng.choice(column, 3_000) for column in values])
    found, expected = made.forest.probabilities(matrix), made.graph.probabilities(matrix)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= ULP
    assert np.ptp(expected) > 0.5


@given(data=st.data())
def test_any_customers_are_answered_as_by_the_graph(made: Case, data: st.DataObject) -> None:
    def value(feature: int) -> st.SearchStrategy[float]:
        odd = st.sampled_from(awkward(made, feature))
        return odd if made.forest.levels[feature] else odd | st.floats(width=32)

    rows = st.tuples(*map(value, range(made.columns)))
    matrix = np.array(data.draw(st.lists(rows, min_size=1, max_size=20)), np.float32)
    expected = made.graph.probabilities(matrix)
    assert np.abs(made.forest.probabilities(matrix) - expected).max() <= ULP


def test_what_is_stored_and_read_again_answers_the_same(made: Case) -> None:
    matrix = np.random.default_rng(9).integers(-1, 4, (500, made.columns)).astype(np.float32)
    again = Forest.parse(made.forest.to_bytes())
    assert again.groups == made.forest.groups
    assert np.array_equal(again.probabilities(matrix), made.forest.probabilities(matrix))


@pytest.mark.parametrize("rows", [0, 1, 2_000, 2_001, 4_100])
def test_any_number_of_customers_is_answered_one_by_one(made: Case, rows: int) -> None:
    rng = np.random.default_rng(rows)
    matrix = rng.integers(-1, 4, (rows, made.columns)).astype(np.float32)
    answers = made.forest.probabilities(matrix)
    assert answers.shape == (rows,)
    for row in rng.integers(0, rows, 5) if rows else []:
        assert made.forest.probabilities(matrix[[row]]) == answers[row]


def test_how_a_matrix_lies_in_memory_makes_no_difference(made: Case) -> None:
    matrix = np.random.default_rng(0).integers(-1, 4, (500, made.columns)).astype(np.float32)
    answers = made.forest.probabilities(matrix)
    assert np.array_equal(made.forest.probabilities(np.asfortranarray(matrix)), answers)
    assert np.array_equal(made.forest.probabilities(matrix[::-1])[::-1], answers)


def test_threads_may_share_a_forest() -> None:
    shared = case(LEVELS, 3, seed=0, trees=20)
    matrices = [customers(20_000, seed, LEVELS, 3) for seed in range(4)]
    expected = [shared.forest.probabilities(matrix) for matrix in matrices]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            found = pool.map(shared.forest.probabilities, matrices)
            assert all(map(np.array_equal, found, expected))


def test_trees_that_ask_nothing_answer_everybody_the_same() -> None:
    schema = schema_of((2,), 1)
    matrix = customers(400, 0, (2,), 1)
    pipeline = fit(gradient_boosting(schema), np.ones_like(matrix), np.arange(400) < 100)
    answers = to_forest(pipeline, schema).probabilities(matrix)
    assert answers == pytest.approx(0.25, abs=1e-6)


def test_a_tree_of_more_leaves_than_a_byte_has_bits_is_no_table() -> None:
    schema, matrix = schema_of((), 2), customers(2_000, 0, (), 2)
    pipeline = gradient_boosting(schema)
    pipeline[-1].set_params(max_leaf_nodes=9)
    fit(pipeline, matrix, outcomes(matrix, 0))
    with pytest.raises(ValueError, match="9 leaves"):
        to_forest(pipeline, schema)


def test_a_bit_has_a_number_of_its_own() -> None:
    bits = np.array([1 << place for place in range(8)], np.uint8)
    assert sorted(number(bits).tolist()) == list(range(8))


def test_file_and_request_agree_to_the_digits_that_are_given(model: Model, schema: Schema) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 6, (20_000, len(schema.features)))
    numbers = rng.uniform(0, 120, codes.shape)
    matrix = np.where(schema.categorical, codes, numbers).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    by_runtime = replace(model, forest=None).probabilities(matrix)
    by_tables = model.probabilities(matrix)
    assert np.abs(by_tables - by_runtime).max() <= ULP
    # both round the same sum; where the C library's `exp` is not the nearest float32, one bit
    assert (rounded(by_tables) != rounded(by_runtime)).sum() <= 2


def test_trees_of_other_depth_and_rate_are_exact_as_well() -> None:
    schema, matrix = schema_of((4,), 2), customers(3_000, 5, (4,), 2)
    pipeline = gradient_boosting(schema)
    pipeline.steps[-1] = (
        pipeline.steps[-1][0],
        HistGradientBoostingClassifier(max_iter=7, max_leaf_nodes=8, learning_rate=1.0),
    )
    pipeline.fit(matrix, outcomes(matrix, 5))
    make_exact(pipeline)
    expected = pipeline.predict_proba(matrix)[:, 1]
    assert np.abs(to_forest(pipeline, schema).probabilities(matrix) - expected).max() <= ULP
