"""MeasureFunction: files of outcomes are taken in, and predictions held against them."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.jobs.files.parts import PartScoring
from evergreen.jobs.files.scoring import Scoring
from evergreen.jobs.files.uploads import Uploads
from evergreen.jobs.outcomes.campaign_effects import Campaigns
from evergreen.models.model import Model
from evergreen.store import keys, lock
from evergreen.store.events import Events
from evergreen.store.s3 import Bucket
from tests.unit.test_measuring import outcome, records

from .test_handlers import Context, function
from .test_parts import AMOUNTS, Machine, listed, score
from .test_parts import NOW as SCORED

__all__ = ["function"]

Function = Callable[[str], Any]
DAY = timedelta(days=1)
NOW = SCORED + 10 * DAY
SCHEDULE = {"detail-type": "Scheduled Event", "time": NOW.isoformat()}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The events that were published."""
    found: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(Events, "publish", lambda _, kind, detail: found.append((kind, detail)))
    return found


@pytest.fixture
def measure(function: Function) -> Callable[[dict[str, Any]], dict[str, Any]]:
    handler = function("measure").handler
    return lambda event: handler(event, Context())


Measure = Callable[[dict[str, Any]], dict[str, Any]]


def upload(key: str) -> dict[str, Any]:
    return {"detail-type": "Object Created", "detail": {"object": {"key": key}}}


def test_without_a_model_there_is_nothing_to_measure(measure: Measure) -> None:
    assert measure({})["status"] == "no_model"


def test_before_the_first_model_outcomes_are_read_by_the_schema_that_it_will_have(
    measure: Measure, data: Bucket, logs: Bucket, schema: Schema
) -> None:
    data.put(keys.TRAINING_SCHEMA, json.dumps(schema.document).encode())
    data.put(f"{keys.OUTCOMES}early.csv", b"customer_id,churned\nC1,yes\nC2,no\n")
    assert measure(upload(f"{keys.OUTCOMES}early.csv"))["accepted"] == 2
    assert len(list(logs.list(keys.OUTCOMES))) == 1


@pytest.mark.usefixtures("promoted")
def test_while_another_run_is_at_it_there_is_nothing_to_do(measure: Measure, logs: Bucket) -> None:
    with lock.hold(logs, keys.PERFORMANCE_LOCK, "another", timedelta(minutes=15)):
        assert measure(SCHEDULE)["status"] == "busy"
    assert measure(SCHEDULE)["status"] == "measured"


@pytest.mark.usefixtures("promoted", "told")
def test_a_file_of_outcomes_says_how_good_the_model_was(
    measure: Measure, model: Model, data: Bucket, logs: Bucket
) -> None:
    at = datetime.now(UTC) - DAY  # the upload is of now
    made, churned = records(model, 300, at)
    logs.put(f"{keys.inference_hour(at)}x", b"\n".join(map(orjson.dumps, made)))
    rows = [("customer_id", "churned")]
    rows += [
        (r["customer"]["customer_id"], "yes" if c else "no")
        for r, c in zip(made, churned, strict=True)
    ]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    data.put(f"{keys.OUTCOMES}january.csv", text.getvalue().encode())
    found = measure(upload(f"{keys.OUTCOMES}january.csv"))
    assert (found["status"], found["accepted"]) == ("received", 300)
    assert measure(upload(f"{keys.OUTCOMES}gone.csv")) is None
    found = measure({})
    told = {"received": 300, "matched": 300, "unmatched": 0, "examples": [], "contradictions": 0}
    assert found["outcomes"] == told
    assert not found["decay"]["seen"]


