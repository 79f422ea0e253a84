"""The state machine of large uploads, with a function that only notes what it is asked to do."""

import json
from typing import Any
from uuid import uuid4

import pytest

from evergreen.jobs.files.splitting import manifest
from evergreen.store import keys

from .conftest import Deploy, Emulator
from .machines import Noted

PARTS = 60
WORKER = """
def handler(event, context):
    kind = "join" if event.get("join") else event["part"]
    times = {"7": 2, "13": 99 if "hopeless" in event["job"] else 0}.get(kind, 0)
    if note(event, context, kind) <= times:
        raise RuntimeError(f"part {kind} fails")
    if kind == "join":
        assert count(event["job"] + "done/") == 60, "a part is missing"
        return {"parts": count(event["job"] + "asked/")}
    put(f"{event['job']}done/{kind}")
    return {"much": "x" * 10_000}
"""


@pytest.fixture(scope="module")
def machine(emulator: Emulator, deploy: Deploy) -> Noted:
    return Noted.create(emulator, deploy, "score", WORKER)


def run(machine: Noted, name: str) -> tuple[str, dict[str, Any]]:
    job = keys.score_job(name)
    ranges = [(i * 10, i * 10 + 10) for i in range(PARTS)]
    machine.bucket.put(keys.score_job_parts(job), manifest(ranges), "text/csv")
    return job, machine.run(name, job=job)


def test_every_part_is_scored_and_then_they_are_joined(machine: Noted) -> None:
    job, execution = run(machine, f"sound-{uuid4().hex}")
    assert execution["status"] == "SUCCEEDED"
    events = machine.asked(job)
    parts = {event["part"]: event for event in events if "part" in event}
    assert sorted(parts, key=int) == [str(i) for i in range(PARTS)]
    assert parts["59"] == {"job": job, "part": "59", "start": "590", "end": "600"}
    assert [event for event in events if "join" in event] == [{"job": job, "join": True}]
    # part 7 was asked three times, the others and the end once
    assert json.loads(execution["output"]) == {"summary": {"parts": PARTS + 2 + 1}}


def test_a_part_that_cannot_be_scored_ends_in_the_failure_queue(machine: Noted) -> None:
    job, execution = run(machine, f"hopeless-{uuid4().hex}")
    assert execution["status"] == "FAILED"
    told = machine.failure()
    assert (told["machine"], told["job"]) == ("score", job)
    assert told["execution"] == execution["executionArn"]
    # the emulator goes on to the end where AWS would not; putting together fails there, too
    assert "a part is missing" in told["failure"]["Cause"]
    assert len([event for event in machine.asked(job) if event.get("part") == "13"]) == 4
