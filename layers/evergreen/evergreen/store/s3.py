"""One S3 bucket, with the writes that depend on what is there and errors that say so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from evergreen.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


FAULTS = (BotoCoreError, ClientError)
"""What any call of AWS may raise."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as a listing shows it."""

    key: str
    etag: str
    size: int
    modified: datetime


def client() -> "S3Client":
    """Make a client that fails within seconds, not minutes, where S3 is slow."""
    config = Config(
        connect_timeout=2, read_timeout=10, retries={"mode": "standard", "max_attempts": 4}
    )
    return boto3.client("s3", config=config)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket by its name. Keys come from `keys`."""

    s3: "S3Client"
    name: str

    def get(self, key: str) -> tuple[bytes, str]:
        """Return an object's content and its ETag; raises NotFoundError."""
        with _explained(self.name, key):
            answer = self.s3.get_object(Bucket=self.name, Key=key)
        return answer["Body"].read(), answer["ETag"]

    def get_if_changed(self, key: str, etag: str) -> tuple[bytes, str] | None:
        """Return an object unless its ETag is still the given one; raises NotFoundError."""
        try:
            with _explained(self.name, key):
                answer = self.s3.get_object(Bucket=self.name, Key=key, IfNoneMatch=etag)
        except ClientError as error:
            if _status(error) == 304:
                return None
            raise
        return answer["Body"].read(), answer["ETag"]

    def open(self, key: str) -> tuple[IO[bytes], str]:
        """Return a stream over an object's content and the id of that version of it.

        Where the bucket keeps no versions, the id is the ETag. Raises NotFoundError.
        """
        with _explained(self.name, key):
            answer = self.s3.get_object(Bucket=self.name, Key=key)
        return answer["Body"], answer.get("VersionId", answer["ETag"])  # type: ignore[return-value]

    def put(self, key: str, content: bytes, content_type: str = "application/json") -> str:
        """Write an object and return its ETag."""
        return self._put(key, content, content_type)

    def create(self, key: str, content: bytes) -> str:
        """Write an object that must not be there yet; raises ConflictError where it is."""
        return self._put(key, content, "application/json", IfNoneMatch="*")

    def replace(self, key: str, content: bytes, etag: str) -> str:
        """Write over an object that must still have this ETag; raises ConflictError."""
        return self._put(key, content, "application/json", IfMatch=etag)

    def upload(self, key: str, file: Path, content_type: str) -> None:
        """Write an object from a file, in parts where it is large."""
        self.s3.upload_file(str(file), self.name, key, ExtraArgs={"ContentType": content_type})

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        self.s3.delete_object(Bucket=self.name, Key=key)

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

    def _put(self, key: str, content: bytes, content_type: str, **condition: Any) -> str:
        with _explained(self.name, key):
            answer = self.s3.put_object(
                Bucket=self.name, Key=key, Body=content, ContentType=content_type, **condition
            )
        return answer["ETag"]


@contextmanager
def _explained(bucket: str, key: str) -> Iterator[None]:
    """Turn the two refusals that callers reckon with into our own errors."""
    try:
        yield
    except ClientError as error:
        if _status(error) == 404 and error.response["Error"]["Code"] != "NoSuchBucket":
            raise NotFoundError(f"s3://{bucket}/{key} does not exist") from error
        if _status(error) in (409, 412):
            raise ConflictError(f"s3://{bucket}/{key} was written by somebody else") from error
        raise


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
