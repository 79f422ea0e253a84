"""One S3 bucket, with the writes that depend on what is there and errors that say so."""

import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import botocore
from botocore.config import Config
from botocore.exceptions import ClientError

from evergreen.errors import ConflictError, NotFoundError, SettingsError
from evergreen.store import aws, ranges
from evergreen.store.multipart import THREADS, MultipartUpload
from evergreen.store.refusals import FAULTS as FAULTS
from evergreen.store.refusals import explained, status, unchanged

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OLDEST = "1.35.69"
"""Of botocore, which comes with Lambda's runtime. Before it, writes could not say If-Match."""

_AT_ONCE = 64 * ranges.MIB  # what is larger is uploaded in parts …
_PART = 16 * ranges.MIB  # … of this size …
_UPLOADS = 8  # … so many at once


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as a listing shows it."""

    key: str
    etag: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an object without its content."""

    version: str
    """Names exactly this content, for `Bucket.read`: a version id, or the ETag where the bucket
    keeps no versions."""
    etag: str
    size: int
    modified: datetime
    metadata: Mapping[str, str]
    """What was put beside the content: `x-amz-meta-reasons: 3` is `reasons` here."""


def client() -> "S3Client":
    """Make a client that fails within seconds, not minutes, where S3 is slow."""
    config = Config(
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "max_attempts": 4},
        max_pool_connections=THREADS,
    )
    return connect(config)


