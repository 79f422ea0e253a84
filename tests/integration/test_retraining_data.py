"""Labelled data as it comes: sorted, corrected, in many files, by a schema that grows."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import InputError
from evergreen.jobs.learning import gate
from evergreen.jobs.learning.retraining import Retraining
from evergreen.models.artifact import CHAMPION, ONNX, SCHEMA, Artifact
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers

from .conftest import NOW, another, put_history, put_schema

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def retrain(data: Bucket, registry: Registry, learned: Pointer) -> Retraining:
    """A retraining after its first model."""
    return Retraining(data, registry, cooldown=timedelta(hours=6), patience=timedelta())


def test_a_file_that_is_sorted_by_outcome_is_compared_on_both(
    retrain: Retraining, data: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "COMPARED", 50)
    put_history(data, "new", customers(800, seed=9, shift=1).sort_values("churned"))
    outcome = retrain.run("drift", LATER)
    assert outcome.status == "promoted"
    comparison = retrain.registry.manifest(str(outcome.version)).decision["comparison"]
    assert comparison["customers"] == 50


def test_a_field_may_be_added(
    retrain: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    newer = customers(800, seed=9, shift=1)
    put_history(data, "history", frame.assign(visits=""))
    put_history(data, "new", newer.assign(visits=[str(n % 7) for n in range(len(newer))]))
    put_schema(data, schema, {"name": "visits", "type": "integer"})
    outcome = retrain.run("drift", LATER)
    assert outcome.status == "promoted"
    model = Model.load(retrain.registry.fetch(str(outcome.version), CHAMPION))
    assert model.schema.feature_names == (*schema.feature_names, "visits")


def test_a_field_of_which_nothing_is_known_yet_may_be_added(
    retrain: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    put_history(data, "history", frame.assign(visits=""))
    put_schema(data, schema, {"name": "visits", "type": "integer"})
    assert retrain.run("drift", LATER).status == "promoted"


def test_a_champion_that_is_broken_is_no_measure_and_the_one_before_it_is(
    retrain: Retraining, data: Bucket, version: Artifact
) -> None:
    registry = retrain.registry
    before = registry.pointer()
    registry.publish(another(version, "broken").manifest, version.files)
    registry.promote("broken", seen=before, reason="better")
    registry.bucket.put(keys.model_file("broken", ONNX), b"nonsense")
    put_history(data, "new", customers(500, seed=9, shift=1.0))
    outcome = retrain.run("drift", LATER)
    assert outcome.status == "promoted"
    assert outcome.reason.startswith(f"better than {before.version} on ")


def test_where_no_version_can_serve_a_training_by_hand_mends_it(retrain: Retraining) -> None:
    champion = retrain.registry.pointer().version
    retrain.registry.bucket.put(keys.model_file(champion, ONNX), b"nonsense")
    outcome = retrain.run("manual", LATER)
    assert (outcome.status, outcome.version) == ("promoted", retrain.registry.pointer().version)
    assert outcome.reason == "nothing else can serve"
    assert Model.load(retrain.registry.fetch(str(outcome.version), CHAMPION))


@dataclass(frozen=True, slots=True)
class MovedBySomebody(Registry):
    """A registry whose pointer somebody moves while a training compares with the champion."""

    def fetch(self, version: str, names: Any, optional: Any = ()) -> Artifact:
        seen = self.pointer()
        self.promote(version, seen=seen, reason="by hand")
        return Registry.fetch(self, version, names, optional)


def test_a_pointer_that_was_moved_during_a_training_stays_and_the_outcome_says_so(
    retrain: Retraining, data: Bucket
) -> None:
    champion = retrain.registry.pointer().version
    put_history(data, "new", customers(800, seed=9, shift=1))
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
    put_history(data, "history", frame.head(150))
    with pytest.raises(InputError, match="150 labelled customers"):
        Retraining(data, registry, timedelta(0)).run("upload", NOW)
    assert list(registry.bucket.list(keys.MODELS)) == []


def test_a_version_keeps_the_schema_that_it_was_trained_with(
    retrain: Retraining, schema: Schema
) -> None:
    version = retrain.registry.pointer().version
    stored = retrain.registry.fetch(version, (SCHEMA,)).files[SCHEMA]
    assert Schema.parse(stored).document == schema.document
