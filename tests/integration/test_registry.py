import json
import threading
from datetime import timedelta

import pytest

from evergreen.errors import ConflictError, NoModelError, NotFoundError
from evergreen.models.artifact import Artifact
from evergreen.store import keys, lock
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket

from .conftest import another


def test_an_object_is_created_once(models: Bucket) -> None:
    models.create("k", b"1")
    with pytest.raises(ConflictError):
        models.create("k", b"2")
    assert models.get("k")[0] == b"1"


def test_an_object_is_replaced_only_as_it_was_seen(models: Bucket) -> None:
    seen = models.create("k", b"1")
    models.replace("k", b"2", seen)
    with pytest.raises(ConflictError):
        models.replace("k", b"3", seen)
    assert models.get("k")[0] == b"2"


def test_an_object_is_got_again_only_if_it_changed(models: Bucket) -> None:
    seen = models.put("k", b"1")
    assert models.get_if_changed("k", seen) is None
    now = models.put("k", b"2")
    assert models.get_if_changed("k", seen) == (b"2", now)


@pytest.mark.parametrize("look", ["get", "open"])
def test_what_is_not_there_is_named(models: Bucket, look: str) -> None:
    with pytest.raises(NotFoundError, match="s3://evergreen-models/k does not exist"):
        getattr(models, look)("k")


def test_listings_go_on_after_the_first_thousand(models: Bucket) -> None:
    for number in range(1_005):
        models.put(f"a/{number:04}", b"")
    assert len(list(models.list("a/"))) == 1_005
    assert list(models.folders("")) == ["a"]


def test_a_version_without_manifest_does_not_exist(registry: Registry, version: Artifact) -> None:
    for name, content in version.files.items():
        registry.bucket.put(keys.model_file("half", name), content)
    assert list(registry.manifests()) == []
    with pytest.raises(NotFoundError):
        registry.promote("half", seen=None, reason="no")
    with pytest.raises(NoModelError, match=r"put training/schema\.json"):
        registry.pointer()


def test_a_published_version_is_whole_and_immutable(registry: Registry, version: Artifact) -> None:
    registry.publish(version.manifest, version.files)
    again = registry.fetch(version.manifest.version, version.files)
    again.verify()
    assert again == version
    with pytest.raises(ConflictError):
        registry.publish(version.manifest, version.files)


def test_manifests_come_newest_first(registry: Registry, version: Artifact) -> None:
    for name in ("20260103T000000Z-c", "20260101T000000Z-a", "20260102T000000Z-b"):
        registry.publish(another(version, name).manifest, version.files)
    assert [manifest.version[-1] for manifest in registry.manifests()] == ["c", "b", "a"]


def test_the_pointer_moves_only_from_where_it_was_seen(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    registry.publish(another(version, "b").manifest, version.files)
    registry.promote("b", seen=promoted, reason="better")
    for seen in (promoted, None):
        with pytest.raises(ConflictError):
            registry.promote(promoted.version, seen=seen, reason="too late")
    assert registry.pointer().version == "b"
    assert registry.pointer_if_moved(registry.pointer()) is None


def test_of_many_movers_at_once_one_wins(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    registry.publish(another(version, "b").manifest, version.files)
    won: list[bool] = []

    def move() -> None:
        try:
            registry.promote("b", seen=promoted, reason="race")
            won.append(True)
        except ConflictError:
            won.append(False)

    threads = [threading.Thread(target=move) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


def test_rolling_back_is_one_more_move(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    registry.publish(another(version, "b").manifest, version.files)
    moved = registry.promote("b", seen=promoted, reason="better")
    registry.promote(promoted.version, seen=moved, reason="it was not")
    assert [(m.version, m.previous, m.reason) for m in registry.history()] == [
        (promoted.version, "b", "it was not"),
        ("b", promoted.version, "better"),
        (promoted.version, None, "the first model"),
    ]


def test_the_latest_moves_are_read_at_once_and_no_others(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    seen = promoted
    for name in "bcde":
        registry.publish(another(version, name).manifest, version.files)
        seen = registry.promote(name, seen=seen, reason="better")
    registry.bucket.put(registry.pointer().move.key, b"nonsense")
    calls: list[str] = []
    registry.bucket.s3.meta.events.register(
        "before-call.s3", lambda model, **_: calls.append(model.name)
    )
    assert [move.version for move in registry.latest(3)] == ["d", "c"]
    assert sorted(calls) == ["GetObject"] * 3 + ["ListObjectsV2"]
    assert len(registry.latest(9)) == 4


def test_the_history_is_whole_though_a_mover_died_before_writing_it(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    registry.publish(another(version, "b").manifest, version.files)
    registry.bucket.delete(promoted.move.key)
    registry.promote("b", seen=promoted, reason="better")
    assert len(list(registry.history())) == 2


def test_a_lock_has_one_holder(models: Bucket) -> None:
    with (
        lock.hold(models, "l", "one", timedelta(minutes=1)),
        pytest.raises(ConflictError, match="one holds l until"),
        lock.hold(models, "l", "two", timedelta(minutes=1)),
    ):
        pass
    with lock.hold(models, "l", "three", timedelta(minutes=1)):
        assert json.loads(models.get("l")[0])["owner"] == "three"


def test_a_lock_that_was_left_behind_expires(models: Bucket) -> None:
    with (
        lock.hold(models, "l", "dead", timedelta(seconds=-1)),
        lock.hold(models, "l", "next", timedelta(minutes=1)),
    ):
        assert json.loads(models.get("l")[0])["owner"] == "next"


def test_a_lock_is_released_where_the_job_fails(models: Bucket) -> None:
    with (
        pytest.raises(RuntimeError),
        lock.hold(models, "l", "one", timedelta(minutes=1)),
    ):
        raise RuntimeError
    with lock.hold(models, "l", "two", timedelta(minutes=1)):
        pass


def test_who_is_patient_gets_the_lock_when_it_is_free(models: Bucket) -> None:
    holder = lock.hold(models, "l", "one", timedelta(minutes=1))
    holder.__enter__()
    free = threading.Timer(0.5, holder.__exit__, (None, None, None))
    free.start()
    with lock.hold(models, "l", "two", timedelta(minutes=1), patience=timedelta(seconds=10)):
        assert json.loads(models.get("l")[0])["owner"] == "two"
    free.join()
