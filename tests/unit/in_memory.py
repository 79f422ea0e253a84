"""A bucket without S3: what is put lies in a mapping, in memory or wherever that keeps it."""

import hashlib
import io
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from evergreen.store.s3 import Bucket

MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


class InMemory:
    """As much of an S3 client as a bucket without versions needs."""

    def __init__(self, objects: MutableMapping[str, bytes]) -> None:
        self.objects = objects
        self.read: list[str] = []
        """The keys of the objects that were got."""

    def get_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        if Key not in self.objects:
            raise refusal("NoSuchKey", 404)
        self.read.append(Key)
        content = self.objects[Key]
        return {"Body": io.BytesIO(content), "ETag": etag(content)}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **condition: Any) -> dict[str, Any]:
        found = self.objects.get(Key)
        wanted = condition.get("IfMatch")
        if "IfNoneMatch" in condition and found is not None:
            raise refusal("PreconditionFailed", 412)
        if wanted and (found is None or etag(found) != wanted):
            raise refusal("PreconditionFailed", 412)
        self.objects[Key] = Body
        return {"ETag": etag(Body)}

    def delete_object(self, Bucket: str, Key: str) -> None:
        self.objects.pop(Key, None)

    def get_paginator(self, _: str) -> "InMemory":
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        yield {
            "Contents": [
                {
                    "Key": key,
                    "ETag": etag(self.objects[key]),
                    "Size": len(self.objects[key]),
                    "LastModified": MODIFIED,
                }
                for key in sorted(self.objects)
                if key.startswith(Prefix)
            ]
        }


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def refusal(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "an operation")


def bucket(objects: MutableMapping[str, bytes] | None = None) -> Bucket:
    """Return a bucket of its own."""
    return Bucket(InMemory({} if objects is None else objects), "in-memory")  # type: ignore[arg-type]
