"""A log that is too large for one function: checked in parts, with the same report to the byte."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from evergreen.jobs.counting import Round
from evergreen.store import keys

from .conftest import Deployed

PARTS = 4
"""About so many; each of them starts a function of its own here."""


def eventually[T](look: Callable[[], T], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert found, f"nothing within {seconds} s"
    return found


@pytest.fixture
def small_parts(deployed: Deployed) -> Iterator[None]:
    """Let the function share out what it has the time for."""
    client, name = deployed.emulator.client("lambda"), deployed.outputs.drift_function
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    size = sum(entry.size for entry in deployed.bucket("log").list(keys.INFERENCE))

    def configure(variables: dict[str, str]) -> None:
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        client.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        time.sleep(5)  # the emulator loses what it tells a function just after that

    configure({**before, "EVERGREEN_DRIFT_PART_MEGABYTES": f"{size / PARTS / 1_000_000:.6f}"})
    yield
    configure(before)


@pytest.mark.usefixtures("told", "small_parts")
def test_a_check_that_is_repeated_in_parts_says_the_same(deployed: Deployed) -> None:
    logs, machines = deployed.bucket("log"), deployed.emulator.client("stepfunctions")
    in_one_go, _ = logs.get(keys.DRIFT_LATEST)
    report = json.loads(in_one_go)
    assert (report["verdict"], report["customers"] > 1_000) == ("no_drift", True)
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
