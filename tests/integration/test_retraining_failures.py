"""What can't be learned from: told once, remembered, and no obstacle to the rest."""

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import InputError, ParityError, SourceError
from evergreen.jobs.learning.retraining import Retraining
from evergreen.models import training
from evergreen.store import keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from tests.simulations.gate import flipped

from .conftest import NOW, put_history, put_schema

LATER = NOW + timedelta(days=1)
HOUR = timedelta(hours=1)
BROKEN, WRONG = "training/broken.csv", "training/wrong.csv"


@pytest.fixture
def retraining(data: Bucket, registry: Registry) -> Retraining:
    return Retraining(data, registry, cooldown=timedelta(), patience=timedelta())


def put_broken(data: Bucket) -> None:
    """Put a file that is no table of customers, and one with a value that does not fit."""
    data.put(BROKEN, b"a,b\n1,2\n")
    put_history(data, "wrong", customers(300, seed=4).assign(contract="eternal"))


def reads(data: Bucket) -> list[str]:
    """The keys of the labelled files that are read from now on."""
    found: list[str] = []

    def read(params: Any, **_: Any) -> None:
        found.append(params["url_path"].partition("training/")[2])

    data.s3.meta.events.register("before-call.s3.GetObject", read)
    return found


@pytest.mark.usefixtures("learned")
def test_the_others_are_learned_from_and_all_that_is_refused_is_told(
    retraining: Retraining, registry: Registry, data: Bucket
) -> None:
    put_broken(data)
    put_history(data, "new", customers(1_500, seed=9, shift=1.0))
    outcome = retraining.run("drift", LATER)
    assert outcome.status == "promoted"
    assert outcome.refused.keys() == {BROKEN, WRONG}
    manifest = registry.manifest(str(outcome.version))
    assert manifest.sources.keys() == {
        keys.TRAINING_SCHEMA,
        "training/history.csv",
        "training/new.csv",
    }
    told = [warning for warning in manifest.warnings if "is not learned from" in warning]
    assert [warning.partition(" ")[0] for warning in told] == [BROKEN, WRONG]
    for key, reason in outcome.refused.items():
        assert data.get(keys.explained(key))[0].decode().strip() == reason


@pytest.mark.usefixtures("learned")
def test_what_was_refused_is_not_read_again_until_it_changes(
    retraining: Retraining, registry: Registry, data: Bucket
) -> None:
    put_broken(data)
    assert retraining.run("upload", LATER).status == "refused"
    read = reads(data)
    again = retraining.run("upload", LATER + HOUR)
    assert (again.status, again.refused) == ("skipped", {})
    assert "nothing new" in again.reason
    assert not any(read)
    put_history(data, "new", customers(1_500, seed=9, shift=1.0))
    learned = retraining.run("upload", LATER + 2 * HOUR)
    assert (learned.status, learned.refused) == ("promoted", {})
    assert any(BROKEN in told for told in registry.manifest(str(learned.version)).warnings)
    put_history(data, "wrong", customers(3_000, seed=4, shift=1.0))  # put right
    corrected = retraining.run("drift", LATER + 3 * HOUR)
    assert corrected.version != learned.version
    assert WRONG in registry.manifest(str(corrected.version)).sources


@pytest.mark.usefixtures("learned")
def test_another_schema_gives_what_was_refused_another_chance(
    retraining: Retraining, data: Bucket, schema: Schema
) -> None:
    data.put(BROKEN, b"a,b\n1,2\n")
    assert retraining.run("upload", LATER).status == "refused"
    put_schema(data, schema, {"name": "visits", "type": "integer"})
    assert retraining.run("upload", LATER + HOUR).refused.keys() == {BROKEN}


@pytest.mark.usefixtures("learned")
def test_a_training_by_hand_reads_what_was_refused_again(
    retraining: Retraining, data: Bucket
) -> None:
    data.put(BROKEN, b"a,b\n1,2\n")
    assert retraining.run("upload", LATER).refused
    assert retraining.run("manual", LATER + HOUR).refused.keys() == {BROKEN}


@pytest.mark.usefixtures("learned")
def test_what_was_refused_is_told_again_by_a_repetition_as_the_first_may_have_died(
    retraining: Retraining, data: Bucket
) -> None:
    data.put(BROKEN, b"a,b\n1,2\n")
    for _ in range(2):
        assert retraining.run("upload", LATER, "first").refused.keys() == {BROKEN}
    assert not retraining.run("upload", LATER, "second").refused


