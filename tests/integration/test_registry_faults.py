"""What the registry and the lock make of a bucket in which somebody, or a fault, has meddled."""

from datetime import UTC, datetime, timedelta

import pytest

from evergreen.errors import ConflictError, NoModelError
from evergreen.jobs.champion import Champion
from evergreen.models.artifact import ONNX, Artifact
from evergreen.store import keys, lock
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket

from .conftest import another

MINUTE = timedelta(minutes=1)


def test_a_version_that_is_complete_is_not_written_over(
    registry: Registry, version: Artifact
) -> None:
    registry.publish(version.manifest, version.files)
    with pytest.raises(ConflictError):
        registry.publish(version.manifest, {**version.files, ONNX: b"another"})
    registry.fetch(version.manifest.version, version.files).verify()


def test_a_version_that_was_left_half_published_can_be_published_again(
    registry: Registry, version: Artifact
) -> None:
    registry.bucket.put(keys.model_file(version.manifest.version, ONNX), b"half")
    registry.publish(version.manifest, version.files)
    registry.fetch(version.manifest.version, version.files).verify()


def test_a_foreign_object_among_the_versions_is_no_version(
    registry: Registry, version: Artifact
) -> None:
    registry.publish(version.manifest, version.files)
    registry.bucket.put("models/readme.txt", b"hands off")
    registry.bucket.put("models/notes/readme.txt", b"hands off")
    assert [m.version for m in registry.manifests()] == [version.manifest.version]


def test_one_manifest_that_cannot_be_read_hides_no_other(
    registry: Registry, version: Artifact
) -> None:
    registry.publish(version.manifest, version.files)
    registry.bucket.put(keys.model_file("20250101T000000Z-0", keys.MANIFEST), b"nonsense")
    assert [m.version for m in registry.manifests()] == [version.manifest.version]


def test_one_move_that_cannot_be_read_hides_no_other(registry: Registry, promoted: Pointer) -> None:
    registry.bucket.put(f"{keys.PROMOTIONS}notes.json", b"nonsense")
    assert [move.version for move in registry.history()] == [promoted.version]


def test_a_cold_start_on_a_pointer_that_cannot_be_read_serves_the_last_that_was_promoted(
    registry: Registry, promoted: Pointer
) -> None:
    registry.bucket.put(keys.POINTER, b"nonsense")
    assert Champion(registry, MINUTE, lambda: 0.0).model().version == promoted.version


def test_a_cold_start_passes_over_as_many_corrupt_versions_as_there_are(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    seen = promoted
    for name in ("b", "c", "d"):
        registry.publish(another(version, name).manifest, version.files)
        seen = registry.promote(name, seen=seen, reason="broken")
        registry.bucket.delete(keys.model_file(name, ONNX))
    assert Champion(registry, MINUTE, lambda: 0.0).model().version == promoted.version


def test_a_cold_start_while_s3_is_away_is_an_error_that_passes(
    registry: Registry, promoted: Pointer
) -> None:
    class Away(Registry):
        def pointer(self) -> Pointer:
            raise ConnectionError("S3 is away")

    champion = Champion(Away(registry.bucket), MINUTE, lambda: 0.0)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            champion.model()
    champion.registry = registry
    assert champion.model().version == promoted.version


def test_where_the_pointer_was_deleted_the_model_in_memory_serves_on(
    registry: Registry, promoted: Pointer
) -> None:
    times = iter((0.0, 60.0))
    champion = Champion(registry, MINUTE, lambda: next(times))
    champion.model()
    registry.bucket.delete(keys.POINTER)
    assert champion.model().version == promoted.version
    with pytest.raises(NoModelError):
        Champion(registry, MINUTE, lambda: 0.0).model()


def test_the_history_of_moves_is_newest_first(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    seen = promoted
    for name in ("b", "c"):
        registry.publish(another(version, name).manifest, version.files)
        seen = registry.promote(name, seen=seen, reason="better")
    moves = list(registry.history())
    assert [move.version for move in moves] == ["c", "b", promoted.version]
    assert [move.previous for move in moves] == ["b", promoted.version, None]
    times = [datetime.fromisoformat(move.moved_at) for move in moves]
    assert times == sorted(times, reverse=True)
    assert times[0] <= datetime.now(UTC)


def test_a_job_does_not_fail_because_its_lock_was_cleared_away(models: Bucket) -> None:
    with lock.hold(models, "l", "one", MINUTE):
        models.delete("l")
    with lock.hold(models, "l", "two", MINUTE):
        pass


def test_a_lock_that_expired_is_left_to_its_new_holder(models: Bucket) -> None:
    with lock.hold(models, "l", "slow", -MINUTE):
        next_holder = lock.hold(models, "l", "next", MINUTE)
        next_holder.__enter__()
    with pytest.raises(ConflictError, match="next holds"), lock.hold(models, "l", "third", MINUTE):
        pass
    next_holder.__exit__(None, None, None)


@pytest.mark.parametrize("note", [b"", b"nonsense", b"{}", b'{"owner": "x", "until": "soon"}'])
def test_a_lock_that_cannot_be_read_holds_nobody_up(models: Bucket, note: bytes) -> None:
    models.put("l", note)
    with lock.hold(models, "l", "one", MINUTE):
        pass


def test_folders_are_told_apart_from_objects(models: Bucket) -> None:
    for key in ("a/2/x", "a/1/x", "a/1/y", "a/x", "b/x"):
        models.put(key, b"")
    assert list(models.folders("a/")) == ["1", "2"]
    assert list(models.folders("c/")) == []
