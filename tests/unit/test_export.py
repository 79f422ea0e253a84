"""Numbers that stand next to each other in float32: served as they were learned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

from evergreen.customers.schema import Schema
from evergreen.models import artifact, training
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.export import make_exact, rounded_down
from evergreen.models.model import Model
from evergreen.models.training import Labelled

float32 = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(float32, st.floats(0, 1), st.integers(-2, 2))
@np.errstate(over="ignore")  # next to the largest number is infinity
def test_a_threshold_rounded_down_decides_every_float32_as_before(
    low: float, between: float, steps: int
) -> None:
    high = float(np.nextafter(np.float32(low), np.float32(np.inf)))
    threshold = np.array([low if np.isinf(high) else low * (1 - between) + high * between])
    (rounded,) = rounded_down(threshold)
    value = np.float32(low)
    for _ in range(abs(steps)):
        value = np.nextafter(value, np.float32(np.copysign(np.inf, steps)))
    assert rounded.dtype == np.float32
    assert (value <= rounded) == (np.float64(value) <= threshold[0])


def test_a_threshold_above_all_numbers_stays_there() -> None:
    assert rounded_down(np.array([np.inf])) == np.inf


def test_leaves_add_up_to_the_same_in_any_order_and_to_what_they_did() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(2_000, 4)).astype(np.float32)
    churned = matrix.sum(axis=1) + rng.normal(size=2_000) > 1
    pipeline = make_pipeline(
        ColumnTransformer([("numbers", "passthrough", [0, 1, 2, 3])]),
        HistGradientBoostingClassifier(max_iter=200, learning_rate=0.3),
    ).fit(matrix, churned)
    before = pipeline.predict_proba(matrix)
    make_exact(pipeline)
    assert np.abs(pipeline.predict_proba(matrix) - before).max() < 1e-5

    base = pipeline[-1]._baseline_prediction.ravel()
    rows = matrix.astype(np.float64)
    no_categories = np.zeros((0, 8), np.uint32), np.zeros(4, np.uint32)
    leaves = [tree.predict(rows, *no_categories, 1) for (tree,) in pipeline[-1]._predictors]
    exact = np.vstack([np.broadcast_to(base, 2_000), *leaves])
    terms = exact.astype(np.float32)
    assert (terms == exact).all()
    for _ in range(5):
        total = np.add.accumulate(rng.permutation(terms))[-1]
        assert total.dtype == np.float32
        assert (total == exact.sum(axis=0)).all()


@pytest.mark.parametrize(
    ("first", "span", "block", "found"),
    [
        (20_000_001, 400, 50, 0.95),  # whole numbers, of which float32 has every second one
        (1_000_000_000, 10_000, 640, 0.95),  # account numbers, every 64th
        (1_760_000_000, 7_200, 900, 0.95),  # the Unix seconds of two hours, every 128th
        (20_000_001, 10_000, 50, 0.6),  # more blocks than small trees can tell apart
        (1_760_000_000, 10_000, 50, 0.4),  # blocks that float32 does not tell apart itself
    ],
)
def test_numbers_that_are_dense_in_float32_are_served_as_they_were_learned(
    first: int, span: int, block: int, found: float
) -> None:
    schema = Schema(
        {
            "fields": [
                {"name": "x", "type": "integer"},
                {"name": "y", "constraints": {"enum": [0, 1]}},
            ],
            "target": {"field": "y", "positive": "1"},
        }
    )
    rows = max(1_000, span)
    exact = first + np.linspace(0, span - 1, rows).round()
    held_out = np.random.default_rng(0).random(rows) < 0.2
    labelled = Labelled(
        matrix=exact[:, np.newaxis].astype(np.float32),
        churned=(exact - first) // block % 2 == 0,
        held_out=held_out,
        recent=np.ones_like(held_out),
        age=np.zeros(rows),
    )
    trained = training.train(schema, labelled)
    files = training.version_files(schema, labelled, trained)
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    served = Model.load(Artifact(Manifest("v", "", None, "", "", {}, {}, {}, hashes), files))
    every = np.arange(first - 300, first + span + 300)[:, np.newaxis].astype(np.float32)
    expected = trained.pipeline.predict_proba(every)[:, 1]
    assert np.abs(served.probabilities(every) - expected).max() <= 1e-5
    assert trained.metrics["held_out"]["roc_auc"] > found
