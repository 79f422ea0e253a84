"""The index of the log: each prediction under its day, once, and nothing read that is known."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest

from evergreen.customers.schema import Schema
from evergreen.store import keys
from evergreen.store.predictions_index import PredictionsIndex, hashed
from evergreen.store.s3 import Bucket
from evergreen.store.times import DAY, microseconds, time_of

from .in_memory import InMemory, bucket
from .test_joining import DOCUMENT, SCHEMA

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
TODAY = microseconds(NOON) // DAY
HOUR = timedelta(hours=1)
VALUED: dict[str, Any] = DOCUMENT | {
    "target": DOCUMENT["target"]
    | {"value": {"worth": "months", "offer": 1, "contact": 1, "acceptance": 0.3}}
}


def line(name: str, at: datetime = NOON, **members: Any) -> bytes:
    record = {
        "prediction_id": name,
        "predicted_at": at.isoformat(),
        "model_version": "a",
        "churn_probability": 0.25,
        "customer": {"id": name, "months": 7},
    }
    return orjson.dumps(record | members)


def put(logs: Bucket, hour: datetime, name: str, *lines: bytes) -> None:
    logs.put(f"{keys.inference_hour(hour)}{name}", b"\n".join(lines))


def days(
    logs: Bucket, first: int = TODAY - 1, last: int = TODAY, schema: Schema = SCHEMA
) -> dict[int, list[int]]:
    index = PredictionsIndex(logs, schema)
    return {day.number: day.rows["id"].tolist() for day in index.days(first, last)}


def read(logs: Bucket) -> list[str]:
    """Return the keys of the objects that were read since this was asked last."""
    client = logs.s3
    assert isinstance(client, InMemory)
    found, client.read = client.read, []
    return found


def names(*of: str) -> list[int]:
    return [hashed(name) for name in of]


def test_days_come_the_latest_first_whether_anything_was_predicted_or_not() -> None:
    assert [*days(bucket(), TODAY - 3, TODAY)] == [TODAY, TODAY - 1, TODAY - 2, TODAY - 3]
    assert days(bucket(), TODAY, TODAY) == {TODAY: []}


@pytest.mark.parametrize("arrived", [timedelta(), HOUR, timedelta(days=3), -HOUR])
def test_a_prediction_is_of_its_day_whenever_it_arrived(arrived: timedelta) -> None:
    midnight = time_of(TODAY * DAY)
    logs = bucket()
    put(logs, midnight + arrived, "x", line("a", midnight))
    assert days(logs, TODAY - 3, TODAY + 3) == {
        TODAY + 3 - k: names("a") if k == 3 else [] for k in range(7)
    }
    if arrived <= HOUR:  # the log is read up to the day after the last
        assert days(logs, TODAY, TODAY) == {TODAY: names("a")}


def test_a_record_that_was_sent_twice_is_one_prediction() -> None:
    logs = bucket()
    put(logs, NOON, "x", line("a"), line("a"), line("b"))
    put(logs, NOON + timedelta(days=1), "y", line("a"))
    assert sorted(days(logs)[TODAY]) == sorted(names("a", "b"))


def test_what_is_known_is_not_read_again() -> None:
    logs = bucket()
    put(logs, NOON, "x", line("a"))
    put(logs, NOON - timedelta(days=1), "x", line("b", NOON - timedelta(days=1)))
    first = days(logs)
    read(logs)
    assert days(logs) == first
    assert all(key.startswith(keys.INDEX) for key in read(logs))
    put(logs, NOON, "y", line("c"))
    assert sorted(days(logs)[TODAY]) == sorted(names("a", "c"))
    assert [key for key in read(logs) if key.startswith(keys.INFERENCE)] == [
        f"{keys.inference_hour(NOON)}y"
    ]


def test_an_object_that_was_written_over_is_read_again() -> None:
    logs = bucket()
    put(logs, NOON, "x", line("a"))
    put(logs, NOON, "y", line("b"))
    days(logs)
    put(logs, NOON, "x", line("c"))
    assert sorted(days(logs)[TODAY]) == sorted(names("b", "c"))
    logs.delete(f"{keys.inference_hour(NOON)}y")
    assert days(logs)[TODAY] == names("c")


@pytest.mark.parametrize("spoilt", [b"", b"PK\x03\x04", b"{}"])
def test_an_index_that_can_not_be_read_is_made_anew(spoilt: bytes) -> None:
    logs = bucket()
    put(logs, NOON, "x", line("a"))
    first = days(logs)
    logs.put(keys.predictions_index(NOON), spoilt)
    assert days(logs) == first


def test_another_primary_key_or_other_stakes_make_another_index() -> None:
    logs = bucket()
    put(logs, NOON, "x", line("a"), line("b", customer={"months": 7}))
    (day, *_) = PredictionsIndex(logs, SCHEMA).days(TODAY, TODAY)
    fields = [field for field in DOCUMENT["fields"] if field["name"] != "id"]
    keyless = Schema({"fields": fields, "target": DOCUMENT["target"]})
    (other, *_) = PredictionsIndex(logs, keyless).days(TODAY, TODAY)
    assert len({*day.rows["identity"].tolist()}) == 2
    assert len({*other.rows["identity"].tolist()}) == 1  # their features are the same
    assert day.rows["amounts"].shape == (2, 0)
    (valued, *_) = PredictionsIndex(logs, Schema(VALUED)).days(TODAY, TODAY)
    assert valued.rows["amounts"].tolist() == [[7.0], [7.0]]


def test_an_amount_that_is_no_number_is_not_known() -> None:
    logs = bucket()
    put(logs, NOON, "x", *(line("a", customer={"id": "a", "months": m}) for m in ("x", None, {})))
    (day, *_) = PredictionsIndex(logs, Schema(VALUED)).days(TODAY, TODAY)
    assert np.isnan(day.rows["amounts"]).all()


def test_what_is_no_record_is_passed_over() -> None:
    logs = bucket()
    put(
        logs,
        NOON,
        "x",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        line("a", predicted_at="2026-03-04T12:00:00"),
        line("b", churn_probability=1.5),
        line("c", churn_probability="0.5"),
        line("d", customer=None),
        line("e", model_version=None),
        line("f"),
    )
    logs.put(f"{keys.inference_hour(NOON)}y", gzip.compress(line("g"))[:-4])
    assert days(logs)[TODAY] == names("f")


def test_predictions_without_an_id_are_told_apart_by_what_they_say() -> None:
    logs = bucket()
    some = [line("a", prediction_id=None, churn_probability=p) for p in (0.1, 0.1, 0.2)]
    put(logs, NOON, "x", *some)
    assert len(days(logs)[TODAY]) == 2


def test_records_are_found_where_they_lie() -> None:
    logs = bucket()
    put(logs, NOON, "x", b"{", line("a"), line("b"))
    logs.put(f"{keys.inference_hour(NOON)}y", gzip.compress(line("c")))
    index = PredictionsIndex(logs, SCHEMA)
    (day, *_) = index.days(TODAY, TODAY)
    found = dict(index.records(day.rows))
    assert [hashed(found[place]["prediction_id"]) for place in range(3)] == day.rows["id"].tolist()
    read(logs)
    one = day.rows[day.rows["id"] == hashed("c")]
    assert [record["prediction_id"] for _, record in index.records(one)] == ["c"]
    assert read(logs) == [f"{keys.inference_hour(NOON)}y"]
