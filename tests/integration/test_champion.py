import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest

from evergreen.errors import CorruptModelError, NoModelError
from evergreen.jobs.answering.champion import Champion
from evergreen.models import artifact
from evergreen.models.artifact import Artifact
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket

from .conftest import another


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def champion(registry: Registry, clock: Clock) -> Champion:
    return Champion(registry, timedelta(seconds=60), clock)


def publish(registry: Registry, version: Artifact, name: str) -> None:
    registry.publish(another(version, name).manifest, version.files)


def corrupt(bucket: Bucket, name: str, files: Iterable[str] = (artifact.ONNX,)) -> None:
    for file in files:
        bucket.put(keys.model_file(name, file), b"nonsense")


def test_without_a_model_it_says_how_to_get_one_and_finds_it_at_once(
    champion: Champion, registry: Registry, version: Artifact
) -> None:
    with pytest.raises(NoModelError, match="training/"):
        champion.model()
    registry.publish(version.manifest, version.files)
    registry.promote(version.manifest.version, seen=None, reason="first")
    assert champion.model().version == version.manifest.version


def test_a_new_champion_is_served_when_the_look_is_due_and_not_before(
    champion: Champion, registry: Registry, version: Artifact, promoted: Pointer, clock: Clock
) -> None:
    assert champion.model().version == promoted.version
    publish(registry, version, "b")
    registry.promote("b", seen=promoted, reason="better")
    clock.now += 59
    assert champion.model().version == promoted.version
    clock.now += 1
    assert champion.model().version == "b"


@pytest.mark.parametrize("passed", [10_000, -10_000])
def test_after_a_restore_it_looks_at_once(
    champion: Champion,
    registry: Registry,
    version: Artifact,
    promoted: Pointer,
    clock: Clock,
    passed: float,
) -> None:
    champion.model()
    publish(registry, version, "b")
    registry.promote("b", seen=promoted, reason="better")
    clock.now += passed
    assert champion.model().version == "b"


