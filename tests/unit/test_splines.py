"""Step functions of columns: what is fitted, and that trees say the same."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from evergreen.models.forest import LEAVES
from evergreen.models.splines import Floats, Step, fit_steps, to_trees

NODE = np.dtype(
    [
        ("value", np.float64),
        ("feature_idx", np.int64),
        ("num_threshold", np.float64),
        ("missing_go_to_left", np.uint8),
        ("left", np.uint32),
        ("right", np.uint32),
        ("depth", np.uint32),
        ("is_leaf", np.uint8),
    ]
)


def logits(base: float, steps: list[Step], columns: Floats) -> Floats:
    total = np.full(len(columns), base)
    for step in steps:
        values = columns[:, step.column]
        above = np.where(np.isnan(values), not step.missing_left, values > step.threshold)
        total += step.height * above
    return total


def fitted(columns: Floats, churned: np.ndarray) -> Floats:
    base, steps = fit_steps(columns, churned, np.ones(len(churned)))
    return logits(base, steps, columns)


def by_trees(trees: list[np.ndarray], row: Floats) -> float:
    total = 0.0
    for nodes in trees:
        node = nodes[0]
        while not node["is_leaf"]:
            value = row[node["feature_idx"]]
            left = node["missing_go_to_left"] if np.isnan(value) else value <= node["num_threshold"]
            node = nodes[node["left" if left else "right"]]
        total += node["value"]
    return total


def test_levels_are_fitted_as_by_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    columns = (rng.random((3_000, 4)) < [0.5, 0.2, 0.02, 0.7]).astype(np.float64)
    churned = rng.random(3_000) < 1 / (1 + np.exp(1 - columns @ [1.0, -2.0, 1.0, 0.0]))
    expected = LogisticRegression(C=1 / 20, tol=1e-8).fit(columns, churned)
    assert fitted(columns, churned) == pytest.approx(expected.decision_function(columns), abs=0.02)


def test_a_bent_line_is_found() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, 20_000)
    churned = rng.random(20_000) < 1 / (1 + np.exp(2 - np.abs(x)))
    found = fitted(x[:, np.newaxis], churned)
    # 2,222 customers between two bends: a logit is known to about 1 / sqrt(2,222 * 0.15) = 0.05
    assert np.abs(found - (np.abs(x) - 2)).mean() < 0.1


def test_missing_values_have_an_effect_of_their_own_and_rare_ones_next_to_none() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4_000, 2))
    missing = rng.random(4_000) < 0.3
    churned = rng.random(4_000) < np.where(missing, 0.8, 0.2)
    x[missing, 0] = np.nan
    x[np.flatnonzero(churned)[:2], 1] = np.nan
    found = fitted(x, churned)
    # drawn together by the ridge, which counts as much as 20 / 0.16 customers
    assert found[missing].mean() == pytest.approx(np.log(4), abs=0.4)
    assert found[~missing].mean() == pytest.approx(-np.log(4), abs=0.4)
    base, steps = fit_steps(x, churned, np.ones(4_000))
    nobody, median = np.array([[0.0, np.nan], [0.0, np.median(x[~np.isnan(x[:, 1]), 1])]])
    assert logits(base, steps, np.array([nobody])) == pytest.approx(
        logits(base, steps, np.array([median])), abs=0.2
    )


@pytest.mark.parametrize("value", [0.0, np.nan, 7.0])
def test_a_column_that_is_the_same_for_all_says_nothing(value: float) -> None:
    churned = np.arange(400) % 4 == 0
    found = fitted(np.full((400, 2), value), churned)
    assert found == pytest.approx(-np.log(3), abs=1e-3)


def test_weights_count_as_so_many_customers() -> None:
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 2, (500, 3)).astype(np.float64)
    churned = rng.random(500) < columns.mean(axis=1)
    twice = np.repeat(np.arange(500), 1 + np.arange(500) % 2)
    base, steps = fit_steps(columns, churned, 1.0 + np.arange(500) % 2)
    expected = fit_steps(columns[twice], churned[twice], np.ones(len(twice)))
    assert logits(base, steps, columns) == pytest.approx(logits(*expected, columns), abs=0.02)


def test_a_weight_of_nothing_is_no_obstacle() -> None:
    columns = np.arange(400.0)[:, np.newaxis]
    churned = np.arange(400) % 3 == 0
    weights = np.where(columns[:, 0] < 200, 1e-320, 1.0)
    base, steps = fit_steps(columns, churned, weights)
    assert np.isfinite(logits(base, steps, columns)).all()


@pytest.mark.parametrize("counts", [[], [1], [7], [8, 1], [35, 3, 1, 1, 1, 1, 2], [1] * 20])
def test_trees_add_up_to_the_steps(counts: list[int]) -> None:
    rng = np.random.default_rng(0)
    steps = [
        Step(column, float(edge), bool(column % 2), rng.normal())
        for column, count in enumerate(counts)
        for edge in [*range(count - 1), np.inf]
    ]
    trees = to_trees(steps, NODE)
    assert all(nodes["is_leaf"].sum() <= LEAVES for nodes in trees)
    assert len(trees) <= max(1, np.ceil(sum(c / 7 if c > 1 else c / 3 for c in counts)) + 2)
    rows = rng.integers(-1, 36, (200, len(counts))).astype(np.float64)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    expected = logits(0.0, steps, rows)
    assert [by_trees(trees, row) for row in rows] == pytest.approx(expected)
