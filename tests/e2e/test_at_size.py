"""An upload that is too large for one function: scored in parts, one of which fails twice."""

import csv
import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pandas as pd
import pytest

from evergreen.store import inference_log, keys
from evergreen.store.machine import Machine
from evergreen.store.s3 import Bucket
from local.demo.source import to_json
from local.demo.story import Story

from .conftest import Deployed, eventually

ROWS = 6_500
PART_MEGABYTES = "0.02"
KEY = f"{keys.INCOMING}at size/customers.csv"
BROKEN = (7, 5_000, 5_001, ROWS - 1)
NOTES = ("", "plain", "two\nlines", 'said "so",\r\n\ntwice', "1,2,3\n4,5,6\n")

FAILING = """
import os
import app
import boto3

s3, bucket = boto3.client("s3"), os.environ["EVERGREEN_DATA_BUCKET"]

def handler(event, context):
    if str(event.get("part")) == "7":
        prefix = os.environ["ATTEMPTS"]
        s3.put_object(Bucket=bucket, Key=prefix + context.aws_request_id, Body=b"")
        if s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] < 3:
            raise RuntimeError("this part fails twice")
    return app.handler(event, context)
"""


class Results(NamedTuple):
    """What became of the upload."""

    scored: bytes
    rejected: bytes
    summary: dict[str, Any]


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


@pytest.fixture(scope="module")
def data(deployed: Deployed) -> Bucket:
    return deployed.bucket("data")


@pytest.fixture(scope="module")
def frame(told: Story) -> pd.DataFrame:
    """Customers, with a column of texts that span lines."""
    rows = told.source.ordinary(ROWS, seed=81).drop(columns=told.source.schema.target)
    return rows.reset_index(drop=True).assign(note=[NOTES[i % len(NOTES)] for i in range(ROWS)])


@pytest.fixture(scope="module")
def small_parts(deployed: Deployed) -> Iterator[None]:
    """Let the function cut what is larger than a few kilobytes."""
    with deployed.configured("score", EVERGREEN_SCORE_PART_MEGABYTES=PART_MEGABYTES):
        yield


def results(data: Bucket) -> Results:
    names = (keys.scored(KEY), keys.rejected(KEY), keys.score_summary(KEY))
    scored, rejected, summary = (data.get(name)[0] for name in names)
    return Results(scored, rejected, json.loads(summary))


def logged(deployed: Deployed) -> int:
    """How many predictions the inference log holds."""
    now = datetime.now(UTC) + timedelta(minutes=1)
    objects = inference_log.read(deployed.bucket("log"), timedelta(hours=2), now)
    return sum(1 for some in objects for _ in some)


@pytest.fixture(scope="module")
def first(deployed: Deployed, data: Bucket, frame: pd.DataFrame, small_parts: None) -> Results:
    """What the deployed function and machine make of the upload."""
    broken, before = frame.astype(object), logged(deployed)
    broken.loc[list(BROKEN), "tenure_months"] = "?"
    data.put(KEY, broken.to_csv(index=False).encode(), "text/csv")
    eventually(lambda: list(data.list(keys.score_summary(KEY))), 300)
    assert logged(deployed) - before == ROWS - len(BROKEN)
    return results(data)


def job(data: Bucket) -> str:
    (found,) = (entry.key for entry in data.list(keys.SCORING) if entry.key.endswith("parts.csv"))
    return str(found).removesuffix("parts.csv")


def test_it_is_cut_into_many_parts(first: Results, data: Bucket) -> None:
    parts = table(data.get(keys.score_job_parts(job(data)))[0])
    assert len(parts) >= 25
    size = data.head(KEY).size
    assert [int(part["start"]) for part in parts[1:]] == [int(part["end"]) for part in parts[:-1]]
    assert int(parts[-1]["end"]) == size