def connect(config: Config) -> "S3Client":
    """Make a client; raises SettingsError where its library is too old for what we ask of it."""
    if _numbers(botocore.__version__) < _numbers(OLDEST):
        raise SettingsError(
            f"botocore {botocore.__version__} is older than {OLDEST}: set the function's runtime "
            "management to Auto, so that Lambda updates its Python runtime, or put a newer boto3 "
            "into a layer"
        )
    made: S3Client = aws.client("s3", config=config)
    return made


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket by its name. Keys come from `keys`."""

    s3: "S3Client"
    name: str

    def get(self, key: str) -> tuple[bytes, str]:
        """Return an object's content and its ETag; raises NotFoundError."""
        with explained(self.name, key):
            answer = self.s3.get_object(Bucket=self.name, Key=key)
        return answer["Body"].read(), answer["ETag"]

    def get_if_changed(self, key: str, etag: str) -> tuple[bytes, str] | None:
        """Return an object unless its ETag is still the given one; raises NotFoundError."""
        try:
            with explained(self.name, key):
                answer = self.s3.get_object(Bucket=self.name, Key=key, IfNoneMatch=etag)
        except ClientError as error:
            if status(error) == 304:
                return None
            raise
        return answer["Body"].read(), answer["ETag"]

    def open(self, key: str) -> tuple[IO[bytes], str]:
        """Return a stream over an object's content and the id of that version of it.

        Where the bucket keeps no versions, the id is the ETag. Raises NotFoundError.
        """
        with explained(self.name, key):
            answer = self.s3.get_object(Bucket=self.name, Key=key)
        return answer["Body"], _version(answer)  # type: ignore[return-value]

    def head(self, key: str) -> Head:
        """Look an object up; raises NotFoundError."""
        with explained(self.name, key):
            found = self.s3.head_object(Bucket=self.name, Key=key)
        known = found["ETag"], found["ContentLength"], found["LastModified"], found["Metadata"]
        return Head(_version(found), *known)

    def read(self, key: str, version: str, start: int = 0, end: int | None = None) -> IO[bytes]:
        """Return a stream over the bytes [start, end) of exactly this version of an object.

        Raises:
            NotFoundError: that version is gone.
            ConflictError: the bucket keeps no versions, and the object was written over.

        """
        if start == end:
            return io.BytesIO()
        # an ETag stands in quotation marks, a version id never does
        of: Any = {"IfMatch": version} if version.startswith('"') else {"VersionId": version}
        if start or end is not None:
            of["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        with explained(self.name, key):
            answer = self.s3.get_object(Bucket=self.name, Key=key, **of)
        return answer["Body"]  # type: ignore[return-value]

    def put(self, key: str, content: bytes, content_type: str = "application/json") -> str:
        """Write an object and return its ETag."""
        return self._put(key, content, ContentType=content_type)

    def create(self, key: str, content: bytes) -> str:
        """Write an object that must not be there yet; raises ConflictError where it is.

        One that has this very content counts as written, also for `replace`: where the answer to a
        write is lost, boto3 writes again, and is refused by what it has written itself. Who wants
        to win over others puts something into the content that they don't have.
        """
        return self._put_if(key, content, None)

    def put_once(self, key: str, content: bytes, content_type: str) -> bool:
        """Write an object unless there is one under this key; return whether there was none.

        That takes no right to read. Raises ConflictError where somebody writes it just now.
        """
        try:
            self._put(key, content, ContentType=content_type, **_condition(None))
        except ConflictError as error:
            if isinstance(error.__cause__, ClientError) and status(error.__cause__) == 412:
                return False
            raise
        return True

    def replace(self, key: str, content: bytes, etag: str) -> str:
        """Write over an object that must still have this ETag; raises ConflictError."""
        return self._put_if(key, content, etag)

    def upload(
        self,
        key: str,
        file: Path,
        content_type: str,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write an object from a file, in parts where it is large.

        Args:
            key: of the object.
            file: its content.
            content_type: of the content.
            metadata: what to put beside it, see `Head`.

        """
        self._upload(key, file, {"ContentType": content_type, "Metadata": dict(metadata or {})}, {})

    def upload_if(self, key: str, file: Path, content_type: str, etag: str | None) -> str:
        """Write an object from a file unless somebody was faster, in parts where it is large.

        A write of our own of which the answer was lost may count as somebody else's: who is refused
        looks at what is there now.

        Args:
            key: of the object.
            file: its content.
            content_type: of the content.
            etag: what the object must still have; None: it must not be there yet.

        Returns:
            The new ETag.

        Raises:
            ConflictError: the object is no longer what it was, and is left as it is.

        """
        with unchanged(self.name, key):
            return self._upload(key, file, {"ContentType": content_type}, _condition(etag))

    def concatenate(
        self, key: str, pieces: Sequence[str], content_type: str, etag: str | None
    ) -> str:
        """Put objects of this bucket together, in order, unless somebody was faster.

        S3 itself copies the large ones; small ones pass through memory, 5 MiB at a time.

        Args:
            key: of the whole.
            pieces: the keys of what it is made of, fewer than 10,000; they may be empty.
            content_type: of the whole.
            etag: as for `upload_if`.

        Returns:
            The new ETag.

        Raises:
            NotFoundError: a piece is not there.
            ConflictError: the object is no longer what it was, and is left as it is; or a piece
                changed meanwhile.

        """

        def look(piece: str) -> ranges.Piece:
            head = self.head(piece)
            return ranges.Piece(piece, head.etag, head.size)

        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(ranges.parts(list(pool.map(look, pieces))))
        if not parts or ranges.size(parts[0]) < ranges.SMALLEST_PART:
            content = b"".join(map(self._gather, parts))
            with unchanged(self.name, key):
                return self._put(key, content, ContentType=content_type, **_condition(etag))
        contents = (
            part[0] if part[0].size >= ranges.SMALLEST_PART else partial(self._gather, part)
            for part in parts
        )
        where, described = (self.s3, self.name, key), {"ContentType": content_type}
        return MultipartUpload.write(*where, contents, described, _condition(etag), THREADS)

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        self.s3.delete_object(Bucket=self.name, Key=key)

    def delete_if(self, key: str, etag: str) -> None:
        """Remove an object that must still have this ETag; one that is not there is fine.

        Raises:
            ConflictError: it has another by now, and is left as it is.

        """
        with suppress(NotFoundError), explained(self.name, key):
            self.s3.delete_object(Bucket=self.name, Key=key, IfMatch=etag)

    def list(self, prefix: str) -> Iterator[Entry]:
        """List the objects under a prefix, in order of their keys."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for page in pages:
            for found in page.get("Contents", ()):
                yield Entry(found["Key"], found["ETag"], found["Size"], found["LastModified"])

    def folders(self, prefix: str) -> Iterator[str]:
        """List the names of the folders directly under a prefix, without slashes."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, Delimiter="/"
        )
        for page in pages:
            for found in page.get("CommonPrefixes", ()):
                yield found["Prefix"].removeprefix(prefix).rstrip("/")

    def _upload(self, key: str, file: Path, described: Any, condition: Any) -> str:
        size = file.stat().st_size
        if size <= _AT_ONCE:
            with file.open("rb") as content:
                return self._put(key, content, **described, **condition)

        def cut(start: int) -> bytes:
            with file.open("rb") as content:
                content.seek(start)
                return content.read(step)

        step = ranges.step(size, _PART)
        contents = (partial(cut, start) for start in range(0, size, step))
        where = (self.s3, self.name, key)
        return MultipartUpload.write(*where, contents, described, condition, _UPLOADS)

    def _put(self, key: str, content: bytes | IO[bytes], **described: Any) -> str:
        with explained(self.name, key):
            answer = self.s3.put_object(Bucket=self.name, Key=key, Body=content, **described)
        return answer["ETag"]

    def _put_if(self, key: str, content: bytes, etag: str | None) -> str:
        try:
            return self._put(key, content, ContentType="application/json", **_condition(etag))
        except ConflictError:
            with suppress(NotFoundError):
                found, written = self.get(key)
                if found == content:
                    return written
            raise

    def _gather(self, part: ranges.Part) -> bytes:
        """Read ranges into memory, and put them together."""
        contents = (self.read(r.piece.key, r.piece.etag, r.start, r.end) for r in part)
        return b"".join(content.read() for content in contents)


def _condition(etag: str | None) -> Any:
    """What a write demands of the object that is there: this ETag, or that there is none."""
    return {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")[:3]]


def _version(answer: Any) -> str:
    """Tell what names exactly this content: its version, or else its ETag."""
    version: str = answer.get("VersionId", "null")  # null: put before versions were kept
    return answer["ETag"] if version == "null" else version
