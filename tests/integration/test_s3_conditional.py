"""Reading exact versions, and writes that hold only where nobody was faster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from evergreen.errors import ConflictError, NotFoundError
from evergreen.store import ranges, s3
from evergreen.store.s3 import Bucket

from .conftest import bucket

MIB = ranges.MIB
CSV = "text/csv"


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def store(request: pytest.FixtureRequest) -> Bucket:
    return bucket("evergreen-any", versioned=request.param)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger than 5 MiB goes up in parts of that size."""
    monkeypatch.setattr(s3, "_AT_ONCE", ranges.SMALLEST_PART)
    monkeypatch.setattr(s3, "_PART", ranges.SMALLEST_PART)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


def content(size: int, seed: int = 0) -> bytes:
    """Make bytes of which no two ranges of eight or more are alike."""
    return np.arange(seed, seed + size // 8 + 1, dtype=">u8").tobytes()[:size]


def pending(store: Bucket) -> Any:
    return store.s3.list_multipart_uploads(Bucket=store.name).get("Uploads", [])


def test_the_head_names_what_a_stream_holds(store: Bucket) -> None:
    store.put("a", b"one")
    head = store.head("a")
    stream, version = store.open("a")
    assert (head.version, head.etag, head.size) == (version, store.get("a")[1], 3)
    assert stream.read() == store.read("a", head.version).read() == b"one"
    with pytest.raises(NotFoundError):
        store.head("b")


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 7, b"3456"), (0, 1, b"0"), (4, 4, b"")],
)
def test_a_range_ends_before_its_end(
    store: Bucket, start: int, end: int | None, expected: bytes
) -> None:
    store.put("a", b"0123456789")
    assert store.read("a", store.head("a").version, start, end).read() == expected


def test_an_empty_object_is_read(store: Bucket) -> None:
    store.put("a", b"")
    assert store.read("a", store.head("a").version).read() == b""


def test_a_version_is_read_whatever_came_after_it() -> None:
    store = bucket("evergreen-any")
    store.put("a", b"one")
    first = store.head("a")
    store.put("a", b"other")
    assert store.read("a", first.version, 1).read() == b"ne"
    store.delete("a")
    assert store.read("a", first.version).read() == b"one"
    store.s3.delete_object(Bucket=store.name, Key="a", VersionId=first.version)
    with pytest.raises(NotFoundError):
        store.read("a", first.version)


def test_without_versions_a_range_of_other_content_is_refused() -> None:
    store = bucket("evergreen-any", versioned=False)
    store.put("a", b"one")
    first = store.head("a")
    store.put("a", b"other")
    with pytest.raises(ConflictError):
        store.read("a", first.version, 1)


def test_an_object_from_before_versions_were_kept_is_known_by_its_etag() -> None:
    store = bucket("evergreen-any", versioned=False)
    store.put("a", b"one")
    store.s3.put_bucket_versioning(Bucket=store.name, VersioningConfiguration={"Status": "Enabled"})
    head = store.head("a")
    assert head.version == head.etag
    assert store.read("a", head.version, 1).read() == b"ne"


@pytest.mark.parametrize("size", [0, 10, 5 * MIB, 12 * MIB])
@pytest.mark.usefixtures("large")
def test_a_file_is_written_where_nobody_was_faster(
    store: Bucket, file: Callable[[bytes], Path], size: int
) -> None:
    first = store.upload_if("a", file(content(size)), CSV, None)
    assert store.get("a") == (content(size), first)
    second = store.upload_if("a", file(content(size, 7) + b"!"), CSV, first)
    assert store.get("a") == (content(size, 7) + b"!", second)
    assert store.s3.head_object(Bucket=store.name, Key="a")["ContentType"] == CSV
    assert not pending(store)


@pytest.mark.parametrize("size", [10, 12 * MIB])
@pytest.mark.usefixtures("large")
def test_what_somebody_else_wrote_first_stays(
    store: Bucket, file: Callable[[bytes], Path], size: int
) -> None:
    theirs = store.put("a", b"theirs")
    with pytest.raises(ConflictError, match="s3://evergreen-any/a was written by somebody else"):
        store.upload_if("a", file(content(size)), CSV, None)
    assert store.get("a") == (b"theirs", theirs)
    assert not pending(store)


