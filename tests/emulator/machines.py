"""The template's state machines, with functions that only note what they are asked to do."""

import json
import re
from dataclasses import dataclass
from typing import Any

from evergreen.store.machine import Machine
from evergreen.store.s3 import Bucket

from .conftest import ROOT, Deploy, Emulator, eventually

NOTES = """
import json
import os
import boto3

s3, BUCKET = boto3.client("s3"), os.environ["BUCKET"]

def count(prefix):
    return s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("KeyCount", 0)

def put(key, content=b""):
    s3.put_object(Bucket=BUCKET, Key=key, Body=content)

def note(event, context, kind):
    prefix = f"{event['job']}asked/{kind}/"
    put(prefix + context.aws_request_id, json.dumps(event).encode())
    return count(prefix)
"""
"""What all these functions begin with; `note` also says how often that was asked for so far."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A state machine at work, and what its function has noted."""

    machine: Machine
    bucket: Bucket
    failures: str
    """The URL of the failure queue."""
    emulator: Emulator

    @classmethod
    def create(cls, emulator: Emulator, deploy: Deploy, name: str, worker: str) -> "Noted":
        """Make the machine infra/<name>.asl.json of a function; its retries wait a second."""
        s3, bucket = emulator.client("s3"), f"{name}-machine"
        s3.create_bucket(Bucket=bucket)
        role = emulator.role(
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
        )
        environment = {"Variables": {"BUCKET": bucket}}
        function = deploy(NOTES + worker, Role=role, Environment=environment)
        failures = emulator.client("sqs").create_queue(QueueName=f"{name}-failures")["QueueUrl"]
        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
        values = {
            "Partition": "aws",
            **dict.fromkeys(("ScoreFunction", "DriftFunction"), arn),
            "ScoreConcurrency": "4",
            **dict.fromkeys(("DataBucket", "LogBucket"), bucket),
            "FailureQueue": failures,
        }
        definition = (ROOT / f"infra/{name}.asl.json").read_text()
        definition = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], definition)
        definition = re.sub(r'"IntervalSeconds": \d+', '"IntervalSeconds": 1', definition)
        definition = re.sub(r'"BackoffRate": [\d.]+', '"BackoffRate": 1', definition)
        client = emulator.client("stepfunctions")
        made = client.create_state_machine(
            name=name,
            definition=definition,
            roleArn="arn:aws:iam::000000000000:role/machine",
        )
        machine = Machine(client, made["stateMachineArn"])
        return cls(machine, Bucket(s3, bucket), str(failures), emulator)

    def run(self, name: str, **values: object) -> dict[str, Any]:
        """Start an execution twice, which is to make one, and describe it when it has ended."""
        client, arn = self.machine.client, self.machine.arn
        self.machine.start(name, values)
        self.machine.start(name, values)
        (execution,) = [
            e
            for e in client.list_executions(stateMachineArn=arn)["executions"]
            if e["name"] == name
        ]

        def ended() -> Any:
            found = client.describe_execution(executionArn=execution["executionArn"])
            return found if found["status"] != "RUNNING" else None

        found: dict[str, Any] = eventually(ended, within=120)
        return found

    def asked(self, job: str) -> list[dict[str, Any]]:
        """What the function was asked to do for a job."""
        listed = self.bucket.list(f"{job}asked/")
        return [json.loads(self.bucket.get(entry.key)[0]) for entry in listed]

    def failure(self) -> dict[str, Any]:
        """Take the only message in the failure queue."""
        sqs = self.emulator.client("sqs")
        (message,) = sqs.receive_message(QueueUrl=self.failures)["Messages"]
        told: dict[str, Any] = json.loads(message["Body"])
        return told
