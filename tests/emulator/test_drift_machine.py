"""The state machine of large drift checks, with a function that only notes what it is asked."""

import json
from typing import Any
from uuid import uuid4

import pytest

from evergreen.jobs.drift.counting import Round
from evergreen.store import keys

from .conftest import Deploy, Emulator
from .machines import Noted

PARTS = (20, 5)
"""How many parts the rounds have."""
WORKER = """
PARTS = (20, 5)

def handler(event, context):
    job, number = event["job"], event["round"]
    kind = "merge" if event.get("merge") else event["part"]
    times = {"3": 2, "13": 99 if "hopeless" in job else 0}.get(kind, 0)
    if note(event, context, f"{number}-{kind}") <= times:
        raise RuntimeError(f"part {kind} fails")
    if kind == "merge":
        assert count(f"{job}done/{number}/") == PARTS[number], "a part is missing"
        grows = {"verdict": "counting", "round": number + 1}
        return grows if number == 0 else {"verdict": "no_drift", "round": number, "report": "x"}
    put(f"{job}done/{number}/{kind}")
    return {}
"""


@pytest.fixture(scope="module")
def machine(emulator: Emulator, deploy: Deploy) -> Noted:
    return Noted.create(emulator, deploy, "drift", WORKER)


def run(machine: Noted, name: str) -> tuple[str, dict[str, Any]]:
    job = f"{keys.DRIFT_WORK}{name}/"
    for number, parts in enumerate(PARTS):
        table = "".join(["part\n", *(f"{part}\n" for part in range(parts))])
        machine.bucket.put(Round(job, number).key("parts.csv"), table.encode(), "text/csv")
    return job, machine.run(name, job=job, round=0)


def test_every_part_is_counted_and_what_the_window_grows_by_in_another_round(
    machine: Noted,
) -> None:
    job, execution = run(machine, f"sound-{uuid4().hex}")
    assert execution["status"] == "SUCCEEDED"
    events = machine.asked(job)
    merges = [event for event in events if "merge" in event]
    assert merges == [{"job": job, "round": number, "merge": True} for number in (0, 1)]
    for number, parts in enumerate(PARTS):
        of_round = [e for e in events if "part" in e and e["round"] == number]
        # part 3 was asked three times, the others once
        asked = sorted(int(event["part"]) for event in of_round)
        assert asked == sorted([*range(parts), 3, 3])
        assert {"job": job, "round": number, "part": "4"} in of_round
    merged = {"verdict": "no_drift", "round": 1}
    assert json.loads(execution["output"]) == {"job": job, "round": 1, "merged": merged}


def test_a_part_that_cannot_be_counted_ends_in_the_failure_queue(machine: Noted) -> None:
    job, execution = run(machine, f"hopeless-{uuid4().hex}")
    assert execution["status"] == "FAILED"
    told = machine.failure()
    assert (told["machine"], told["job"]) == ("drift", job)
    assert told["execution"] == execution["executionArn"]
    # the emulator goes on to the end where AWS would not; putting together fails there, too
    assert "a part is missing" in told["failure"]["Cause"]
    assert len([event for event in machine.asked(job) if event.get("part") == "13"]) == 4
