"""What became of customers, in the log bucket: one JSON line each, by the day it was received."""

import gzip
import logging
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any, TypeGuard

import orjson

from evergreen.customers import files
from evergreen.customers.outcomes import Outcome as Outcome
from evergreen.store import keys
from evergreen.store.s3 import Bucket
from evergreen.store.times import is_time

_PREFETCH = 16  # objects in memory at a time

logger = logging.getLogger(__name__)


def write(logs: Bucket, received_at: datetime, name: str, outcomes: Sequence[Outcome]) -> str:
    """Keep outcomes that were received together, and return their key.

    The same name on the same day (UTC) is the same object: what is there stays as it is.
    """
    key = keys.outcomes(received_at.astimezone(UTC), name)
    lines = [orjson.dumps(outcome, option=orjson.OPT_APPEND_NEWLINE) for outcome in outcomes]
    logs.put_once(key, files.packed(lines), "application/gzip")
    return key


def read(logs: Bucket, since: datetime, until: datetime) -> Iterator[list[Outcome]]:
    """Read the outcomes of all days from one to another, both included, object by object.

    What is no outcome (a foreign object, a line that was cut) is passed over.
    """
    first, last = since.astimezone(UTC), until.astimezone(UTC)

    def get(key: str) -> bytes:
        return logs.get(key)[0]

    with ThreadPoolExecutor(_PREFETCH) as pool:  # S3's latency, not ours, is what it costs
        for day in range((last.date() - first.date()).days + 1):
            listed = logs.list(keys.outcomes_day(first + timedelta(days=day)))
            for some in batched((entry.key for entry in listed), _PREFETCH, strict=False):
                for key, content in zip(some, pool.map(get, some), strict=True):
                    yield [*_parse(key, content)]


def withdraw(logs: Bucket, received_at: datetime, name: str) -> None:
    """Remove the outcomes of a day whose names begin so."""
    prefix = f"{keys.outcomes_day(received_at.astimezone(UTC))}{name}"
    for entry in [*logs.list(prefix)]:
        logs.delete(entry.key)


def _parse(key: str, content: bytes) -> Iterator[Outcome]:
    try:
        lines = gzip.decompress(content).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        logger.warning("passed over %s: %s", key, error)
        return
    for line in lines:
        try:
            outcome = orjson.loads(line)
        except orjson.JSONDecodeError:
            outcome = None
        if _is_outcome(outcome):
            yield outcome
        else:
            logger.warning("passed over %d bytes of %s that are no outcome", len(line), key)


def _is_outcome(found: Any) -> TypeGuard[Outcome]:
    return (
        isinstance(found, dict)
        and isinstance(found.get("churned"), bool)
        and is_time(found.get("received_at"))
        and is_time(found.get("observed_at"))
        and (isinstance(found.get("prediction_id"), str) or _is_key(found.get("key")))
    )


def _is_key(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