def test_a_corrupt_champion_is_refused_once_while_the_one_in_memory_serves(
    champion: Champion,
    registry: Registry,
    version: Artifact,
    promoted: Pointer,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    champion.model()
    publish(registry, version, "b")
    corrupt(registry.bucket, "b")
    moved = registry.promote("b", seen=promoted, reason="broken")
    for _ in range(3):
        clock.now += 60
        assert champion.model().version == promoted.version
    assert [r.levelno for r in caplog.records if "refused" in r.message] == [logging.ERROR]
    publish(registry, version, "c")
    registry.promote("c", seen=moved, reason="mended")
    clock.now += 60
    assert champion.model().version == "c"


@pytest.mark.parametrize("files", [artifact.CHAMPION, (keys.MANIFEST,)])
def test_a_cold_start_on_a_corrupt_champion_serves_the_one_before(
    champion: Champion,
    registry: Registry,
    version: Artifact,
    promoted: Pointer,
    files: tuple[str, ...],
) -> None:
    publish(registry, version, "b")
    registry.promote("b", seen=promoted, reason="broken")
    corrupt(registry.bucket, "b", files)
    assert champion.model().version == promoted.version


def test_where_every_version_is_corrupt_there_is_no_model(
    champion: Champion, registry: Registry, promoted: Pointer
) -> None:
    corrupt(registry.bucket, promoted.version)
    with pytest.raises(CorruptModelError, match=f"refused: {promoted.version}"):
        champion.model()


def test_a_bucket_that_is_away_fails_no_request(
    version: Artifact, registry: Registry, promoted: Pointer, clock: Clock
) -> None:
    class Flaky(Registry):
        away = False

        def pointer_if_moved(self, seen: Pointer) -> Pointer | None:
            if Flaky.away:
                raise ConnectionError("S3 is away")
            return super().pointer_if_moved(seen)

    champion = Champion(Flaky(registry.bucket), timedelta(seconds=60), clock)
    champion.model()
    publish(registry, version, "b")
    registry.promote("b", seen=promoted, reason="better")
    Flaky.away = True
    clock.now += 60
    assert champion.model().version == promoted.version
    Flaky.away = False
    clock.now += 60
    assert champion.model().version == "b"


def test_a_pointer_that_cannot_be_read_fails_no_request(
    champion: Champion, registry: Registry, promoted: Pointer, clock: Clock
) -> None:
    champion.model()
    registry.bucket.put(keys.POINTER, b"nonsense")
    clock.now += 60
    assert champion.model().version == promoted.version


def test_threads_that_ask_at_once_load_the_first_model_once(
    champion: Champion, registry: Registry, version: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(version.manifest, version.files)
    registry.promote(version.manifest.version, seen=None, reason="first")
    loads: list[Artifact] = []
    load = Model.load

    def slowly(artifact: Artifact) -> Model:
        loads.append(artifact)
        time.sleep(0.1)
        return load(artifact)

    monkeypatch.setattr(Model, "load", slowly)
    with ThreadPoolExecutor(8) as pool:
        served = list(pool.map(lambda _: champion.model(), range(8)))
    assert len(loads) == 1
    assert len({id(model) for model in served}) == 1


def test_while_one_thread_looks_for_a_newer_model_the_others_answer(
    champion: Champion,
    registry: Registry,
    version: Artifact,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.publish(version.manifest, version.files)
    registry.promote(version.manifest.version, seen=None, reason="first")
    first = champion.model()
    looks, go_on = Event(), Event()

    def stall(self: Registry, pointer: Pointer) -> None:
        looks.set()
        assert go_on.wait(10)

    monkeypatch.setattr(Registry, "pointer_if_moved", stall)
    clock.now += 61
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(champion.model)
        assert looks.wait(10)
        clock.now += 61  # due again, though the first look has not come back
        assert champion.model() is first
        assert not looking.done()
        go_on.set()
        assert looking.result() is first


def test_a_sound_champion_costs_one_look_at_each_of_its_files(
    registry: Registry, promoted: Pointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    get = Bucket.get
    monkeypatch.setattr(Bucket, "get", lambda self, key: asked.append(key) or get(self, key))
    monkeypatch.setattr(Bucket, "list", lambda *_: pytest.fail("the history was read"))
    registry.champion(Model.load)
    files = (keys.MANIFEST, *artifact.CHAMPION, *artifact.FASTER)
    expected = [keys.model_file(promoted.version, name) for name in files]
    assert sorted(asked) == sorted([keys.POINTER, *expected])


def test_the_latest_moves_are_read_again_only_after_another(
    champion: Champion,
    registry: Registry,
    version: Artifact,
    promoted: Pointer,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[int] = []
    latest = Registry.latest
    monkeypatch.setattr(
        Registry, "latest", lambda self, *given: reads.append(given[0]) or latest(self, *given)
    )
    champion.model()
    assert champion.moves(2) == champion.moves(2) == [promoted.move]
    publish(registry, version, "b")
    moved = registry.promote("b", seen=promoted, reason="better")
    clock.now += 60
    champion.model()
    assert champion.moves(2) == champion.moves(2) == [moved.move, promoted.move]
    assert reads == [2, 2]


def test_the_move_that_is_served_is_among_the_latest_though_it_was_never_noted(
    champion: Champion, registry: Registry, promoted: Pointer
) -> None:
    champion.model()
    registry.bucket.delete(promoted.move.key)  # its mover died between its two writes
    assert champion.moves(2) == [promoted.move]


def test_moves_are_not_held_while_there_is_one_that_is_not_served_yet(
    champion: Champion, registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    champion.model()
    publish(registry, version, "b")
    moved = registry.promote("b", seen=promoted, reason="better")
    assert champion.moves(2) == [moved.move, promoted.move]
    registry.bucket.delete(moved.move.key)
    assert champion.moves(2) == [promoted.move]


def test_a_look_goes_another_way_than_the_first_load(
    registry: Registry, version: Artifact, promoted: Pointer, clock: Clock
) -> None:
    ways: list[Registry] = []

    def glance() -> Registry:
        ways.append(Registry(registry.bucket))
        return ways[-1]

    champion = Champion(registry, timedelta(seconds=60), clock, glance)
    champion.model()
    assert ways == []
    publish(registry, version, "b")
    registry.promote("b", seen=promoted, reason="better")
    clock.now += 60
    assert champion.model().version == "b"
    assert len(ways) == 1
