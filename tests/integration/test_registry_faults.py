"""What the registry and the lock make of a bucket in which somebody, or a fault, has meddled."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from evergreen.errors import ConflictError, NoModelError
from evergreen.jobs.answering.champion import Champion
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


def died_before_noting(registry: Registry, version: Artifact, promoted: Pointer) -> Pointer:
    """Move to a second version, of which the history knows nothing."""
    registry.publish(another(version, "b").manifest, version.files)
    pointer = registry.promote("b", seen=promoted, reason="better")
    registry.bucket.delete(pointer.move.key)
    return pointer


def test_a_move_that_was_made_counts_though_its_mover_died_before_noting_it(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    pointer = died_before_noting(registry, version, promoted)
    moves = [pointer.move, promoted.move]
    assert [*registry.history(pointer)] == registry.latest(2, pointer) == moves
    registry.settle(pointer)
    assert [*registry.history()] == [*registry.history(pointer)] == moves


def test_a_pointer_that_is_no_longer_the_last_does_not_pass_for_the_latest_move(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    registry.publish(another(version, "b").manifest, version.files)
    newer = registry.promote("b", seen=promoted, reason="better")
    assert registry.latest(2, promoted) == [newer.move, promoted.move]
    assert registry.latest(1, promoted) == [newer.move]


def test_the_latest_moves_cost_no_more_where_the_pointer_is_known(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    pointer = died_before_noting(registry, version, promoted)
    calls: list[str] = []
    registry.bucket.s3.meta.events.register(
        "before-call.s3", lambda model, **_: calls.append(model.name)
    )
    registry.latest(2, pointer)
    assert sorted(calls) == ["GetObject", "ListObjectsV2"]


def test_a_pointer_with_a_time_that_is_none_is_one_that_cannot_be_read(
    registry: Registry, promoted: Pointer
) -> None:
    spoilt = replace(promoted.move, moved_at="yesterday")
    registry.bucket.put(keys.POINTER, spoilt.to_bytes())
    assert registry.pointer().move == promoted.move


def test_going_back_from_an_older_version_that_had_waited_is_a_rollback(
    registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    seen = promoted
    for name in ("20260301T000000Z-c", "20260201T000000Z-b"):  # b waited while c was promoted
        registry.publish(another(version, name).manifest, version.files)
        seen = registry.promote(name, seen=seen, reason="better")
        assert seen.move.kind == "promotion"
    back = registry.promote("20260301T000000Z-c", seen=seen, reason="it was not")
    assert back.move.kind == "rollback"
    assert [*registry.succession(back)] == ["20260301T000000Z-c", promoted.version]
    again = registry.promote("20260201T000000Z-b", seen=back, reason="it was")
    assert again.move.kind == "promotion"


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
