"""A lock in a bucket, so that one job runs at a time; it expires with the job's time limit."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from evergreen.errors import BusyError, ConflictError, NotFoundError
from evergreen.store.s3 import Bucket


@contextmanager
def hold(
    bucket: Bucket, key: str, owner: str, limit: timedelta, patience: timedelta = timedelta()
) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        bucket: where the lock lies.
        key: its key.
        owner: who holds it, for people who look.
        limit: after so long it counts as left behind by a job that died.
        patience: how long to wait for it to become free.

    Raises:
        BusyError: somebody else holds it.

    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            etag = _take(bucket, key, _note(owner, datetime.now(UTC) + limit))
            break
        except ConflictError as error:
            if time.monotonic() >= deadline:
                raise BusyError(str(error)) from error
            time.sleep(0.2)
    try:
        yield
    finally:
        with suppress(ConflictError, NotFoundError):  # it expired, or was cleared away
            bucket.replace(key, _note(owner, datetime.now(UTC)), etag)


def _take(bucket: Bucket, key: str, note: bytes) -> str:
    try:
        held, etag = bucket.get(key)
    except NotFoundError:
        return bucket.create(key, note)
    try:
        found = json.loads(held)
        owner, until = found["owner"], datetime.fromisoformat(found["until"])
    except (KeyError, TypeError, ValueError):
        owner, until = "nobody", datetime.min.replace(tzinfo=UTC)  # no note of ours
    if until > datetime.now(UTC):
        raise ConflictError(f"{owner} holds {key} until {until.isoformat()}")
    return bucket.replace(key, note, etag)


def _note(owner: str, until: datetime) -> bytes:
    return json.dumps({"owner": owner, "until": until.isoformat()}).encode()
