import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.jobs.learning.history import History, Sources
from evergreen.jobs.learning.retraining import Retraining
from evergreen.jobs.learning.stewardship import Stewardship
from evergreen.models import artifact
from evergreen.models.model import Model
from evergreen.store import keys, lock
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers

from .conftest import NOW, put_history, put_schema

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def retraining(data: Bucket, registry: Registry) -> Retraining:
    return Retraining(data, registry, cooldown=timedelta(hours=6), patience=timedelta())


def changed(rows: int = 1_500) -> pd.DataFrame:
    """Labelled customers of another kind."""
    return customers(rows, seed=9, shift=1.0)


def test_nothing_is_trained_before_schema_and_data_are_there(
    retraining: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    assert retraining.run("upload", NOW).status == "skipped"
    put_schema(data, schema)
    outcome = retraining.run("upload", NOW)
    assert (outcome.status, outcome.reason[:11]) == ("skipped", "waiting for")
    put_history(data, "history", frame)
    assert retraining.run("upload", NOW).status == "promoted"


@pytest.mark.usefixtures("in_bucket")
def test_the_first_model_is_published_whole_and_serves(
    retraining: Retraining, registry: Registry
) -> None:
    outcome = retraining.run("upload", NOW)
    assert (outcome.status, outcome.reason) == ("promoted", "the first model")
    assert outcome.version and outcome.version.startswith("20260102T030405Z-")
    assert registry.pointer().version == outcome.version
    version = registry.fetch(outcome.version, artifact.CHAMPION)
    assert Model.load(version).version == outcome.version
    assert version.manifest.sources.keys() == {
        keys.TRAINING_SCHEMA,
        "training/history.csv",
    }
    assert version.manifest.libraries["sklearn"]


def test_the_same_data_is_not_learned_from_twice(
    retraining: Retraining, registry: Registry, learned: Pointer
) -> None:
    outcome = retraining.run("upload", NOW + timedelta(days=9))
    assert outcome.reason == f"nothing new to learn from since {learned.version}"
    assert len(list(registry.manifests())) == 1


def test_drift_trains_a_challenger_and_promotes_the_better(
    retraining: Retraining, registry: Registry, data: Bucket, learned: Pointer
) -> None:
    put_history(data, "new", changed())
    outcome = retraining.run("drift", LATER)
    assert outcome.status == "promoted"
    manifest = registry.manifest(str(outcome.version))
    assert (manifest.parent, manifest.trigger) == (learned.version, "drift")
    comparison = manifest.decision["comparison"]
    assert comparison["challenger_log_loss"] < comparison["rival_log_loss"]
    assert 200 < comparison["customers"] < 400  # held-out rows of the new file alone
    assert [move.version for move in registry.history()] == [outcome.version, learned.version]


def test_a_challenger_that_is_worse_is_kept_and_does_not_serve(
    retraining: Retraining,
    registry: Registry,
    data: Bucket,
    schema: Schema,
    learned: Pointer,
) -> None:
    # half the outcomes swapped, wherever a model learns from them, in a file that a person released
    broken = customers(1_500, seed=5)
    taught = ~History.of({"broken": broken}).labelled(schema).held_out
    swapped = broken["churned"].map({"yes": "no", "no": "yes"})
    wrong = taught & (np.random.default_rng(0).random(len(broken)) < 0.5)
    put_history(data, "broken", broken.assign(churned=broken["churned"].mask(wrong, swapped)))
    assert retraining.run("drift", LATER).status == "set_aside"
    Stewardship(registry).release("training/broken.csv", "looks good to me")
    outcome = retraining.run("drift", LATER)
    assert outcome.status == "kept"
    assert registry.pointer().version == learned.version
    manifest = registry.manifest(str(outcome.version))
    assert manifest.decision["promoted"] is False
    assert manifest.decision["reason"] == outcome.reason
    again = retraining.run("upload", LATER + timedelta(days=1))
    assert (again.status, registry.pointer().version) == ("skipped", learned.version)


@pytest.mark.usefixtures("learned")
def test_a_kind_of_trigger_waits_for_its_cool_down_and_for_no_others(
    retraining: Retraining, data: Bucket
) -> None:
    put_history(data, "new", changed())
    outcome = retraining.run("upload", LATER)
    assert outcome.reason == "cooling down until 2026-01-02 09:04 UTC"
    assert retraining.run("drift", LATER).status == "promoted"
    put_history(data, "newer", changed(500))
    assert retraining.run("drift", LATER + timedelta(hours=5)).status == "skipped"
    later = retraining.run("upload", NOW + timedelta(hours=6, seconds=1))
    assert "cooling down" not in later.reason


def test_a_training_by_hand_waits_for_nothing(retraining: Retraining, learned: Pointer) -> None:
    again = retraining.run("manual", LATER)
    assert again.version not in (None, learned.version)


@pytest.mark.usefixtures("learned")
def test_one_training_runs_at_a_time(retraining: Retraining, models: Bucket) -> None:
    with lock.hold(models, keys.RETRAIN_LOCK, "another", timedelta(minutes=15)):
        outcome = retraining.run("upload", NOW)
    assert (outcome.status, outcome.reason[:27]) == ("skipped", "another training is running")
    assert "another training" not in retraining.run("upload", NOW).reason


class Killed(BaseException):
    """What stands for the end of the process."""


@pytest.mark.usefixtures("in_bucket")
@pytest.mark.parametrize("first", [True, False])
def test_a_training_killed_before_it_promoted_is_finished_by_the_next_trigger(
    retraining: Retraining,
    registry: Registry,
    data: Bucket,
    request: pytest.FixtureRequest,
    first: bool,
) -> None:
    class Dying(Registry):
        def promote(self, *_: object, **__: object) -> None:  # type: ignore[override]
            raise Killed

    if not first:
        request.getfixturevalue("learned")
        put_history(data, "new", changed())
    with pytest.raises(Killed):
        replace(retraining, registry=Dying(registry.bucket)).run("drift", LATER)
    outcome = retraining.run("upload", LATER)
    assert outcome.status == "promoted"
    assert registry.pointer().version == outcome.version


@pytest.mark.usefixtures("in_bucket")
def test_a_training_killed_while_publishing_leaves_nothing_that_counts(
    retraining: Retraining, registry: Registry
) -> None:
    class Dying(Registry):
        def publish(self, manifest, files) -> None:  # type: ignore[no-untyped-def]
            self.bucket.put(keys.model_file(manifest.version, artifact.ONNX), b"half")
            raise Killed

    with pytest.raises(Killed):
        replace(retraining, registry=Dying(registry.bucket)).run("upload", NOW)
    assert list(registry.manifests()) == []
    assert retraining.run("upload", LATER).status == "promoted"


def test_a_rollback_stays(
    retraining: Retraining, registry: Registry, data: Bucket, learned: Pointer
) -> None:
    put_history(data, "new", changed())
    retraining.run("drift", LATER)
    registry.promote(learned.version, seen=registry.pointer(), reason="by hand")
    assert retraining.run("upload", NOW + timedelta(days=1)).status == "skipped"
    assert registry.pointer().version == learned.version


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "training/broken.csv: the header lacks churned, customer_id"),
        (b"churned\nyes\n", "training/broken.csv: the header lacks customer_id, tenure_months"),
        (b"", "training/broken.csv: the file is empty"),
        (b"PK\x03\x04", "training/broken.csv: the file looks like an Excel workbook"),
    ],
)
def test_a_file_that_is_no_history_is_named_and_nothing_changes(
    retraining: Retraining,
    registry: Registry,
    data: Bucket,
    learned: Pointer,
    content: bytes,
    message: str,
) -> None:
    data.put(f"{keys.TRAINING}broken.csv", content)
    outcome = retraining.run("drift", LATER)
    assert (outcome.status, outcome.refused.keys()) == ("refused", {"training/broken.csv"})
    assert message in outcome.reason
    assert registry.pointer().version == learned.version
    explained = data.get("rejected/training/broken.csv.reason.txt")[0].decode()
    assert message in explained
    data.delete(f"{keys.TRAINING}broken.csv")
    assert "nothing new" in retraining.run("upload", LATER).reason


@pytest.mark.usefixtures("in_bucket")
def test_a_cell_that_does_not_fit_is_named_by_file_row_and_column(
    retraining: Retraining, registry: Registry, data: Bucket
) -> None:
    frame = changed(300)
    frame.loc[[4, 9], "contract"] = "eternal"
    put_history(data, "new", frame)
    outcome = retraining.run("upload", NOW)
    assert outcome.status == "promoted"
    message = r"training/new\.csv, line 6, column 'contract': expected one of .* \(and 1 more\)"
    assert re.fullmatch(message, outcome.refused["training/new.csv"])
    manifest = registry.manifest(str(outcome.version))
    assert "training/new.csv" not in manifest.sources
    assert manifest.warnings[0].startswith("training/new.csv is not learned from: training/new.csv")


def test_a_fingerprint_is_of_the_content_and_not_of_the_time(
    data: Bucket, frame: pd.DataFrame
) -> None:
    put_history(data, "history", frame)
    before = Sources.find(data).fingerprint
    put_history(data, "history", frame)
    assert Sources.find(data).fingerprint == before
    put_history(data, "history", frame.head(900))
    assert Sources.find(data).fingerprint != before
