"""A log that is too large for one function: checked in parts, with the same report to the byte."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from evergreen.jobs.drift.counting import Round
from evergreen.store import keys
from evergreen.store.s3 import Bucket

from .conftest import Deployed, eventually

PARTS = 4
"""About so many; each of them starts a function of its own here."""


@pytest.fixture
def small_parts(deployed: Deployed) -> Iterator[None]:
    """Let the function share out what it has the time for."""
    size = sum(entry.size for entry in deployed.bucket("log").list(keys.INFERENCE))
    megabytes = f"{size / PARTS / 1_000_000:.6f}"
    with deployed.configured("drift", EVERGREEN_DRIFT_PART_MEGABYTES=megabytes):
        yield


def calm(logs: Bucket) -> tuple[bytes, dict[str, Any]]:
    """The story's last check, and what it says; another training does not follow from it."""
    reports = [e.key for e in logs.list(f"{keys.DRIFT}20") if e.key.endswith(".json")]
    for key in sorted(reports, reverse=True):
        content, _ = logs.get(key)
        report = json.loads(content)
        if report["verdict"] == "no_drift":
            return content, report
    raise AssertionError(f"all found drift: {reports}")


@pytest.mark.usefixtures("told", "small_parts")
def test_a_check_that_is_repeated_in_parts_says_the_same(deployed: Deployed) -> None:
    logs, machines = deployed.bucket("log"), deployed.emulator.client("stepfunctions")
    in_one_go, report = calm(logs)
    assert report["customers"] > 1_000
    now = datetime.fromisoformat(report["checked_at"])
    logs.delete(keys.drift_report(now))
    assert deployed.invoke("drift", {"time": report["checked_at"]}) == {"verdict": "counting"}
    (machine,) = (
        each["stateMachineArn"]
        for each in machines.list_state_machines()["stateMachines"]
        if each["name"].endswith("-drift")
    )

    def ended() -> str | None:
        (found,) = machines.list_executions(stateMachineArn=machine)["executions"]
        return None if found["status"] == "RUNNING" else str(found["status"])

    assert eventually(ended, 60) == "SUCCEEDED"
    assert logs.get(keys.drift_report(now))[0] == in_one_go
    job = Round(f"{keys.DRIFT_WORK}{now:%Y%m%dT%H%M%SZ}/")
    parts = json.loads(logs.get(job.key("parts.json"))[0])
    assert parts >= PARTS
    counted = {entry.key for entry in logs.list(job.key("counts/"))}
    assert counted == {job.key(f"counts/{part}.npz") for part in range(parts)}