def test_a_file_that_takes_the_place_of_one_that_was_learned_from_stops_the_training(
    retraining: Retraining, registry: Registry, data: Bucket, learned: Pointer
) -> None:
    put_history(data, "history", customers(1_000, seed=1).assign(churned="perhaps"))
    put_history(data, "new", customers(1_500, seed=9, shift=1.0))
    with pytest.raises(SourceError, match=r"training/history\.csv, line 2, column 'churned'"):
        retraining.run("drift", LATER)
    assert registry.pointer() == learned
    assert len(list(registry.manifests())) == 1


@pytest.mark.usefixtures("learned")
def test_suspicious_files_and_refused_ones_are_left_out_together(
    retraining: Retraining, data: Bucket
) -> None:
    data.put(BROKEN, b"a,b\n1,2\n")
    put_history(data, "swapped", flipped(1_500, 9, 1.0))
    outcome = retraining.run("upload", LATER)
    assert outcome.refused.keys() == {BROKEN}
    assert outcome.set_aside.keys() == {"training/swapped.csv"}
    assert retraining.run("upload", LATER + HOUR).status == "skipped"


def test_where_nothing_is_left_it_is_an_error_once_and_for_each_repetition_of_that_request(
    retraining: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    put_schema(data, schema)
    put_broken(data)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"broken\.csv: the header lacks .*wrong\.csv, line"):
            retraining.run("upload", NOW, "first")
    read = reads(data)
    again = retraining.run("upload", NOW + HOUR, "hourly")
    assert again.status == "skipped"
    assert again.reason.startswith("as before, until labelled files or the schema change: training")
    assert not any(read)
    with pytest.raises(SourceError):
        retraining.run("manual", NOW + HOUR)
    assert set(read) >= {"broken.csv", "wrong.csv"}
    put_history(data, "history", frame)
    assert retraining.run("upload", NOW + 2 * HOUR).status == "promoted"


def test_where_only_refused_files_are_left_it_is_an_error(
    retraining: Retraining, data: Bucket, learned: Pointer
) -> None:
    data.put(BROKEN, b"a,b\n1,2\n")
    assert retraining.run("upload", LATER).status == "refused"
    data.delete("training/history.csv")
    with pytest.raises(SourceError, match="the header lacks"):
        retraining.run("upload", LATER + HOUR)


@pytest.mark.usefixtures("learned")
def test_a_schema_that_cannot_be_used_is_an_error_once(
    retraining: Retraining, data: Bucket, schema: Schema
) -> None:
    data.put(keys.TRAINING_SCHEMA, b"{")
    with pytest.raises(InputError, match="the schema is not JSON"):
        retraining.run("upload", LATER)
    assert "as before" in retraining.run("upload", LATER + HOUR).reason
    wanted = retraining.run("drift", LATER + HOUR)
    assert (wanted.status, "not JSON" in wanted.reason) == ("labels_wanted", True)
    put_schema(data, schema)
    assert "nothing new" in retraining.run("upload", LATER + 2 * HOUR).reason


def test_too_few_customers_are_an_error_once_until_there_are_more(
    retraining: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    put_schema(data, schema)
    put_history(data, "history", frame.head(150))
    with pytest.raises(InputError, match="150 labelled customers"):
        retraining.run("upload", NOW)
    assert "150 labelled customers" in retraining.run("upload", NOW + HOUR).reason
    put_history(data, "more", frame.tail(400))
    assert retraining.run("upload", NOW + 2 * HOUR).status == "promoted"


@pytest.mark.usefixtures("in_bucket")
def test_a_model_that_cannot_be_exported_is_an_error_once(
    retraining: Retraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfaithful(*_: object) -> None:
        raise ParityError("the exported model answers otherwise")

    monkeypatch.setattr(training, "train", unfaithful)
    with pytest.raises(ParityError):
        retraining.run("upload", NOW)
    assert "answers otherwise" in retraining.run("upload", NOW + HOUR).reason


@pytest.mark.usefixtures("in_bucket")
def test_what_may_pass_is_tried_again(
    retraining: Retraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        raise ConnectionError("S3 is away")

    with monkeypatch.context() as away:
        away.setattr(training, "train", slow)
        with pytest.raises(ConnectionError):
            retraining.run("upload", NOW)
    assert retraining.run("upload", NOW + HOUR).status == "promoted"


@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize("note", [b"", b"nonsense", b"[]", b"{}"])
def test_a_note_that_cannot_be_read_is_none(
    retraining: Retraining, models: Bucket, data: Bucket, note: bytes
) -> None:
    for key in (keys.REFUSED, keys.FAILED):
        models.put(key, note)
    data.put(BROKEN, b"a,b\n1,2\n")
    assert retraining.run("upload", LATER).refused.keys() == {BROKEN}
