"""A lock in a bucket, so that one job runs at a time; it expires with the job's time limit.

It belongs to its owner, not to the process: a repetition of a job that was killed has the same
owner, and takes the lock anew at once, where others wait until it expires.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from evergreen.errors import BusyError, ConflictError, NotFoundError
from evergreen.store.s3 import Bucket


@dataclass(frozen=True, slots=True)
class Note:
    """Who holds a lock, or held it last."""

    owner: str
    since: datetime
    """When this owner first took it, whatever it was repeated for."""
    until: datetime

    @classmethod
    def parse(cls, content: bytes) -> "Note | None":
        """Read a stored note; None where it is none of ours."""
        try:
            found = json.loads(content)
            since, until = map(datetime.fromisoformat, (found["since"], found["until"]))
            return cls(str(found["owner"]), since.astimezone(UTC), until.astimezone(UTC))
        except (KeyError, TypeError, ValueError):
            return None

    def to_bytes(self) -> bytes:
        """Return the note as it is stored."""
        times = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return json.dumps({"owner": self.owner, **times}).encode()


@contextmanager
def hold(
    bucket: Bucket, key: str, owner: str, limit: timedelta, patience: timedelta = timedelta()
) -> Iterator[datetime]:
    """Hold a lock while the block runs, and tell it since when its owner has been at this.

    Args:
        bucket: where the lock lies.
        key: its key.
        owner: who holds it: a name that nobody but a repetition of the same job has.
        limit: after so long it counts as left behind by a job that died.
        patience: how long to wait for it to become free.

    Raises:
        BusyError: somebody else holds it.

    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            note, etag = _take(bucket, key, owner, limit)
            break
        except ConflictError as error:
            if time.monotonic() >= deadline:
                raise BusyError(str(error)) from error
            time.sleep(0.2)
    try:
        yield note.since
    finally:
        free = Note(owner, note.since, datetime.now(UTC))
        with suppress(ConflictError, NotFoundError):  # it expired, or was cleared away
            bucket.replace(key, free.to_bytes(), etag)


def _take(bucket: Bucket, key: str, owner: str, limit: timedelta) -> tuple[Note, str]:
    now = datetime.now(UTC)
    note = Note(owner, now, now + limit)
    try:
        content, etag = bucket.get(key)
    except NotFoundError:
        return note, bucket.create(key, note.to_bytes())
    held = Note.parse(content)
    if held and held.owner == owner:
        note = Note(owner, held.since, note.until)
    elif held and held.until > now:
        raise ConflictError(f"{held.owner} holds {key} until {held.until.isoformat()}")
    return note, bucket.replace(key, note.to_bytes(), etag)