def test_every_row_is_answered_as_the_api_answers(
    first: Results, deployed: Deployed, told: Story, frame: pd.DataFrame
) -> None:
    scored, good = table(first.scored), frame.drop(index=list(BROKEN))
    customers = to_json(good, told.source.schema)
    answers = [
        answer["churn_probability"]
        for start in range(0, len(customers), 1_000)
        for answer in deployed.api(
            "POST", "/predict/batch", customers[start : start + 1_000]
        ).json()["predictions"]
    ]
    assert [float(row["churn_probability"]) for row in scored] == answers
    assert [row["note"] for row in scored] == good["note"].tolist()


def test_the_rows_that_do_not_fit_are_named(first: Results, frame: pd.DataFrame) -> None:
    rejected = table(first.rejected)
    assert [row["note"] for row in rejected] == frame["note"][list(BROKEN)].tolist()
    assert all(row["reason"].startswith("tenure_months") for row in rejected)


def test_the_summary_counts_all_parts(first: Results) -> None:
    counted = (first.summary["scored"], first.summary["rejected"])
    assert counted == (ROWS - len(BROKEN), len(BROKEN))


@pytest.fixture
def failing(deployed: Deployed, data: Bucket) -> Iterator[tuple[Machine, str]]:
    """The deployed machine with a function of the deployed code, whose part 7 fails twice."""
    functions = deployed.emulator.client("lambda")
    machines = deployed.emulator.client("stepfunctions")
    found = functions.get_function(FunctionName=deployed.outputs.score_function)
    now, attempts = found["Configuration"], f"{keys.SCORING}test-{uuid4().hex}/"
    with urllib.request.urlopen(found["Code"]["Location"], timeout=60) as code:
        archive = io.BytesIO(code.read())
    with zipfile.ZipFile(archive, "a") as files:
        files.writestr("failing.py", FAILING)
    name = f"failing-{uuid4().hex[:8]}"
    made = functions.create_function(
        FunctionName=name,
        Runtime=now["Runtime"],
        Role=now["Role"],
        Handler="failing.handler",
        Code={"ZipFile": archive.getvalue()},
        Layers=[layer["Arn"] for layer in now["Layers"]],
        Timeout=now["Timeout"],
        MemorySize=now["MemorySize"],
        Environment={"Variables": {**now["Environment"]["Variables"], "ATTEMPTS": attempts}},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    (arn,) = (
        machine["stateMachineArn"]
        for machine in machines.list_state_machines()["stateMachines"]
        if machine["name"].endswith("-score")
    )
    deployed_machine = machines.describe_state_machine(stateMachineArn=arn)
    definition = deployed_machine["definition"]
    assert now["FunctionArn"] in definition
    copy = machines.create_state_machine(
        name=name,
        definition=definition.replace(now["FunctionArn"], made["FunctionArn"]),
        roleArn=deployed_machine["roleArn"],
    )
    yield Machine(machines, copy["stateMachineArn"]), attempts
    machines.delete_state_machine(stateMachineArn=copy["stateMachineArn"])
    functions.delete_function(FunctionName=name)


def test_a_part_that_fails_twice_changes_nothing(
    first: Results, deployed: Deployed, data: Bucket, failing: tuple[Machine, str]
) -> None:
    machine, attempts = failing
    prefix, before = job(data), logged(deployed)
    kept = {f"{prefix}job.json", keys.score_job_parts(prefix)}
    for entry in list(data.list(prefix)):
        if entry.key not in kept:
            data.delete(entry.key)
    for key in (keys.scored(KEY), keys.rejected(KEY), keys.score_summary(KEY)):
        data.delete(key)
    machine.start("again", {"job": prefix})
    (execution,) = machine.client.list_executions(stateMachineArn=machine.arn)["executions"]

    def ended() -> Any:
        found = machine.client.describe_execution(executionArn=execution["executionArn"])
        return found["status"] != "RUNNING" and found

    assert eventually(ended, 300)["status"] == "SUCCEEDED"
    assert len(list(data.list(attempts))) == 3
    assert results(data) == first
    assert logged(deployed) == before
