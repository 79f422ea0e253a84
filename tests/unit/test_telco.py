"""What a model of the real Telco table has to reach."""

import os
from pathlib import Path

import numpy as np
import pytest

from evergreen.customers.schema import Matrix
from evergreen.jobs.learning.history import History
from evergreen.models import artifact, training
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.model import Model
from evergreen.models.training import Trained
from local.demo.source import find


@pytest.fixture(scope="module")
def fitted() -> tuple[Matrix, Trained, Model]:
    path = Path(os.environ.get("EVERGREEN_TELCO_CSV", "../shared/data/telco.csv"))
    if not path.is_file():
        missing = f"no Telco table: neither EVERGREEN_TELCO_CSV nor {path} is a file"
        (pytest.fail if os.environ.get("EVERGREEN_REQUIRE_ALL") else pytest.skip)(missing)
    source = find(path, None)
    labelled = History.of({"telco": source.history()}).labelled(source.schema)
    trained = training.train(source.schema, labelled)
    files = training.version_files(source.schema, labelled, trained)
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    manifest = Manifest("telco", "", None, "manual", "", {}, {}, {}, hashes)
    return labelled.matrix, trained, Model.load(Artifact(manifest, files))


def test_the_held_out_roc_auc_is_at_least_084(fitted: tuple[Matrix, Trained, Model]) -> None:
    assert fitted[1].metrics["held_out"]["roc_auc"] >= 0.84


def test_the_model_beats_the_linear_one(fitted: tuple[Matrix, Trained, Model]) -> None:
    metrics = fitted[1].metrics
    linear = metrics["baselines"]["logistic_regression"]
    assert metrics["held_out"]["log_loss"] < linear["log_loss"]
    assert metrics["held_out"]["log_loss"] < metrics["baselines"]["prior"]["log_loss"]


def test_onnx_and_scikit_learn_agree_on_every_row(fitted: tuple[Matrix, Trained, Model]) -> None:
    matrix, trained, model = fitted
    assert len(matrix) == 7043
    expected = trained.pipeline.predict_proba(matrix)[:, 1]
    assert np.abs(model.probabilities(matrix) - expected).max() <= 1e-5
