"""The AWS that the scenarios meet: as much of it as they use, answered from memory.

A fault at every call of every scenario is thousands of runs, so a call must cost microseconds and
the whole account must be put back in no time. `test_memory.py` holds the answers against moto's.
"""

import hashlib
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of an object."""

    content: bytes
    content_type: str
    version: str = field(default_factory=lambda: f"version-{next(_numbers):06}")
    modified: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


Objects = dict[str, tuple[Stored | None, ...]]
"""The versions of every key, the newest last; None: it was deleted."""


@dataclass(slots=True)
class Memory:
    """An account: its buckets, a Firehose stream, an event bus and a state machine."""

    buckets: dict[str, Objects] = field(default_factory=dict)
    unversioned: set[str] = field(default_factory=set)
    streamed: list[bytes] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    executions: dict[str, str] = field(default_factory=dict)
    """Name → input."""
    unfinished: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Multipart uploads: id → parts."""

    def copy(self) -> "Memory":
        return Memory(
            {name: dict(objects) for name, objects in self.buckets.items()},
            set(self.unversioned),
            list(self.streamed),
            list(self.events),
            dict(self.executions),
            {name: dict(parts) for name, parts in self.unfinished.items()},
        )

    def empty(self) -> "Memory":
        return Memory({name: {} for name in self.buckets}, set(self.unversioned))

    def contents(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """What is in a bucket, without any call."""
        return {
            key: versions[-1].content
            for key, versions in sorted(self.buckets[bucket].items())
            if versions[-1] and key.startswith(prefix)
        }

    def answer(self, client: Any, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """Do what a client asks for; raises what botocore would."""
        found: dict[str, Any] = getattr(self, f"_{operation}")(client, **given)
        return found

    # ------------------------------------------------------------ S3

    def _GetObject(self, _: Any, Bucket: str, Key: str, **given: Any) -> dict[str, Any]:
        found = self._found("GetObject", Bucket, Key, given)
        start, end = 0, len(found.content)
        if wanted := given.get("Range"):
            first, last = wanted.removeprefix("bytes=").split("-")
            start, end = int(first), min(end, int(last) + 1) if last else end
        body = found.content[start:end]
        answer = self._described(Bucket, found, len(body))
        return answer | {"Body": StreamingBody(io.BytesIO(body), len(body))}

    def _HeadObject(self, _: Any, Bucket: str, Key: str, **given: Any) -> dict[str, Any]:
        found = self._found("HeadObject", Bucket, Key, given)
        return self._described(Bucket, found, len(found.content))

    def _PutObject(
        self, _: Any, Bucket: str, Key: str, Body: Any, ContentType: str, **given: Any
    ) -> dict[str, Any]:
        content = Body if isinstance(Body, bytes) else Body.read()
        return self._write("PutObject", Bucket, Key, Stored(content, ContentType), given)

    def _DeleteObject(self, _: Any, Bucket: str, Key: str, **given: Any) -> dict[str, Any]:
        current = self._current(Bucket, Key)
        if wanted := given.get("IfMatch"):
            if current is None:
                raise refusal("DeleteObject", "NoSuchKey", 404)
            if current.etag != wanted:
                raise refusal("DeleteObject", "PreconditionFailed", 412)
        objects = self.buckets[Bucket]
        if Bucket in self.unversioned:
            objects.pop(Key, None)
        else:
            objects[Key] = (*objects.get(Key, ()), None)
        return {}

    def _ListObjectsV2(
        self, _: Any, Bucket: str, Prefix: str, Delimiter: str = "", **_given: Any
    ) -> dict[str, Any]:
        contents, folders = [], dict[str, None]()
        for key, versions in sorted(self.buckets[Bucket].items()):
            found = versions[-1]
            if found is None or not key.startswith(Prefix):
                continue
            name, slash, _rest = key.removeprefix(Prefix).partition(Delimiter or "\0")
            if Delimiter and slash:
                folders[f"{Prefix}{name}{slash}"] = None
            else:
                contents.append(
                    {
                        "Key": key,
                        "ETag": found.etag,
                        "Size": len(found.content),
                        "LastModified": found.modified,
                    }
                )
        listed: dict[str, Any] = {"IsTruncated": False}
        listed |= {"Contents": contents} if contents else {}
        return listed | ({"CommonPrefixes": [{"Prefix": f} for f in folders]} if folders else {})

    def _CreateMultipartUpload(self, _: Any, **_given: Any) -> dict[str, Any]:
        upload = f"upload-{next(_numbers):06}"
        self.unfinished[upload] = {}
        return {"UploadId": upload}

    def _UploadPart(
        self, _: Any, UploadId: str, PartNumber: int, Body: bytes, **_given: Any
    ) -> dict[str, Any]:
        self._parts("UploadPart", UploadId)[PartNumber] = Body
        return {"ETag": Stored(Body, "").etag}

    def _UploadPartCopy(
        self,
        _: Any,
        UploadId: str,
        PartNumber: int,
        CopySource: dict[str, str],
        CopySourceIfMatch: str,
        CopySourceRange: str = "bytes=0-",
        **_given: Any,
    ) -> dict[str, Any]:
        parts = self._parts("UploadPartCopy", UploadId)
        condition = {"IfMatch": CopySourceIfMatch}
        found = self._found("UploadPartCopy", CopySource["Bucket"], CopySource["Key"], condition)
        first, last = CopySourceRange.removeprefix("bytes=").split("-")
        parts[PartNumber] = found.content[int(first) : int(last) + 1 if last else None]
        return {"CopyPartResult": {"ETag": Stored(parts[PartNumber], "").etag}}

    def _CompleteMultipartUpload(
        self, _: Any, Bucket: str, Key: str, UploadId: str, **given: Any
    ) -> dict[str, Any]:
        parts = self._parts("CompleteMultipartUpload", UploadId)
        whole = Stored(b"".join(parts[number] for number in sorted(parts)), "")
        answer = self._write("CompleteMultipartUpload", Bucket, Key, whole, given)
        del self.unfinished[UploadId]
        return answer

    def _AbortMultipartUpload(self, _: Any, UploadId: str, **_given: Any) -> dict[str, Any]:
        self._parts("AbortMultipartUpload", UploadId)
        del self.unfinished[UploadId]
        return {}

    def _parts(self, operation: str, upload: str) -> dict[int, bytes]:
        if upload not in self.unfinished:
            raise refusal(operation, "NoSuchUpload", 404)
        return self.unfinished[upload]

    def _current(self, bucket: str, key: str) -> Stored | None:
        versions = self.buckets[bucket].get(key, ())
        return versions[-1] if versions else None

    def _found(self, operation: str, bucket: str, key: str, given: dict[str, Any]) -> Stored:
        versions = self.buckets[bucket].get(key, ())
        found = versions[-1] if versions else None
        if wanted := given.get("VersionId"):
            found = next((each for each in versions if each and each.version == wanted), None)
        if found is None:
            code = "404" if operation == "HeadObject" else "NoSuchKey"
            raise refusal(operation, code, 404)
        if given.get("IfMatch", found.etag) != found.etag:
            raise refusal(operation, "PreconditionFailed", 412)
        if given.get("IfNoneMatch") == found.etag:
            raise refusal(operation, "304", 304)
        return found

    def _write(
        self, operation: str, bucket: str, key: str, new: Stored, given: dict[str, Any]
    ) -> dict[str, Any]:
        current = self._current(bucket, key)
        if given.get("IfNoneMatch") == "*" and current:
            raise refusal(operation, "PreconditionFailed", 412)
        if wanted := given.get("IfMatch"):
            if current is None:
                raise refusal(operation, "NoSuchKey", 404)
            if current.etag != wanted:
                raise refusal(operation, "PreconditionFailed", 412)
        objects = self.buckets[bucket]
        if bucket in self.unversioned:
            objects[key] = (new,)
            return {"ETag": new.etag}
        objects[key] = (*objects.get(key, ()), new)
        return {"ETag": new.etag, "VersionId": new.version}

    def _described(self, bucket: str, found: Stored, size: int) -> dict[str, Any]:
        versioned = {} if bucket in self.unversioned else {"VersionId": found.version}
        return versioned | {
            "ETag": found.etag,
            "ContentLength": size,
            "LastModified": found.modified,
            "ContentType": found.content_type,
            "Metadata": {},
        }

    # ------------------------------------------------------------ the others

    def _PutRecordBatch(
        self, _: Any, DeliveryStreamName: str, Records: list[dict[str, bytes]]
    ) -> dict[str, Any]:
        self.streamed += [line for record in Records for line in record["Data"].splitlines(True)]
        return {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "1"} for _ in Records]}

    def _PutEvents(self, _: Any, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.events += Entries
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}

    def _StartExecution(
        self, client: Any, stateMachineArn: str, name: str, input: str
    ) -> dict[str, Any]:
        if name in self.executions:
            raise client.exceptions.ExecutionAlreadyExists(
                _response("ExecutionAlreadyExists", 400), "StartExecution"
            )
        self.executions[name] = input
        return {"executionArn": f"{stateMachineArn}:{name}"}


def refusal(operation: str, code: str, status: int) -> ClientError:
    """An answer of AWS that says no."""
    return ClientError(_response(code, status), operation)


def _response(code: str, status: int) -> Any:
    return {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
