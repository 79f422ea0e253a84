"""Labelled data as it comes: sorted, corrected, in many files, by a schema that grows."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from evergreen import keys, retraining
from evergreen.artifact import ONNX, SCHEMA, SERVING, Artifact, version_name
from evergreen.errors import CorruptModelError, InputError
from evergreen.history import History, Sources
from evergreen.model import Model
from evergreen.registry import Pointer, Registry
from evergreen.retraining import Retraining
from evergreen.s3 import Bucket
from evergreen.schema import Schema
from local.demo.customers import customers

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def retrain(
    data: Bucket, registry: Registry, schema: Schema, frame: pd.DataFrame, version: Artifact
) -> Retraining:
    """A retraining after its first model, which was trained on the history in the bucket."""
    put_schema(data, schema)
    put(data, "history", frame)
    sources = Sources.find(data)
    first = replace(
        version.manifest,
        version=version_name(NOW, sources.fingerprint),
        created=NOW.isoformat(),
        trigger="upload",
        fingerprint=sources.fingerprint,
        sources=dict(sources.etags),
    )
    registry.publish(first, version.files)
    registry.promote(first.version, seen=None, reason="the first model")
    return Retraining(data, registry, cooldown=timedelta(hours=6))


def put(data: Bucket, name: str, frame: pd.DataFrame) -> None:
    data.put(f"{keys.TRAINING}{name}.csv", frame.to_csv(index=False).encode(), "text/csv")


def put_schema(data: Bucket, schema: Schema, *more: dict[str, object]) -> None:
    document = {**schema.document, "fields": [*schema.document["fields"], *more]}
    data.put(keys.TRAINING_SCHEMA, json.dumps(document).encode())


def test_a_file_that_is_sorted_by_outcome_is_compared_on_both(
    retrain: Retraining, data: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "COMPARED", 50)
    put(data, "new", customers(1_500, seed=9, shift=1).sort_values("churned"))
    outcome = retrain.run("drift", LATER)
    assert outcome.status == "promoted"
    comparison = retrain.registry.manifest(str(outcome.version)).decision["comparison"]
    assert comparison["rows"] == 50


def test_contradictory_outcomes_that_were_learned_from_do_not_serve(
    retrain: Retraining, data: Bucket, schema: Schema
) -> None:
    new = customers(1_500, seed=9)
    learned = ~History.of({"new": new}).labelled(schema).held_out
    lies = new["churned"].map({"yes": "no", "no": "yes"})
    put(data, "new", new.assign(churned=new["churned"].mask(learned, lies)))
    champion = retrain.registry.pointer().version
    outcome = retrain.run("drift", LATER)
    assert outcome.status == "kept"
    assert outcome.reason.startswith(f"worse than {champion} on ")
    assert retrain.registry.pointer().version == champion
    kept = retrain.registry.fetch(str(outcome.version), SERVING)
    assert Model.load(kept).manifest.decision["promoted"] is False
    # it is not trained again, and not promoted by the next trigger either
    assert retrain.run("upload", LATER + timedelta(days=1)).status == "skipped"
    assert retrain.registry.pointer().version == champion


def test_a_corrected_file_is_something_new_to_learn(
    retrain: Retraining, data: Bucket, frame: pd.DataFrame
) -> None:
    corrected = frame.copy()
    corrected.loc[0, "region"] = "west" if frame.loc[0, "region"] == "north" else "north"
    put(data, "history", corrected)
    assert retrain.run("drift", LATER).status in {"promoted", "kept"}


def test_a_file_that_was_withdrawn_is_not_learned_from(
    retrain: Retraining, data: Bucket, frame: pd.DataFrame
) -> None:
    put(data, "more", customers(500, seed=7))
    retrain.run("manual", LATER)
    data.delete(f"{keys.TRAINING}more.csv")
    outcome = retrain.run("manual", LATER + timedelta(minutes=1))
    manifest = retrain.registry.manifest(str(outcome.version))
    assert manifest.sources.keys() == {keys.TRAINING_SCHEMA, "training/history.csv"}


def test_data_that_was_learned_from_before_is_not_again_though_there_was_other_data_since(
    retrain: Retraining, data: Bucket
) -> None:
    first = retrain.registry.pointer().version
    put(data, "more", customers(1_500, seed=7, shift=1))
    assert retrain.run("drift", LATER).status == "promoted"
    data.delete(f"{keys.TRAINING}more.csv")
    outcome = retrain.run("drift", LATER + timedelta(days=1))
    assert (outcome.status, outcome.version) == ("skipped", first)


def test_a_field_may_be_added(
    retrain: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    newer = customers(1_500, seed=9, shift=1)
    put(data, "history", frame.assign(visits=""))
    put(data, "new", newer.assign(visits=[str(n % 7) for n in range(len(newer))]))
    put_schema(data, schema, {"name": "visits", "type": "integer"})
    outcome = retrain.run("drift", LATER)
    assert outcome.status == "promoted"
    model = Model.load(retrain.registry.fetch(str(outcome.version), SERVING))
    assert model.schema.feature_names == (*schema.feature_names, "visits")


def test_a_field_of_which_nothing_is_known_yet_may_be_added(
    retrain: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    put(data, "history", frame.assign(visits=""))
    put_schema(data, schema, {"name": "visits", "type": "integer"})
    assert retrain.run("drift", LATER).status == "promoted"


def test_a_champion_that_was_tampered_with_is_no_measure(retrain: Retraining, data: Bucket) -> None:
    champion = retrain.registry.pointer().version
    retrain.registry.bucket.put(keys.model_file(champion, ONNX), b"nonsense")
    put(data, "new", customers(500, seed=9))
    with pytest.raises(CorruptModelError, match=ONNX):
        retrain.run("drift", LATER)
    assert retrain.registry.pointer().version == champion


@dataclass(frozen=True, slots=True)
class MovedBySomebody(Registry):
    """A registry whose pointer somebody moves while a training compares with the champion."""

    def fetch(self, version: str, names: object) -> Artifact:
        seen = self.pointer()
        self.promote(version, seen=seen, reason="by hand")
        return Registry.fetch(self, version, names)  # type: ignore[arg-type]


def test_a_pointer_that_was_moved_during_a_training_stays_and_the_outcome_says_so(
    retrain: Retraining, data: Bucket
) -> None:
    champion = retrain.registry.pointer().version
    put(data, "new", customers(1_500, seed=9, shift=1))
    meddled = replace(retrain, registry=MovedBySomebody(retrain.registry.bucket))
    outcome = meddled.run("drift", LATER)
    assert outcome.status in {"kept", "skipped"}
    assert "another training is running" not in outcome.reason
    pointer: Pointer = retrain.registry.pointer()
    assert (pointer.version, pointer.move.reason) == (champion, "by hand")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "the schema is not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"fields": []}', "needs 'fields'"),
    ],
)
def test_a_schema_that_cannot_be_used_is_told_and_nothing_changes(
    retrain: Retraining, data: Bucket, document: bytes, message: str
) -> None:
    champion = retrain.registry.pointer()
    data.put(keys.TRAINING_SCHEMA, document)
    with pytest.raises(InputError, match=message):
        retrain.run("upload", LATER + timedelta(days=1))
    assert retrain.registry.pointer() == champion


def test_too_few_customers_are_told_and_publish_nothing(
    data: Bucket, registry: Registry, schema: Schema, frame: pd.DataFrame
) -> None:
    put_schema(data, schema)
    put(data, "history", frame.head(150))
    with pytest.raises(InputError, match="150 labelled customers"):
        Retraining(data, registry, timedelta(0)).run("upload", NOW)
    assert list(registry.bucket.list(keys.MODELS)) == []


def test_a_version_keeps_the_schema_that_it_was_trained_with(
    retrain: Retraining, schema: Schema
) -> None:
    version = retrain.registry.pointer().version
    stored = retrain.registry.fetch(version, (SCHEMA,)).files[SCHEMA]
    assert Schema.parse(stored).document == schema.document
