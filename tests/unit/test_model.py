import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import CorruptModelError, InputError, ParityError
from evergreen.jobs.learning.history import History
from evergreen.models import artifact, training
from evergreen.models.artifact import CHAMPION, FASTER, Artifact, Manifest
from evergreen.models.golden import Golden
from evergreen.models.model import Model
from evergreen.models.reference import Reference
from evergreen.models.training import Labelled, Trained

READ = [*(name for name in CHAMPION if name != artifact.BASELINE), artifact.FOREST]
"""What is parsed as soon as a version is loaded."""

Load = Callable[[Artifact], Model | Reference]


def with_file(version: Artifact, name: str, content: bytes) -> Artifact:
    """Replace a file and its hash, as somebody would who publishes a wrong version."""
    hashes = version.manifest.files | {name: artifact.sha256(content)}
    return Artifact(replace(version.manifest, files=hashes), {**version.files, name: content})


@pytest.fixture(params=[Model.load, Reference.load], ids=["served", "compared with"])
def load(request: pytest.FixtureRequest) -> Load:
    """A version is refused on the same evidence, whatever it is loaded for."""
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", [*CHAMPION, *FASTER])
def test_a_file_that_was_changed_is_refused(version: Artifact, name: str, load: Load) -> None:
    changed = {**version.files, name: version.files[name][:-1] + b"?"}
    with pytest.raises(CorruptModelError, match=f"{name} is not the file that was published"):
        load(Artifact(version.manifest, changed))


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}"])
def test_a_file_that_is_nonsense_is_refused(
    version: Artifact, name: str, content: bytes, load: Load
) -> None:
    with pytest.raises(CorruptModelError, match=version.manifest.version):
        load(with_file(version, name, content))


@pytest.mark.parametrize("name", CHAMPION)
def test_a_file_that_is_missing_is_refused(version: Artifact, name: str, load: Load) -> None:
    files = {key: content for key, content in version.files.items() if key != name}
    with pytest.raises(CorruptModelError, match=f"{version.manifest.version}: {name} is missing"):
        load(Artifact(version.manifest, files))


def test_a_model_that_answers_its_golden_rows_otherwise_is_refused(
    version: Artifact, load: Load
) -> None:
    golden = Golden.parse(version.files[artifact.GOLDEN])
    wrong = Golden(golden.matrix, golden.probabilities + np.float32(2e-5))
    with pytest.raises(CorruptModelError, match="differ from scikit-learn's"):
        load(with_file(version, artifact.GOLDEN, wrong.to_bytes()))


def test_tables_that_answer_the_golden_rows_otherwise_are_refused(
    version: Artifact, trained: Trained, load: Load
) -> None:
    other = replace(trained.forest, base=trained.forest.base + np.float32(1e-3))
    with pytest.raises(CorruptModelError, match="differ from scikit-learn's"):
        load(with_file(version, artifact.FOREST, other.to_bytes()))


def test_tables_are_never_unpickled(version: Artifact, load: Load) -> None:
    out = io.BytesIO()
    np.savez(out, levels=np.array([{}], dtype=object))
    with pytest.raises(CorruptModelError, match="allow_pickle"):
        load(with_file(version, artifact.FOREST, out.getvalue()))


def test_a_version_from_before_there_were_tables_answers_the_same(
    version: Artifact, labelled: Labelled, load: Load
) -> None:
    files = {name: version.files[name] for name in CHAMPION}
    hashes = {name: version.manifest.files[name] for name in CHAMPION}
    before = load(Artifact(replace(version.manifest, files=hashes), files))
    now = load(version)
    moved = before.probabilities(labelled.matrix) - now.probabilities(labelled.matrix)
    assert np.abs(moved).max() <= 2.0**-23


def test_an_answer_that_is_not_a_number_is_no_parity() -> None:
    golden = Golden(np.zeros((1, 1), np.float32), np.zeros(1, np.float32))
    with pytest.raises(ParityError):
        golden.check(np.array([np.nan], np.float32))


def test_golden_rows_hold_a_customer_of_whom_nothing_is_known(version: Artifact) -> None:
    golden = Golden.parse(version.files[artifact.GOLDEN])
    assert np.isnan(golden.matrix[0]).all()
    assert (golden.matrix[1] == -1).any()


