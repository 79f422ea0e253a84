"""Eight triggers at once: one training, one promotion, and a history that tells the whole of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Lock
from typing import Any

import pandas as pd
import pytest
from moto.core.botocore_stubber import BotocoreStubber

from evergreen.customers.schema import Schema
from evergreen.errors import BusyError
from evergreen.jobs.learning.occasion import Trigger
from evergreen.jobs.learning.retraining import Retraining
from evergreen.store import keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers

from .conftest import NOW, put_history, put_schema

TRIGGERS: tuple[Trigger, ...] = ("upload", "drift", "schedule", "upload") * 2


@pytest.fixture(autouse=True)
def _atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a conditional write be one step, as S3's is: moto looks first, and writes then."""
    answer, one_by_one = BotocoreStubber.process_request, Lock()

    def alone(stubber: BotocoreStubber, request: Any) -> Any:
        with one_by_one:
            return answer(stubber, request)

    monkeypatch.setattr(BotocoreStubber, "process_request", alone)


def run_at_once(data: Bucket, registry: Registry, patience: timedelta) -> list[str]:
    """Let all triggers come at the same moment; return what each of them came to."""
    together = Barrier(len(TRIGGERS))

    def run(number: int) -> str:
        retraining = Retraining(data, registry, timedelta(hours=6), patience=patience)
        together.wait()
        later = NOW + timedelta(hours=7, seconds=number)
        return retraining.run(TRIGGERS[number], later, f"request {number}").status

    with ThreadPoolExecutor(len(TRIGGERS)) as pool:
        return [*pool.map(run, range(len(TRIGGERS)))]


@pytest.mark.parametrize("patience", [timedelta(), timedelta(minutes=2)])
def test_eight_triggers_of_a_first_model_train_and_promote_one(
    data: Bucket, models: Bucket, schema: Schema, frame: pd.DataFrame, patience: timedelta
) -> None:
    put_schema(data, schema)
    put_history(data, "history", frame)
    registry = Registry(models)
    found = run_at_once(data, registry, patience)
    assert found.count("promoted") == 1
    assert set(found) <= {"promoted", "skipped", "labels_wanted"}
    (version,) = registry.manifests()
    (move,) = registry.history()
    assert (move.version, move.previous) == (version.version, None)
    assert registry.pointer().version == version.version
    assert len(list(models.list(keys.PROMOTIONS))) == 1


def test_eight_triggers_on_changed_customers_replace_the_champion_once(
    data: Bucket, registry: Registry, learned: Pointer
) -> None:
    put_history(data, "new", customers(1_500, seed=9, shift=1.0))
    found = run_at_once(data, Registry(registry.bucket), timedelta(minutes=2))
    assert found.count("promoted") == 1
    assert set(found) <= {"promoted", "skipped", "labels_wanted"}
    latest, first = registry.history()
    assert (latest.previous, first.previous) == (learned.version, None)
    assert registry.pointer().move == latest
    assert {m.version for m in registry.manifests()} == {latest.version, learned.version}


def test_of_trainings_by_hand_those_that_find_another_running_say_so(
    data: Bucket, models: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    put_schema(data, schema)
    put_history(data, "history", frame)
    registry, together = Registry(models), Barrier(4)

    def run(number: int) -> str:
        retraining = Retraining(data, registry, timedelta(hours=6), patience=timedelta())
        together.wait()
        try:
            return retraining.run("manual", NOW, f"request {number}").status
        except BusyError:
            return "busy"

    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(run, range(4))]
    assert found.count("promoted") == 1
    assert "busy" in found
    assert len(list(registry.history())) == 1
