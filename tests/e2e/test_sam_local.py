"""`make sam-local` and `make sam-invoke`, on a Docker engine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from local.demo.source import to_json
from local.demo.story import Story
from tests.ports import free_port

from .answers import ask, same_answers, timed
from .conftest import Deployed, Make


@pytest.fixture
def customers(told: Story) -> list[dict[str, Any]]:
    return to_json(told.source.ordinary(20, seed=78), told.source.schema)


def test_it_answers_as_the_deployment_does_and_ctrl_c_leaves_nothing(
    deployed: Deployed,
    customers: list[dict[str, Any]],
    make: Make,
    nothing_left: Callable[[], None],
    tell: Callable[[str], None],
) -> None:
    port = free_port()
    command = make("sam-local", f"STATE={deployed.emulator.state}", f"API_PORT={port}")
    command.until(lambda: "Stop it" in command.printed)
    url = f"http://127.0.0.1:{port}"

    tell("sam local: " + timed(url, customers[0]))
    same_answers(deployed, ask(url, customers), customers)
    page = httpx.get(f"{url}/docs", timeout=60)
    assert page.status_code == 200
    assert httpx.get(f"{url}/docs/swagger-ui-bundle.js", timeout=60).status_code == 200
    (line,) = (line for line in command.printed.splitlines() if line.startswith("Try it"))
    example = json.loads(line.rpartition(" -d ")[2].strip("'"))
    assert ask(url, [example])

    assert command.interrupt() != 0
    nothing_left()
    assert not command.family()


def test_interrupted_half_way_it_leaves_nothing(
    make: Make, nothing_left: Callable[[], None], tmp_path: Path
) -> None:
    command = make("sam-local", f"STATE={tmp_path}/none", f"PORT={free_port()}", "API_PORT=3999")
    command.until(lambda: "Build the functions" in command.printed)
    command.until(lambda: any("docker" in line and "up" in line for line in command.family()))
    assert command.interrupt() != 0
    nothing_left()
    assert not command.family()


def test_an_invoked_function_prints_its_result(deployed: Deployed, make: Make) -> None:
    command = make(
        "sam-invoke",
        "FUNCTION=DriftFunction",
        "EVENT=local/events/schedule.json",
        f"STATE={deployed.emulator.state}",
    )
    assert command.process.wait(180) == 0, command.printed
    assert '"verdict": "too_few_rows"' in command.printed
    assert "REPORT RequestId" in command.printed


def test_a_function_that_fails_fails_the_command(
    deployed: Deployed, make: Make, tmp_path: Path, nothing_left: Callable[[], None]
) -> None:
    event = tmp_path / "event.json"
    event.write_text("{}")
    state = f"STATE={deployed.emulator.state}"
    command = make("sam-invoke", "FUNCTION=ScoreFunction", f"EVENT={event}", state)
    assert command.process.wait(180) != 0
    assert "KeyError" in command.printed
    assert "ScoreFunction failed" in command.printed
    nothing_left()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "PredictFunction, ScoreFunction, DriftFunction, MeasureFunction, RetrainFunction"),
        (("FUNCTION=DriftFunction", "EVENT=nowhere.json"), "local/events/schedule.json"),
    ],
)
def test_what_is_missing_is_named_at_once(
    make: Make, arguments: tuple[str, ...], named: str
) -> None:
    command = make("sam-invoke", *arguments)
    assert command.process.wait(60) != 0
    assert named in command.printed
