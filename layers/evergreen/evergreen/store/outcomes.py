"""What became of customers, in the log bucket: one JSON line each, by the day it was received.

Who tells of one customer at a time makes an object each time, and of these a day may have more than
can be got one by one. So what its small objects hold is kept once more in an index, one line for
each of them. The listing of the day says what of that still holds, and what is not there yet is
added by whoever reads the day next.
"""

import gzip
import io
import logging
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeGuard

import orjson

from evergreen.customers import files
from evergreen.customers.outcomes import Outcome as Outcome
from evergreen.errors import NotFoundError
from evergreen.store import keys
from evergreen.store.ahead import ahead
from evergreen.store.s3 import Bucket
from evergreen.store.times import is_time

_AT_ONCE = 10_000  # outcomes
_FEW = 64  # objects of a day that are got one by one rather than put into its index
_SMALL = 100_000  # bytes

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
    """Read the outcomes of all days from one to another, both included, some thousands at a time.

    What is no outcome (a foreign object, a line that was cut) is passed over.
    """
    first, last = since.astimezone(UTC), until.astimezone(UTC)
    indexes = {entry.key for entry in logs.list(keys.OUTCOMES_INDEX)}
    some: list[Outcome] = []
    for day in range((last.date() - first.date()).days + 1):
        for found in _of_day(logs, first + timedelta(days=day), indexes):
            some += found
            if len(some) >= _AT_ONCE:
                yield some
                some = []
    if some:
        yield some


def withdraw(logs: Bucket, received_at: datetime, name: str) -> None:
    """Remove the outcomes of a day whose names begin so."""
    prefix = f"{keys.outcomes_day(received_at.astimezone(UTC))}{name}"
    for entry in [*logs.list(prefix)]:
        logs.delete(entry.key)


def _of_day(logs: Bucket, day: datetime, indexes: Container[str]) -> Iterator[list[Outcome]]:
    """Read the outcomes of a day object by object, by its index where it has or needs one."""
    entries = list(logs.list(keys.outcomes_day(day)))
    small = {entry.key: entry.etag for entry in entries if entry.size < _SMALL}
    index = keys.outcomes_index(day)
    if index in indexes or len(small) > _FEW:
        yield from _by_index(logs, index, small)
    else:
        small = {}
    for _, found in _got(logs, [entry.key for entry in entries if entry.key not in small]):
        yield found


def _by_index(logs: Bucket, index: str, objects: Mapping[str, str]) -> Iterator[list[Outcome]]:
    """Read objects, given their ETags, and keep what of them is worth it where they are read next.

    What was withdrawn is kept no longer.
    """
    new, stale = dict(objects), False
    packed = _get(logs, index) or b""
    for line in _unpacked(packed):
        if line and new.get(line[0]) == line[1]:
            del new[line[0]]
            yield line[2]
        else:
            stale = True
    added = io.BytesIO()
    with gzip.GzipFile(fileobj=added, mode="wb", mtime=0) as file:
        for key, found in _got(logs, new):
            file.write(_line(key, objects[key], found))
            yield found
    if stale:
        held = objects.items() - new.items()
        lines = (line for line in _unpacked(packed) if line and line[:2] in held)
        packed = files.packed(_line(*line) for line in lines)
    if stale or len(new) > _FEW:
        logs.put(index, packed + added.getvalue(), "application/gzip")


def _got(logs: Bucket, wanted: Iterable[str]) -> Iterator[tuple[str, list[Outcome]]]:
    """Read objects, each with its key; those that were withdrawn meanwhile are passed over."""
    for key, content in ahead(partial(_get, logs), wanted):
        if content is not None:
            yield key, [*_parse(key, content)]


def _get(logs: Bucket, key: str) -> bytes | None:
    try:
        return logs.get(key)[0]
    except NotFoundError:
        return None


def _line(key: str, etag: str, found: list[Outcome]) -> bytes:
    """Write what an object holds as an index has it."""
    return orjson.dumps((key, etag, found), option=orjson.OPT_APPEND_NEWLINE)


def _unpacked(packed: bytes) -> Iterator[tuple[str, str, list[Outcome]] | None]:
    """Read an index: for each object its key, its ETag and the outcomes; None where it is cut."""
    try:
        with gzip.open(io.BytesIO(packed)) as lines:
            for line in lines:
                key, etag, found = orjson.loads(line)
                yield key, etag, found
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        logger.warning("an index of outcomes is made anew: %s", error)
        yield None


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
