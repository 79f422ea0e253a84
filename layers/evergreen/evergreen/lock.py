"""A lock in a bucket, so that one job runs at a time; it expires with the job's time limit."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from evergreen.errors import ConflictError, NotFoundError
from evergreen.s3 import Bucket


@contextmanager
def hold(bucket: Bucket, key: str, owner: str, limit: timedelta) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        bucket: where the lock lies.
        key: its key.
        owner: who holds it, for people who look.
        limit: after so long it counts as left behind by a job that died.

    Raises:
        ConflictError: somebody else holds it.

    """
    etag = _take(bucket, key, _note(owner, datetime.now(UTC) + limit))
    try:
        yield
    finally:
        with suppress(ConflictError):  # it expired and is somebody else's now
            bucket.replace(key, _note(owner, datetime.now(UTC)), etag)


def _take(bucket: Bucket, key: str, note: bytes) -> str:
    try:
        held, etag = bucket.get(key)
    except NotFoundError:
        return bucket.create(key, note)
    found = json.loads(held)
    if datetime.fromisoformat(found["until"]) > datetime.now(UTC):
        raise ConflictError(f"{found['owner']} holds {key} until {found['until']}")
    return bucket.replace(key, note, etag)


def _note(owner: str, until: datetime) -> bytes:
    return json.dumps({"owner": owner, "until": until.isoformat()}).encode()
