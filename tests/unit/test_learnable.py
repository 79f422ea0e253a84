"""Customers whose outcome has come become labelled history: once, as they were, if they fit."""

import gzip
import json
from datetime import timedelta
from typing import Any

import numpy as np
import orjson
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import ConflictError
from evergreen.jobs.learning.history import History, Sources
from evergreen.jobs.outcomes import learnable
from evergreen.models.artifact import Artifact
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.s3 import Bucket

from .test_measuring import DAY, NOW, World, outcome, records

HOUR = timedelta(hours=1)


@pytest.fixture
def world(model: Model, version: Artifact) -> World:
    world = World(model, version)
    world.data.put(keys.TRAINING_SCHEMA, version.files["schema.json"])
    return world


def files(data: Bucket) -> list[str]:
    return [e.key for e in data.list(keys.TRAINING) if e.key != keys.TRAINING_SCHEMA]


def rows(data: Bucket) -> list[dict[str, Any]]:
    return [
        orjson.loads(line)
        for key in files(data)
        for line in gzip.decompress(data.get(key)[0]).splitlines()
    ]


def story(world: World, count: int, **more: Any) -> tuple[list[dict[str, Any]], Any]:
    made, churned = records(world.model, count, NOW - 8 * DAY)
    world.predict(made)
    world.tell([outcome(r, c, **more) for r, c in zip(made, churned, strict=True)])
    return made, churned


def test_a_file_has_the_customers_as_they_were_and_what_became_of_them(world: World) -> None:
    made, churned = story(world, 250)
    assert world.run().learned == {"written": 250, "unfit": 0, "waiting": 0}
    (key,) = files(world.data)
    assert key == keys.learned_outcomes(NOW)
    wanted = {
        r["customer"]["customer_id"]: r["customer"] | {"churned": "yes" if c else "no"}
        for r, c in zip(made, churned, strict=True)
    }
    assert {row["customer_id"]: row for row in rows(world.data)} == wanted


def test_training_reads_it_as_any_file(world: World) -> None:
    made, churned = story(world, 250)
    world.run()
    schema = world.model.schema
    history = History.read(world.data, schema, Sources.find(world.data))
    labelled = history.cohort(schema).labelled
    matrix, _ = schema.encode_rows([record["customer"] for record in made])
    mine = zip(map(bytes, matrix), churned.tolist(), strict=True)
    found = zip(map(bytes, labelled.matrix), labelled.churned.tolist(), strict=True)
    assert sorted(mine) == sorted(found)


def test_the_latest_prediction_before_the_outcome_is_learned_from(world: World) -> None:
    made, _ = records(world.model, 200, NOW - 8 * DAY)
    for number, hours in enumerate((0, 24, 48)):
        for record in made:
            record["customer"]["tenure_months"] = number
            record["prediction_id"] = f"{number}-{record['prediction_id']}"
            record["predicted_at"] = (NOW - 8 * DAY + hours * HOUR).isoformat()
        world.predict(made)
    world.tell([outcome(record, True, NOW - 7 * DAY + HOUR) for record in made], at=NOW)
    world.run()
    assert {row["tenure_months"] for row in rows(world.data)} == {1}


def test_few_wait_for_more_or_a_day(world: World) -> None:
    story(world, 199)
    assert world.run(NOW + HOUR).learned == {"written": 0, "unfit": 0, "waiting": 199}
    assert files(world.data) == []
    assert world.run(NOW + DAY - HOUR).learned["waiting"] == 199
    assert world.run(NOW + DAY).learned == {"written": 199, "unfit": 0, "waiting": 0}


def test_what_is_learned_is_not_written_again(world: World) -> None:
    made, churned = story(world, 250)
    world.run()
    assert world.run(NOW + DAY).learned == {"written": 0, "unfit": 0, "waiting": 0}
    world.tell([outcome(r, c, NOW + HOUR) for r, c in zip(made, churned, strict=True)], at=NOW)
    assert world.run(NOW + 2 * DAY).learned["written"] == 0
    more, _ = records(world.model, 200, NOW - 7 * DAY, seed=4, first=1_000)
    world.predict(more)
    world.tell([outcome(record, False) for record in more])
    assert world.run(NOW + 3 * DAY).learned["written"] == 200
    assert len(files(world.data)) == 2
    assert len(rows(world.data)) == 450


def test_who_changed_their_mind_is_learned_from_anew(world: World) -> None:
    made, churned = story(world, 250)
    world.run()
    world.tell([outcome(r, not c, NOW + HOUR) for r, c in zip(made[:200], churned, strict=False)])
    assert world.run(NOW + DAY).learned["written"] == 200
    schema = world.model.schema
    history = History.read(world.data, schema, Sources.find(world.data))
    assert len(history.cohort(schema).labelled.churned) == 250


def test_what_was_seen_before_is_not_learned_after(world: World) -> None:
    made, churned = story(world, 250)
    world.run()
    for entry in list(world.logs.list(keys.OUTCOMES)):
        world.logs.delete(entry.key)  # the file was taken away, and an older one comes
    world.tell([outcome(r, not c, NOW - HOUR) for r, c in zip(made, churned, strict=True)])
    assert world.run(NOW + 2 * DAY).learned == {"written": 0, "unfit": 0, "waiting": 0}