@pytest.mark.usefixtures("promoted")
def test_decay_is_published(
    measure: Measure,
    model: Model,
    logs: Bucket,
    data: Bucket,
    capsys: pytest.CaptureFixture[str],
    told: list[Any],
) -> None:
    made, churned = records(model, 300, SCORED)
    logs.put(f"{keys.inference_hour(SCORED)}x", b"\n".join(map(orjson.dumps, made)))
    lines = [orjson.dumps(outcome(r, not c, NOW - DAY)) for r, c in zip(made, churned, strict=True)]
    key = keys.outcomes(NOW - DAY, "x")
    logs.put(key, gzip.compress(b"\n".join(lines)), "application/gzip")
    data.put(keys.TRAINING_SCHEMA, json.dumps(model.schema.document).encode())
    capsys.readouterr()
    found = measure(SCHEDULE)
    assert found["decay"]["seen"]
    assert found["learned"] == {"written": 300, "unfit": 0, "waiting": 0}
    assert told == [("Performance Decayed", found["decay"])]
    document = json.loads(logs.get(keys.PERFORMANCE)[0])
    assert document["decay"] == found["decay"]
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    (line,) = (line for line in metrics if line["service"] == "measure")
    (week,) = document["weeks"]
    assert line["Decayed"] == [1]
    assert line["OutcomesMatched"] == [300]
    assert line["MeasuredRocAuc"] == [week["measured"]["roc_auc"]["value"]]
    assert measure(SCHEDULE)["learned"]["written"] == 0
    assert len(told) == 1


@pytest.fixture
def valued(model: Model) -> Model:
    document = json.loads(json.dumps(model.schema.document))
    document["target"] |= {"value": AMOUNTS, "call_list": {"limit": 300, "control": 0.3}}
    return replace(model, schema=Schema(document))


def campaigns(logs: Bucket) -> Iterator[list[dict[str, Any]]]:
    for entry in logs.list(keys.CAMPAIGNS):
        text = gzip.decompress(logs.get(entry.key)[0])
        yield [orjson.loads(line) for line in text.splitlines()]


def test_a_call_list_is_a_campaign_in_one_piece_or_in_parts(
    data: Bucket, logs: Bucket, valued: Model, frame: pd.DataFrame
) -> None:
    machine = Machine()
    parts = PartScoring(data, logs, lambda _: valued, machine, part_bytes=10_000)  # type: ignore[arg-type]
    uploads = Uploads(data, lambda: valued, lambda: SCORED, Scoring(data, logs), parts)
    content = frame.drop(columns="churned").to_csv(index=False).encode()
    data.put("incoming/large.csv", content)
    assert score(uploads, "incoming/large.csv").status == "in parts"
    for part in listed(data, machine.job):
        parts.part(machine.job, *part)
    told = parts.join(machine.job).call_list
    parts.join(machine.job)
    (in_parts,) = campaigns(logs)
    data.put("incoming/whole.csv", content)
    score(replace(uploads, in_parts=None), "incoming/whole.csv")
    one, other = campaigns(logs)
    assert one == other == in_parts
    assert told
    contacted = sum(member["contact"] for member in one)
    assert (len(one), contacted) == (told["customers"], told["to_contact"])
    held = Campaigns(logs, SCORED, SCORED, 90 * DAY).told([], SCORED)
    assert len({campaign["upload"] for campaign in held}) == 2
    assert {campaign["at"] for campaign in held} == {SCORED.isoformat()}


@pytest.mark.usefixtures("promoted")
def test_the_effect_of_a_campaign_is_told(
    measure: Measure, data: Bucket, logs: Bucket, valued: Model, frame: pd.DataFrame
) -> None:
    uploads = Uploads(data, lambda: valued, lambda: SCORED, Scoring(data, logs), None)
    data.put("incoming/whole.csv", frame.drop(columns="churned").to_csv(index=False).encode())
    score(uploads, "incoming/whole.csv")
    (members,) = campaigns(logs)
    listed = csv.DictReader(io.StringIO(data.get(keys.call_list("incoming/whole.csv"))[0].decode()))
    seen = (NOW - DAY).isoformat(timespec="microseconds")
    lines = [
        orjson.dumps(
            {
                **{"received_at": seen, "observed_at": seen},
                "churned": row["contact"] == "false",  # all who were not contacted left
                "key": {"customer_id": row["customer_id"]},
            }
        )
        for row in listed
    ]
    logs.put(keys.outcomes(NOW - DAY, "x"), gzip.compress(b"\n".join(lines)), "application/gzip")
    found = measure(SCHEDULE)
    assert found["outcomes"]["matched"] == len(members)
    (campaign,) = json.loads(logs.get(keys.PERFORMANCE)[0])["campaigns"]
    contacted = sum(member["contact"] for member in members)
    assert (campaign["contacted"], campaign["control"]) == (contacted, len(members) - contacted)
    assert (campaign["contacted_left"], campaign["control_left"]) == (0.0, 1.0)
    assert campaign["effect"]["value"] == -1.0
    assert campaign["effect"]["high"] < -0.9
