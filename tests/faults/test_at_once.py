"""Another run at any call of a measurement, or after it died there: both come to what one does."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from botocore.client import BaseClient

from evergreen.errors import ConflictError
from evergreen.jobs.outcomes import measuring

from .injection import Kind
from .scenarios import HOUR, MONDAY, SCENARIOS, World, measure, measured_in_effect
from .test_faults import begin, with_a_fault, without_a_fault


def measure_next(world: World) -> Any:
    """Measure and, where that failed for good, again when the schedule says so."""
    return measure(world, MONDAY + HOUR if world.faults.struck else MONDAY)


SCENARIO = replace(SCENARIOS["measure"], act=measure_next, result=measured_in_effect)


@pytest.mark.parametrize("kind", [Kind.KILLED_BEFORE, Kind.KILLED_AFTER], ids=lambda k: k.value)
def test_the_next_measurement_completes_what_another_began(world: World, kind: Kind) -> None:
    SCENARIO.prepare(world)
    before = world.memory
    expected = without_a_fault(world, SCENARIO, before)
    for number in count(1):
        if with_a_fault(world, SCENARIO, before, expected, kind, number) is None:
            break
    assert number > 1


@pytest.mark.parametrize(
    ("request_id", "time", "limit", "most_told"),
    [
        pytest.param("1", MONDAY, HOUR, 2, id="delivered twice"),
        pytest.param("2", MONDAY + HOUR, HOUR, 1, id="the next one"),
        pytest.param("2", MONDAY + HOUR, timedelta(), 2, id="the next one after the lock expired"),
    ],
)
def test_another_measurement_may_come_at_any_call(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    request_id: str,
    time: datetime,
    limit: timedelta,
    most_told: int,
) -> None:
    monkeypatch.setattr(measuring, "_TIME_LIMIT", limit)
    SCENARIO.prepare(world)
    before = world.memory
    expected = without_a_fault(world, SCENARIO, before)
    for number in count(1):
        begin(world, SCENARIO, before)
        came = come_between(monkeypatch, world, number, lambda: measure(world, time, request_id))
        if not done(lambda: measure(world)):
            assert done(lambda: measure(world)), "the repetition is refused as well"
        if not came:
            break
        assert SCENARIO.result(world, None) == expected, f"at call {number}"
        assert len(world.memory.events) <= most_told
    assert number > 1


def come_between(
    monkeypatch: pytest.MonkeyPatch, world: World, at: int, other: Callable[[], Any]
) -> list[bool]:
    """Let another run come before the n-th call; its success is in the list once it came."""
    came: list[bool] = []
    numbers = count(1)

    def call(client: BaseClient, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        if next(numbers) == at:
            came.append(done(other))
        return world.faults.call(client, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return came


def done(run: Callable[[], Any]) -> bool:
    """Run, and tell whether it was not refused by what another run has written."""
    try:
        run()
    except ConflictError:
        return False
    return True