def test_a_stored_manifest_says_the_same(version: Artifact) -> None:
    assert Manifest.parse(version.manifest.to_bytes()) == version.manifest


@pytest.mark.parametrize("text", [b"", b"{}", b'{"version": 1}', b"[]"])
def test_a_manifest_that_cannot_be_read_is_refused(text: bytes) -> None:
    with pytest.raises(CorruptModelError):
        Manifest.parse(text)


def test_onnx_answers_as_scikit_learn_does_on_every_row(
    labelled: Labelled, trained: Trained, model: Model
) -> None:
    expected = trained.pipeline.predict_proba(labelled.matrix)[:, 1]
    assert np.abs(model.probabilities(labelled.matrix) - expected).max() <= 1e-5


def test_training_twice_makes_the_same_model(
    schema: Schema, labelled: Labelled, version: Artifact
) -> None:
    again = training.version_files(schema, labelled, training.train(schema, labelled))
    for name in (
        artifact.ONNX,
        artifact.FOREST,
        artifact.GOLDEN,
        artifact.METRICS,
        artifact.BASELINE,
    ):
        assert again[name] == version.files[name]


def test_nothing_is_learned_from_held_out_rows(
    schema: Schema, labelled: Labelled, version: Artifact
) -> None:
    lies = replace(labelled, churned=labelled.churned ^ labelled.held_out)
    trained = training.train(schema, lies)
    files = training.version_files(schema, lies, trained)
    assert files[artifact.ONNX] == version.files[artifact.ONNX]
    assert trained.metrics["threshold"] == json.loads(version.files[artifact.METRICS])["threshold"]
    assert trained.metrics["held_out"]["roc_auc"] < 0.5


def test_metrics_hold_what_is_promised(version: Artifact, schema: Schema) -> None:
    metrics = json.loads(version.files[artifact.METRICS])
    assert metrics["baselines"].keys() == {"prior", "logistic_regression"}
    assert metrics["importance"].keys() == set(schema.feature_names)
    assert sum(metrics["importance"].values()) == pytest.approx(1)
    assert metrics["held_out"].keys() == {
        *("rows", "churn_rate", "mean_predicted", "ece", "roc_auc", "pr_auc", "brier"),
        *("log_loss", "f1", "precision", "recall", "lift_at_10_percent"),
    }
    assert metrics["chosen"] == "all"
    assert metrics["candidates"].keys() == {"all"}
    assert metrics["candidates"]["all"].keys() == {"log_loss", "standard_error"}


def test_too_few_customers_are_too_few(schema: Schema, frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="too few to learn from"):
        training.train(schema, History.of({"h": frame.head(199)}).labelled(schema))


def test_one_outcome_alone_teaches_nothing(schema: Schema, frame: pd.DataFrame) -> None:
    stayed = frame[frame["churned"] == "no"]
    with pytest.raises(InputError, match="0 churned"):
        training.train(schema, History.of({"h": stayed}).labelled(schema))


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_table_of_one_kind_of_feature_can_be_learned_from(kind: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, 400)
    left = rng.random(400) < 0.2 + 0.3 * (x == 2)
    field = {"name": "x", "type": "integer"}
    if kind == "categorical":
        field["constraints"] = {"enum": [0, 1, 2]}
    schema = Schema(
        {
            "fields": [field, {"name": "y", "constraints": {"enum": [0, 1]}}],
            "target": {"field": "y", "positive": "1"},
        }
    )
    frame = pd.DataFrame({"x": x.astype(str), "y": left.astype(int).astype(str)})
    labelled = History.of({"h": frame}).labelled(schema)
    labelled = replace(labelled, held_out=np.arange(400) % 5 == 0)
    trained = training.train(schema, labelled)
    assert training.version_files(schema, labelled, trained)[artifact.ONNX]
    assert trained.metrics["importance"] == {"x": 1.0}


@pytest.mark.parametrize(("first", "left"), [("", True), ("import evergreen", False)])
def test_onnxruntime_keeps_no_telemetry_where_evergreen_was_imported_first(
    first: str, left: bool, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-c", f"{first}\nimport onnxruntime; onnxruntime.SessionOptions()"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    assert any(tmp_path.rglob("*")) is left