@pytest.mark.parametrize("size", [0, 10, 12 * MIB])
@pytest.mark.usefixtures("large")
def test_a_file_is_written_over_whatever_is_there(
    store: Bucket, file: Callable[[bytes], Path], size: int
) -> None:
    for _ in range(2):
        store.upload("a", file(content(size)), CSV, metadata={"reasons": "3"})
        assert store.get("a")[0] == content(size)
        assert store.head("a").metadata == {"reasons": "3"}
        assert store.s3.head_object(Bucket=store.name, Key="a")["ContentType"] == CSV
    assert not pending(store)


@pytest.mark.parametrize("size", [10, 12 * MIB])
@pytest.mark.usefixtures("large")
def test_what_s3_refuses_is_named(store: Bucket, file: Callable[[bytes], Path], size: int) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket") as refused:
        Bucket(store.s3, "nothing").upload("a", file(content(size)), CSV)
    assert "s3://nothing/a" in refused.value.__notes__


# for large files moto does not look at the ETag: tests/emulator has the same there
def test_what_somebody_else_wrote_over_or_removed_stays_so(
    store: Bucket, file: Callable[[bytes], Path]
) -> None:
    first = store.put("a", b"first")
    theirs = store.put("a", b"theirs")
    with pytest.raises(ConflictError):
        store.upload_if("a", file(b"ours"), CSV, first)
    assert store.get("a") == (b"theirs", theirs)
    store.delete("a")
    with pytest.raises(ConflictError):
        store.upload_if("a", file(b"ours"), CSV, first)
    with pytest.raises(NotFoundError):
        store.get("a")


def test_what_was_removed_may_be_written_anew(store: Bucket, file: Callable[[bytes], Path]) -> None:
    store.put("a", b"first")
    store.delete("a")
    store.upload_if("a", file(b"second"), CSV, None)
    assert store.get("a")[0] == b"second"


@pytest.mark.usefixtures("large")
def test_of_an_upload_that_fails_nothing_is_left(
    store: Bucket, file: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    send = store.s3.upload_part

    def fail(**request: Any) -> Any:
        if request["PartNumber"] == 2:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "UploadPart")
        return send(**request)

    monkeypatch.setattr(store.s3, "upload_part", fail)
    with pytest.raises(ClientError, match="SlowDown"):
        store.upload_if("a", file(content(12 * MIB)), CSV, None)
    assert not pending(store)
    with pytest.raises(NotFoundError):
        store.head("a")


def test_an_object_is_removed_if_it_is_still_what_it_was(store: Bucket) -> None:
    etag = store.put("a", b"one")
    store.put("b", b"two")
    with pytest.raises(ConflictError):
        store.delete_if("b", etag)
    assert store.get("b")[0] == b"two"
    store.delete_if("a", etag)
    with pytest.raises(NotFoundError):
        store.get("a")
    store.delete_if("a", etag)


SMALL, LARGE = 1000, 6 * MIB


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [0],
        [0, SMALL, 0],
        [SMALL] * 3,
        [LARGE],
        [SMALL, LARGE, LARGE],
        [LARGE, SMALL],
        [0, LARGE, SMALL, 0, SMALL, LARGE, 0, SMALL],
        [SMALL, 5 * MIB, 5 * MIB - 1, SMALL],
    ],
    ids=str,
)
def test_pieces_are_put_together_in_order(store: Bucket, sizes: list[int]) -> None:
    pieces = {f"pieces/{i}": content(size, i * MIB) for i, size in enumerate(sizes)}
    for key, piece in pieces.items():
        store.put(key, piece)
    whole = b"".join(pieces.values())
    etag = store.concatenate("whole", list(pieces), CSV, None)
    assert store.get("whole") == (whole, etag)
    assert store.s3.head_object(Bucket=store.name, Key="whole")["ContentType"] == CSV
    with pytest.raises(ConflictError):
        store.concatenate("whole", list(pieces), CSV, None)
    assert store.get("whole") == (whole, etag)
    assert not pending(store)


def test_a_piece_that_is_missing_leaves_nothing(store: Bucket) -> None:
    store.put("one", content(LARGE))
    with pytest.raises(NotFoundError, match="s3://evergreen-any/two does not exist"):
        store.concatenate("whole", ["one", "two"], CSV, None)
    assert not pending(store)
