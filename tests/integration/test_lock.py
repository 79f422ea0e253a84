"""The lock and the pointer where answers are lost, and trainings that are killed and repeated."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergreen.errors import BusyError, ConflictError
from evergreen.jobs.learning.retraining import Retraining
from evergreen.models.artifact import Artifact
from evergreen.store import keys, lock
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers

from .conftest import NOW, another, put_history

MINUTE = timedelta(minutes=1)
LATER = NOW + timedelta(hours=1)


def lose_answers(bucket: Bucket, key: str) -> list[str]:
    """Let the answer to each first write of a key get lost, so that boto3 writes again."""
    lost: list[str] = []

    def written(request_dict: Any, attempts: int, **_: Any) -> int | None:
        if attempts == 1 and request_dict["url"].endswith(f"/{key}"):
            lost.append(key)
            return 0  # seconds to wait before it is sent again
        return None

    bucket.s3.meta.events.register_first(
        "needs-retry.s3.PutObject",
        written,  # type: ignore[arg-type]
    )
    return lost


def test_a_write_whose_answer_was_lost_is_known_for_our_own(models: Bucket) -> None:
    lost = lose_answers(models, "k")
    first = models.create("k", b"1")
    assert models.get("k") == (b"1", first)
    second = models.replace("k", b"2", first)
    assert models.get("k") == (b"2", second)
    assert len(lost) == 2
    for write in (models.create, lambda k, c: models.replace(k, c, first)):
        with pytest.raises(ConflictError):
            write("k", b"3")
    assert models.get("k") == (b"2", second)


def test_an_object_that_was_removed_meanwhile_is_no_write_of_ours(models: Bucket) -> None:
    seen = models.create("k", b"1")
    models.put("k", b"2")

    def removed(**_: Any) -> None:
        models.s3.meta.events.unregister("after-call.s3.PutObject", removed)
        models.delete("k")

    models.s3.meta.events.register("after-call.s3.PutObject", removed)
    with pytest.raises(ConflictError):
        models.replace("k", b"3", seen)


def test_a_promotion_whose_answer_was_lost_is_one(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    registry.publish(another(version, "b").manifest, version.files)
    lost = lose_answers(registry.bucket, keys.POINTER)
    moved = registry.promote("b", seen=promoted, reason="better")
    assert lost
    assert registry.pointer() == moved
    assert next(registry.history()).version == "b"


def test_the_first_model_whose_answers_were_all_lost_is_published_and_serves(
    registry: Registry, version: Artifact
) -> None:
    lost = lose_answers(registry.bucket, keys.POINTER)
    lost_too = lose_answers(
        registry.bucket, keys.model_file(version.manifest.version, keys.MANIFEST)
    )
    registry.publish(version.manifest, version.files)
    moved = registry.promote(version.manifest.version, seen=None, reason="the first model")
    assert lost and lost_too
    assert registry.pointer() == moved


def test_a_lock_whose_answers_were_lost_is_held_and_released(models: Bucket) -> None:
    lost = lose_answers(models, "l")
    with (
        lock.hold(models, "l", "one", MINUTE),
        pytest.raises(BusyError, match="one holds l"),
        lock.hold(models, "l", "two", MINUTE),
    ):
        pass
    with lock.hold(models, "l", "two", MINUTE):
        assert json.loads(models.get("l")[0])["owner"] == "two"
    assert len(lost) == 4


def test_of_many_that_want_a_lock_though_answers_are_lost_one_holds_it(models: Bucket) -> None:
    lose_answers(models, "l")
    held, busy = [], []
    over = threading.Event()

    def want(name: str) -> None:
        try:
            with lock.hold(models, "l", name, MINUTE):
                held.append(name)
                over.wait(20)
        except BusyError:
            busy.append(name)
            if len(busy) == 5:
                over.set()

    threads = [threading.Thread(target=want, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(busy)) == (1, 5)


class Killed(BaseException):
    """What stands for the end of the process."""


class Kill:
    """Ends the process at a write of a key: nothing reaches S3 any more, no release of a lock."""

    def __init__(self, bucket: Bucket, key: str, when: str) -> None:
        self.events, self.key, self.when = bucket.s3.meta.events, key, when
        self.dead, self.writes = False, False
        self.events.register("before-call.s3", self._before)
        self.events.register("after-call.s3", self._after)

    def _before(self, model: Any, params: Any, **_: Any) -> None:
        self.writes = model.name == "PutObject" and f"/{self.key}" in params["url_path"]
        self._die("before")

    def _after(self, **_: Any) -> None:
        self._die("after")

    def _die(self, when: str) -> None:
        self.dead = self.dead or (self.writes and self.when == when)
        if self.dead:
            raise Killed

    def restart(self) -> None:
        self.events.unregister("before-call.s3", self._before)
        self.events.unregister("after-call.s3", self._after)


def test_a_lock_is_retaken_by_its_owner_at_once_and_by_others_when_it_expires(
    models: Bucket,
) -> None:
    with pytest.raises(Killed), lock.hold(models, "l", "one", MINUTE) as began:
        kill = Kill(models, "l", "before")
        raise Killed
    kill.restart()
    with pytest.raises(BusyError, match="one holds"), lock.hold(models, "l", "two", MINUTE):
        pass
    with lock.hold(models, "l", "one", MINUTE) as since:
        assert since == began
    with lock.hold(models, "l", "two", MINUTE) as since:
        assert since > began


def test_a_lock_is_for_all_when_the_time_of_one_that_died_is_over(models: Bucket) -> None:
    with pytest.raises(Killed), lock.hold(models, "l", "one", timedelta(seconds=1)):
        kill = Kill(models, "l", "before")
        raise Killed
    kill.restart()
    with lock.hold(models, "l", "two", MINUTE, patience=timedelta(seconds=10)):
        pass


def test_one_that_was_slow_leaves_the_lock_to_its_repetition(models: Bucket) -> None:
    with lock.hold(models, "l", "one", MINUTE):
        again = lock.hold(models, "l", "one", MINUTE)
        again.__enter__()
    with pytest.raises(BusyError, match="one holds"), lock.hold(models, "l", "two", MINUTE):
        pass
    again.__exit__(None, None, None)


@pytest.fixture
def retraining(data: Bucket, models: Bucket) -> Retraining:
    """A retraining by the clock of this very day, as the lock has it."""
    return Retraining(data, Registry(models), cooldown=timedelta(hours=6), patience=timedelta())


STEPS = {
    "a file of the version": (keys.MODELS, "before"),
    "the pointer, not yet": (keys.POINTER, "before"),
    "the pointer": (keys.POINTER, "after"),
    "the history of moves": (keys.PROMOTIONS, "after"),
    "the release of the lock": (keys.RETRAIN_LOCK, "before"),
}


@pytest.mark.usefixtures("in_bucket")
@pytest.mark.parametrize("step", STEPS)
def test_a_training_that_is_killed_is_completed_by_its_repetition_and_by_nobody_before(
    retraining: Retraining, models: Bucket, step: str
) -> None:
    class Begun(Registry):
        def pointer(self) -> Pointer:
            if not kills:  # the lock is taken, and the next write of it is its release
                kills.append(Kill(models, *STEPS[step]))
            return Registry.pointer(self)

    kills: list[Kill] = []
    with pytest.raises(Killed):
        replace(retraining, registry=Begun(models)).run("upload", datetime.now(UTC), "first")
    kills[0].restart()
    other = retraining.run("upload", datetime.now(UTC), "second")
    assert (other.status, other.reason[:27]) == ("skipped", "another training is running")
    assert "at the next look" in other.reason
    outcome = retraining.run("upload", datetime.now(UTC), "first")
    assert (outcome.status, outcome.reason) == ("promoted", "the first model")
    assert retraining.registry.pointer().version == outcome.version
    assert len(list(retraining.registry.manifests())) == 1
    after = retraining.run("upload", datetime.now(UTC), "second")
    assert (after.status, "nothing new" in after.reason) == ("skipped", True)


def test_a_training_by_hand_that_finds_another_running_says_so_as_an_error(
    retraining: Retraining, models: Bucket
) -> None:
    with (
        lock.hold(models, keys.RETRAIN_LOCK, "another", MINUTE),
        pytest.raises(BusyError, match="another holds"),
    ):
        retraining.run("manual", NOW)


@pytest.mark.usefixtures("learned")
def test_a_training_whose_promotion_was_not_answered_is_promoted(
    data: Bucket, registry: Registry
) -> None:
    put_history(data, "new", customers(1_500, seed=9, shift=1.0))
    lost = lose_answers(registry.bucket, keys.POINTER)
    outcome = Retraining(data, registry, timedelta(0)).run("drift", LATER)
    assert lost
    assert (outcome.status, outcome.version) == ("promoted", registry.pointer().version)
