"""Numbers that stand next to each other in float32: served as they were learned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.schema import Schema
from evergreen.models import artifact, training
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.export import rounded_down
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


@pytest.mark.parametrize(
    ("first", "span", "block"),
    [
        (20_000_001, 400, 50),  # whole numbers, of which float32 has every second one
        (1_000_000_000, 10_000, 640),  # account numbers, every 64th
        (1_760_000_000, 7_200, 900),  # the Unix seconds of two hours, every 128th
    ],
)
def test_numbers_that_are_dense_in_float32_are_served_as_they_were_learned(
    first: int, span: int, block: int
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
    exact = first + np.linspace(0, span - 1, 1_000).round()
    held_out = np.random.default_rng(0).random(1_000) < 0.2
    labelled = Labelled(
        matrix=exact[:, np.newaxis].astype(np.float32),
        churned=(exact - first) // block % 2 == 0,
        held_out=held_out,
        recent=np.ones_like(held_out),
        age=np.zeros(1_000),
    )
    trained = training.train(schema, labelled)
    files = training.version_files(schema, labelled, trained)
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    served = Model.load(Artifact(Manifest("v", "", None, "", "", {}, {}, {}, hashes), files))
    every = np.arange(first - 300, first + span + 300)[:, np.newaxis].astype(np.float32)
    expected = trained.pipeline.predict_proba(every)[:, 1]
    assert np.abs(served.probabilities(every) - expected).max() <= 1e-5
    assert trained.metrics["held_out"]["roc_auc"] > 0.95  # the blocks were found
