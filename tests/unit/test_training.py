"""Tables that are awkward to learn from."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import InputError
from evergreen.jobs.history import History
from evergreen.models import artifact, training
from evergreen.models.golden import Golden
from evergreen.models.model import Model
from evergreen.models.training import Labelled
from evergreen.statistics.drift import Baseline


@pytest.fixture
def labelled(schema: Schema, frame: pd.DataFrame) -> Labelled:
    return History.of({"h": frame.head(600)}).labelled(schema)


def without(labelled: Labelled, schema: Schema, name: str, keep: int = 0) -> Labelled:
    """The same customers, a field known of the first `keep` of them only."""
    matrix = labelled.matrix.copy()
    matrix[keep:, schema.feature_names.index(name)] = np.nan
    return replace(labelled, matrix=matrix)


@pytest.mark.parametrize("name", ["satisfaction", "region"])
@pytest.mark.parametrize("keep", [0, 1, 8])
def test_a_field_of_which_next_to_nothing_is_known_is_no_obstacle(
    labelled: Labelled, schema: Schema, name: str, keep: int
) -> None:
    sparse = without(labelled, schema, name, keep)
    trained = training.train(schema, sparse)
    assert training.version_files(schema, sparse, trained)
    assert trained.metrics["importance"][name] == pytest.approx(0, abs=0.01)


def test_a_field_that_is_the_same_for_everyone_is_no_obstacle(
    labelled: Labelled, schema: Schema
) -> None:
    matrix = labelled.matrix.copy()
    matrix[:, [schema.feature_names.index(n) for n in ("monthly_fee", "contract")]] = 1
    trained = training.train(schema, replace(labelled, matrix=matrix))
    assert trained.metrics["importance"]["contract"] == 0


def test_what_cannot_be_learned_has_no_importance_at_all(
    labelled: Labelled, schema: Schema
) -> None:
    constant = replace(labelled, matrix=np.ones_like(labelled.matrix))
    trained = training.train(schema, constant)
    assert set(trained.metrics["importance"].values()) == {0.0}
    assert trained.metrics["held_out"]["roc_auc"] == 0.5


def test_features_of_held_out_rows_are_not_learned_from(labelled: Labelled, schema: Schema) -> None:
    other = labelled.matrix.copy()
    other[labelled.held_out] = np.random.default_rng(0).permutation(other[labelled.held_out])
    made = [
        training.version_files(schema, rows, training.train(schema, rows))[artifact.ONNX]
        for rows in (labelled, replace(labelled, matrix=other))
    ]
    assert made[0] == made[1]


def test_held_out_rows_of_one_outcome_are_not_enough(labelled: Labelled, schema: Schema) -> None:
    with pytest.raises(InputError, match="too few"):
        training.train(schema, replace(labelled, held_out=~labelled.churned & labelled.held_out))


def test_a_version_is_made_of_the_files_that_are_documented(
    labelled: Labelled, schema: Schema
) -> None:
    trained = training.train(schema, labelled)
    files = training.version_files(schema, labelled, trained)
    documented = str(artifact.__doc__)
    assert all(f"\n{name} " in documented for name in files)
    assert set(artifact.SERVING) <= files.keys()
    assert json.loads(files[artifact.SCHEMA]) == schema.document

    baseline = Baseline.parse(files[artifact.BASELINE])
    learned = int((~labelled.held_out).sum())
    assert [int(c.counts.sum()) for c in baseline.columns[:-1]] == [learned] * len(schema.features)
    assert int(baseline.columns[-1].counts.sum()) == len(labelled.churned) - learned

    golden = Golden.parse(files[artifact.GOLDEN])
    assert len(golden.matrix) <= 64


def test_unseen_and_missing_values_of_every_kind_are_answered_as_scikit_learn_does(
    labelled: Labelled, schema: Schema, model: Model
) -> None:
    rng = np.random.default_rng(0)
    matrix = labelled.matrix.copy()
    matrix[rng.random(matrix.shape) < 0.3] = np.nan
    matrix[:, schema.categorical] = np.where(
        rng.random((len(matrix), schema.categorical.sum())) < 0.3,
        np.float32(-1),
        matrix[:, schema.categorical],
    )
    trained = training.train(schema, labelled)
    files = training.version_files(schema, labelled, trained)
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    served = Model.load(artifact.Artifact(replace(model.manifest, files=hashes), files))
    expected = trained.pipeline.predict_proba(matrix)[:, 1]
    assert np.abs(served.probabilities(matrix) - expected).max() <= 1e-5
