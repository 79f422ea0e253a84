"""The state machine of large uploads, with a function that only notes what it is asked to do."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from evergreen.jobs.splitting import manifest
from evergreen.store import keys
from evergreen.store.machine import Machine

from .conftest import ROOT, Deploy, Emulator, eventually

PARTS = 60
BUCKET = "score-machine"
WORKER = """
import json
import boto3

s3 = boto3.client("s3")

def count(prefix):
    return s3.list_objects_v2(Bucket="score-machine", Prefix=prefix).get("KeyCount", 0)

def handler(event, context):
    kind = "join" if event.get("join") else event["part"]
    key = f"{event['job']}asked/{kind}/"
    s3.put_object(
        Bucket="score-machine", Key=key + context.aws_request_id, Body=json.dumps(event).encode()
    )
    times = {"7": 2, "13": 99 if "hopeless" in event["job"] else 0}.get(kind, 0)
    if count(key) <= times:
        raise RuntimeError(f"part {kind} fails")
    if kind == "join":
        assert count(event["job"] + "done/") == 60, "a part is missing"
        return {"parts": count(event["job"] + "asked/")}
    s3.put_object(Bucket="score-machine", Key=f"{event['job']}done/{kind}", Body=b"")
    return {"much": "x" * 10_000}
"""


@pytest.fixture(scope="module")
def bucket(emulator: Emulator) -> Any:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.fixture(scope="module")
def failures(emulator: Emulator) -> str:
    return str(emulator.client("sqs").create_queue(QueueName="score-failures")["QueueUrl"])


@pytest.fixture(scope="module")
def machine(emulator: Emulator, deploy: Deploy, failures: str, bucket: Any) -> Machine:
    role = emulator.role(
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
    )
    function = deploy(WORKER, Role=role)
    values = {
        "Partition": "aws",
        "ScoreFunction": f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}",
        "ScoreConcurrency": "4",
        "DataBucket": BUCKET,
        "FailureQueue": failures,
    }
    definition = (ROOT / "infra/score.asl.json").read_text()
    definition = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], definition)
    definition = re.sub(r'"IntervalSeconds": \d+', '"IntervalSeconds": 1', definition)
    definition = re.sub(r'"BackoffRate": [\d.]+', '"BackoffRate": 1', definition)
    client = emulator.client("stepfunctions")
    made = client.create_state_machine(
        name="score",
        definition=definition,
        roleArn="arn:aws:iam::000000000000:role/machine",
    )
    return Machine(client, made["stateMachineArn"])


def run(machine: Machine, bucket: Any, name: str) -> tuple[str, dict[str, Any]]:
    job = keys.score_job(name)
    ranges = [(i * 10, i * 10 + 10) for i in range(PARTS)]
    bucket.put_object(Bucket=BUCKET, Key=keys.score_job_parts(job), Body=manifest(ranges))
    machine.start(name, {"job": job})
    machine.start(name, {"job": job})
    (execution,) = [
        e
        for e in machine.client.list_executions(stateMachineArn=machine.arn)["executions"]
        if e["name"] == name
    ]

    def ended() -> Any:
        found = machine.client.describe_execution(executionArn=execution["executionArn"])
        return found if found["status"] != "RUNNING" else None

    return job, eventually(ended, within=120)


def asked(bucket: Any, job: str) -> list[dict[str, Any]]:
    pages = bucket.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{job}asked/")
    found = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    bodies = (bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in found)
    return [json.loads(body) for body in bodies]


def test_every_part_is_scored_and_then_they_are_joined(machine: Machine, bucket: Any) -> None:
    job, execution = run(machine, bucket, f"sound-{uuid4().hex}")
    assert execution["status"] == "SUCCEEDED"
    events = asked(bucket, job)
    parts = {event["part"]: event for event in events if "part" in event}
    assert sorted(parts, key=int) == [str(i) for i in range(PARTS)]
    assert parts["59"] == {"job": job, "part": "59", "start": "590", "end": "600"}
    assert [event for event in events if "join" in event] == [{"job": job, "join": True}]
    # part 7 was asked three times, the others and the end once
    assert json.loads(execution["output"]) == {"summary": {"parts": PARTS + 2 + 1}}


def test_a_part_that_cannot_be_scored_ends_in_the_failure_queue(
    emulator: Emulator, machine: Machine, bucket: Any, failures: str
) -> None:
    job, execution = run(machine, bucket, f"hopeless-{uuid4().hex}")
    assert execution["status"] == "FAILED"
    (message,) = emulator.client("sqs").receive_message(QueueUrl=failures)["Messages"]
    told = json.loads(message["Body"])
    assert (told["machine"], told["job"]) == ("score", job)
    assert told["execution"] == execution["executionArn"]
    # the emulator goes on to the end where AWS would not; putting together fails there, too
    assert "a part is missing" in told["failure"]["Cause"]
    assert len([event for event in asked(bucket, job) if event.get("part") == "13"]) == 4
