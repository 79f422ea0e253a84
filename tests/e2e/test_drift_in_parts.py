"""A log that is too large for one function: checked in parts, with the same report to the byte."""

import json
from datetime import UTC, datetime

import pytest

from evergreen.jobs.drift.counting import Round
from evergreen.store import keys
from evergreen.store.registry import Registry
from local.demo.source import to_json
from local.demo.story import Story

from .conftest import Deployed, eventually

CUSTOMERS = 1_500
PARTS = 4
"""About so many; each of them starts a function of its own here."""


@pytest.fixture
def calm(deployed: Deployed, told: Story) -> None:
    """Customers like the champion's, who alone have asked since it took office again.

    Of whoever asked before there would be drift, and another training would follow from it.
    """
    registry = Registry(deployed.bucket("model"))
    seen, reason = registry.pointer(), "a test wants a window of its own"
    registry.promote(seen.version, seen=seen, reason=reason, kind="promotion")
    customers, _ = told.source.shifted(CUSTOMERS, seed=83)
    told.doors.send(to_json(customers, told.source.schema))


@pytest.mark.usefixtures("calm")
def test_a_check_in_parts_says_what_one_in_one_go_does(deployed: Deployed) -> None:
    logs, machines = deployed.bucket("log"), deployed.emulator.client("stepfunctions")
    now = datetime.now(UTC)
    event = {"time": now.isoformat()}
    report = deployed.invoke("drift", event)
    assert (report["verdict"], report["customers"]) == ("no_drift", CUSTOMERS)
    in_one_go, _ = logs.get(keys.drift_report(now))
    logs.delete(keys.drift_report(now))
    size = sum(entry.size for entry in logs.list(keys.INFERENCE))
    with deployed.configured("drift", EVERGREEN_DRIFT_PART_MEGABYTES=f"{size / PARTS / 1e6:.6f}"):
        assert deployed.invoke("drift", event) == {"verdict": "counting"}
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
