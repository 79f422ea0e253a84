"""One version of a file under `incoming/`, and the rule that results of the newest one win."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self

from evergreen.errors import ConflictError, NotFoundError, SupersededError
from evergreen.store.s3 import Bucket

logger = logging.getLogger(__name__)

_TRIES = 10
_MOST_REASONS = 10  # as in `customers.value.Campaign`
_SHOWN = 50  # characters of what was asked for


@dataclass(frozen=True, slots=True)
class Upload:
    """What was put there, and when."""

    key: str
    version: str
    """Of the object, or its ETag where the bucket keeps no versions."""
    size: int
    modified: datetime
    reasons: str | None = None
    """How many it asks for, by the metadata `reasons`, as it stands there."""

    @classmethod
    def find(cls, bucket: Bucket, key: str) -> Self:
        """Return the newest upload of this name; raises NotFoundError."""
        head = bucket.head(key)
        return cls(key, head.version, head.size, head.modified, head.metadata.get("reasons"))

    def wanted_reasons(self, stated: int) -> tuple[int, str | None]:
        """Return how many reasons each customer is given, and why it is not what was asked for.

        Args:
            stated: how many the schema gives where an upload asks for none.

        """
        asked = self.reasons
        if asked is None:
            return stated, None
        if asked.isascii() and asked.isdecimal() and int(asked) <= _MOST_REASONS:
            return int(asked), None
        told = asked if len(asked) <= _SHOWN else asked[:_SHOWN] + "…"
        return stated, (
            f"x-amz-meta-reasons is {told!r}, not a whole number from 0 to {_MOST_REASONS}:"
            f" it is taken for {stated}, as the schema has it"
        )

    @property
    def id(self) -> str:
        """A name for exactly this upload, which is fit for keys."""
        return hashlib.sha256(f"{self.key}\0{self.version}".encode()).hexdigest()[:32]

    def publish(self, bucket: Bucket, key: str, write: Callable[[str | None], object]) -> None:
        """Write a result unless a newer upload of the same name is there.

        What is written over was looked at before the upload was, and must be unchanged. So it does
        not matter which of two uploads is scored first, or ends first: a result of the older one
        never replaces one of the newer.

        Args:
            bucket: where the upload and its results are.
            key: of the result.
            write: is given the ETag that the object must still have, None where there is none; it
                raises ConflictError where that is no longer so.

        Raises:
            SupersededError: there is a newer upload, or this one was taken away.
            ConflictError: others write this result all the time.

        """
        for _ in range(_TRIES):
            etag = _etag(bucket, key)
            self.require_newest(bucket)
            try:
                write(etag)
                return
            except ConflictError as error:
                logger.info("looking again: %s", error)
        raise ConflictError(f"{key} was written by others, {_TRIES} times")

    def publish_file(
        self, bucket: Bucket, key: str, file: Path, content_type: str, *, wanted: bool
    ) -> None:
        """Write a result from a file, or remove what an earlier upload left there."""
        if wanted:
            self.publish(bucket, key, partial(bucket.upload_if, key, file, content_type))
        else:
            self.withdraw(bucket, key)

    def publish_text(self, bucket: Bucket, key: str, content: bytes) -> None:
        """Write a JSON document as a result."""

        def write(etag: str | None) -> None:
            bucket.replace(key, content, etag) if etag else bucket.create(key, content)

        self.publish(bucket, key, write)

    def withdraw(self, bucket: Bucket, key: str) -> None:
        """Remove what an earlier upload left as a result; otherwise as `publish`."""

        def remove(etag: str | None) -> None:
            if etag is not None:
                bucket.delete_if(key, etag)

        self.publish(bucket, key, remove)

    def require_newest(self, bucket: Bucket) -> None:
        """Raise SupersededError where there is a newer upload, or none at all any more."""
        try:
            newest = bucket.head(self.key).version
        except NotFoundError:
            raise SupersededError(f"{self.key} was taken away while it was scored") from None
        if newest != self.version:
            raise SupersededError(f"{self.key} was put in again while it was scored")


def _etag(bucket: Bucket, key: str) -> str | None:
    try:
        return bucket.head(key).etag
    except NotFoundError:
        return None
