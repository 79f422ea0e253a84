"""S3 as a folder: what the store asks of it, without a network in between."""

import io
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import ClientError

from evergreen.store.s3 import Bucket


def bucket(folder: Path) -> Bucket:
    """Return the bucket whose objects are the files of a folder."""
    return Bucket(cast("Any", _Folder(folder)), folder.name)


class _Folder:
    """A client of S3 that knows one bucket, and writers only one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_object(self, Bucket: str, Key: str, **condition: str) -> dict[str, Any]:
        try:
            content = (self._folder / Key).read_bytes()
        except OSError:
            raise _refused(404, "NoSuchKey") from None
        etag = _etag(content)
        if condition.get("IfNoneMatch") == etag:
            raise _refused(304, "NotModified")
        return {"Body": io.BytesIO(content), "ETag": etag}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **condition: str) -> dict[str, Any]:
        file = self._folder / Key
        if "IfNoneMatch" in condition and file.exists():
            raise _refused(412, "PreconditionFailed")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(Body)
        return {"ETag": _etag(Body)}

    def get_paginator(self, operation: str) -> "_Folder":
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[dict[str, Any]]:
        start = self._folder / Prefix.rpartition("/")[0]
        files = sorted(file for file in start.rglob("*") if file.is_file())
        found = ((file, file.relative_to(self._folder).as_posix()) for file in files)
        named = [(file, key) for file, key in found if key.startswith(Prefix)]
        if Delimiter:
            folders = {key[len(Prefix) :].partition("/")[0] for _, key in named if "/" in key}
            yield {"CommonPrefixes": [{"Prefix": f"{Prefix}{name}/"} for name in sorted(folders)]}
        else:
            yield {"Contents": [_entry(file, key) for file, key in named]}


def _entry(file: Path, key: str) -> dict[str, Any]:
    known = file.stat()
    modified = datetime.fromtimestamp(known.st_mtime, UTC)
    return {"Key": key, "ETag": '"0"', "Size": known.st_size, "LastModified": modified}


def _etag(content: bytes) -> str:
    return f'"{zlib.crc32(content):08x}"'


def _refused(status: int, code: str) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "any")