def test_contradictions_are_written_once(world: World) -> None:
    made, churned = story(world, 250)
    world.tell([outcome(r, not c) for r, c in zip(made, churned, strict=True)])
    assert world.run().learned["written"] == 250
    for days in range(1, 4):
        assert world.run(NOW + days * DAY).learned["written"] == 0
    assert {row["churned"] for row in rows(world.data)} == {"yes"}


def test_outcomes_by_id_and_by_key_are_of_the_same_customer(world: World) -> None:
    made, churned = story(world, 250)
    world.tell(
        [
            outcome(r, not c, NOW + HOUR, prediction_id=r["prediction_id"])
            for r, c in zip(made, churned, strict=True)
        ]
    )
    assert world.run(NOW + 2 * HOUR).learned["written"] == 250
    labels = {row["customer_id"]: row["churned"] for row in rows(world.data)}
    assert labels == {
        r["customer"]["customer_id"]: "no" if c else "yes"
        for r, c in zip(made, churned, strict=True)
    }


def test_who_does_not_fit_the_schema_is_counted_and_left_out(world: World) -> None:
    made, churned = records(world.model, 250, NOW - 8 * DAY)
    for record in made[:30]:
        record["customer"]["region"] = "atlantis"
    for record in made[30:60]:
        record["customer"]["unheard_of"] = 1
    world.predict(made)
    world.tell([outcome(r, c) for r, c in zip(made, churned, strict=True)])
    assert world.run().learned == {"written": 220, "unfit": 30, "waiting": 0}
    assert all("unheard_of" not in row for row in rows(world.data))
    assert world.run(NOW + 2 * DAY).learned == {"written": 0, "unfit": 0, "waiting": 0}


@pytest.mark.parametrize("spoilt", [None, b"{"])
def test_without_a_schema_all_wait(world: World, spoilt: bytes | None) -> None:
    world.data.delete(keys.TRAINING_SCHEMA)
    if spoilt:
        world.data.put(keys.TRAINING_SCHEMA, spoilt)
    story(world, 250)
    assert world.run().learned == {"written": 0, "unfit": 0, "waiting": 250}


def test_labels_are_those_of_todays_schema(world: World) -> None:
    document = json.loads(json.dumps(world.model.schema.document))
    (target,) = (f for f in document["fields"] if f["name"] == "churned")
    target.pop("constraints")
    target["type"] = "boolean"
    document["target"]["positive"] = True
    assert Schema(document)
    world.data.put(keys.TRAINING_SCHEMA, json.dumps(document).encode())
    story(world, 250)
    world.run()
    assert {row["churned"] for row in rows(world.data)} == {True, False}


def test_a_run_that_dies_before_it_is_noted_repeats_what_training_takes_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    story(world, 250)
    write = learnable.Learned.write

    def die(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(learnable.Learned, "write", die)
    with pytest.raises(TimeoutError):
        world.run(request="1")
    schema = world.model.schema
    alone = History.read(world.data, schema, Sources.find(world.data)).cohort(schema)
    monkeypatch.setattr(learnable.Learned, "write", write)
    assert world.run(request="1").learned["written"] == 250  # at the same time: the same file
    assert len(files(world.data)) == 1
    world.logs.delete(keys.LEARNED)
    more, _ = records(world.model, 10, NOW - 7 * DAY, seed=4, first=1_000)
    world.predict(more)
    world.tell([outcome(record, False) for record in more])
    assert world.run().learned["written"] == 260  # others: beside the first
    assert len(files(world.data)) == 2
    both = History.read(world.data, schema, Sources.find(world.data)).cohort(schema)
    assert len(both.labelled.churned) == 260
    known = {*map(bytes, alone.labelled.matrix)}
    assert len(known & {*map(bytes, both.labelled.matrix)}) == len(known)
    assert sum(alone.labelled.churned) == sum(both.labelled.churned)


@pytest.mark.parametrize("spoilt", [b"", b"PK\x03\x04", b"\x93NUMPY"])
def test_what_can_not_be_read_is_nothing_learned(world: World, spoilt: bytes) -> None:
    story(world, 250)
    world.logs.put(keys.LEARNED, spoilt)
    assert world.run().learned["written"] == 250


def test_somebody_who_is_faster_is_not_written_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    story(world, 250)
    put = Bucket.put_once

    def meanwhile(bucket: Bucket, *of: Any) -> bool:
        world.logs.put(keys.LEARNED, b"theirs")
        return put(bucket, *of)

    monkeypatch.setattr(Bucket, "put_once", meanwhile)
    with pytest.raises(ConflictError):
        world.run()
    assert world.logs.get(keys.LEARNED)[0] == b"theirs"


def test_what_is_learned_is_forgotten_when_it_can_not_be_told_of_again(world: World) -> None:
    story(world, 250)
    world.run()
    known = len(learnable.Learned.read(world.logs).known)
    made, _ = records(world.model, 200, NOW + 50 * DAY, seed=4, first=1_000)
    world.predict(made)
    world.tell([outcome(r, True, NOW + 51 * DAY) for r in made], at=NOW + 51 * DAY)
    world.run(NOW + 52 * DAY)
    found = learnable.Learned.read(world.logs).known
    assert (known, len(found)) == (250, 200)
    assert np.all(np.diff(found["identity"].astype(np.float64)) > 0)
