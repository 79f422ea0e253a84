"""A fault at every call of every scenario, as SQLite's authors do it.

The n-th call of a process goes wrong, for every n. Then the pointer is sound and nothing is lost,
and whoever asked for the work asks again, as Lambda does: what comes of it is what would have come
of it without the fault. A process that does not fail has done it already, for nobody asks again.
Whatever it calls on the way, its role allows.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from evergreen.models import artifact
from evergreen.models.artifact import Artifact
from evergreen.store import keys
from tests.policies import Need, granting

from .injection import Call, Killed, Kind
from .memory import Memory
from .scenarios import SCENARIOS, Scenario, World

Survived = Callable[[int, set[str]], None]


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_at_any_call_is_survived(
    world: World, name: str, kind: Kind, survived: Survived
) -> None:
    scenario = SCENARIOS[name]
    scenario.prepare(world)
    before = world.memory
    expected = without_a_fault(world, scenario, before)
    used = covered(scenario, world.faults.needs)
    failed: list[str] = []
    for number in count(1):
        try:
            struck = with_a_fault(world, scenario, before, expected, kind, number)
            used |= covered(scenario, world.faults.needs)
        except AssertionError as error:
            failed.append(f"{number}: {world.faults.struck}: {error}")
        else:
            if struck is None:
                break
    assert not failed, "\n\n".join(failed)
    assert number > 1
    survived(number - 1, used)


def covered(scenario: Scenario, needs: set[Need]) -> set[str]:
    """Return what in the role's policies allowed the calls; fails where something did not."""
    role = scenario.role
    if role is None:
        return set()
    granted = {need: granting(role, need) for need in needs}
    missing = sorted(need for need, statement in granted.items() if statement is None)
    assert not missing, f"{role} lacks " + "; ".join(map(str, missing))
    return {str(statement) for statement in granted.values()}


def without_a_fault(world: World, scenario: Scenario, before: Memory) -> Any:
    begin(world, scenario, before)
    world.faults.plan(None)
    answer = scenario.act(world)
    assert scenario.normally(answer)
    return scenario.result(world, answer)


def with_a_fault(
    world: World, scenario: Scenario, before: Memory, expected: Any, kind: Kind, number: int
) -> Call | None:
    """Return the call that went wrong; None where there is none of this number."""
    begin(world, scenario, before)
    world.faults.plan(kind, number)
    answer, error = attempt(world, scenario)
    struck = world.faults.struck
    if struck is None:
        return None
    died = world.faults.dead
    world.faults.kind, world.faults.dead = None, False
    assert_sound(world, before)
    scenario.holds(world, answer)
    if scenario.final and error is None:
        assert scenario.result(world, answer) == expected, "it did not fail, and is not done"
    if died:
        world.functions.begin()
    answer, error = attempt(world, scenario)
    assert error is None, f"the repetition failed: {error!r}"
    assert_sound(world, before)
    assert scenario.result(world, answer) == expected, "the repetition comes to something else"
    return struck


def begin(world: World, scenario: Scenario, before: Memory) -> None:
    """Put everything back, and let a process begin."""
    world.faults.plan(None)
    world.faults.memory = before.copy()
    world.undelivered.clear()
    world.functions.begin()
    scenario.warm(world)


def attempt(world: World, scenario: Scenario) -> tuple[Any, BaseException | None]:
    """Act, and return what was answered, or else the error."""
    try:
        answer = scenario.act(world)
    except (Exception, Killed) as error:
        return None, error
    # whatever swallowed the end of its process, nobody hears an answer from it
    return (None, Killed()) if world.faults.dead else (answer, None)


def assert_sound(world: World, before: Memory) -> None:
    """Check that what serves is whole, and that nothing that was there is gone."""
    move = world.pointer()
    serving = world.manifests()[move.version]
    prefix = keys.model_file(serving.version, "")
    files = world.memory.contents("evergreen-models", prefix)
    contents = {key.removeprefix(prefix): content for key, content in files.items()}
    del contents[keys.MANIFEST]
    contents.pop(artifact.CARD, None)  # no hash vouches for it
    assert contents.keys() == serving.files.keys()
    Artifact(serving, contents).verify()
    for bucket, prefix in (
        ("evergreen-data", keys.TRAINING),
        ("evergreen-data", keys.INCOMING),
        ("evergreen-models", keys.PROMOTIONS),
        ("evergreen-logs", keys.INFERENCE),
    ):
        now = world.memory.contents(bucket, prefix)
        assert before.contents(bucket, prefix).items() <= now.items()
    for name in before.contents("evergreen-models", keys.MODELS):
        if name != keys.POINTER:
            assert world.memory.contents("evergreen-models", name)
