"""The record of every prediction: shipped through Firehose, read back from S3.

Each record is one JSON line: prediction_id, predicted_at, model_version, churn_probability, and
`customer`, the values as they were given. Firehose gathers them under `inference/YYYY/MM/DD/HH/`
in the log bucket, by the hour (UTC) at which they arrived.
"""

import gzip
import logging
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from evergreen.store import aws, keys
from evergreen.store.ahead import ahead
from evergreen.store.s3 import Bucket, Entry
from evergreen.store.times import is_time

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient

Record = dict[str, Any]
"""Its first field is prediction_id."""

HOUR = timedelta(hours=1)
"""What an object is named by."""

_RECORD_BYTES = 1_000 * 1_024  # the limit of one record
_BATCH_RECORDS = 4  # of these, which is the limit of a call
_GZIP = b"\x1f\x8b"

logger = logging.getLogger(__name__)


def client() -> "FirehoseClient":
    """Make a client that gives up fast: the answer to the customer waits for it.

    It tries once. Whether there is time for another try is for the `Shipper` to know.
    """
    config = Config(
        connect_timeout=0.5,  # for each address of the service
        read_timeout=2,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=40,  # as many as a server has threads for requests
    )
    made: FirehoseClient = aws.client("firehose", config=config)
    return made


@dataclass(frozen=True, slots=True)
class Shipper:
    """Sends records to a Firehose stream, and hands on those that it could not send."""

    firehose: "FirehoseClient"
    stream: str
    undelivered: Callable[[Sequence[bytes]], None]
    """What to do with the lines that Firehose did not take; shipping itself never fails."""
    patience: float = 2.0
    """So many seconds after it was asked to ship it begins no other call."""
    pause: float = 0.1
    """So many seconds later what was refused is sent again, once."""

    def ship(self, records: Sequence[Record]) -> None:
        """Send records; each ends in the stream or in `undelivered`.

        Those of one request are lines of the same Firehose record, which counts for a multiple of
        5 KB however small it is.
        """
        end = time.monotonic() + self.patience
        packs = _packed(_lines(records))
        failed = [pack for pack in packs if len(pack) > _RECORD_BYTES]
        fitting = [pack for pack in packs if len(pack) <= _RECORD_BYTES]
        for batch in batched(fitting, _BATCH_RECORDS, strict=False):
            refused = self._put(batch, end)
            if refused and time.monotonic() + self.pause < end:
                time.sleep(self.pause)
                refused = self._put(refused, end)
            failed += refused
        if failed:
            self.undelivered([line for pack in failed for line in pack.splitlines(keepends=True)])

    def _put(self, packs: Sequence[bytes], end: float) -> Sequence[bytes]:
        """Send lines, unless it is too late to begin, and return those that were not taken."""
        if time.monotonic() >= end:
            return packs
        try:
            answer = self.firehose.put_record_batch(
                DeliveryStreamName=self.stream, Records=[{"Data": pack} for pack in packs]
            )
        except (BotoCoreError, ClientError) as error:
            lines = sum(pack.count(b"\n") for pack in packs)
            logger.warning("Firehose did not take %d records: %s", lines, error)
            return packs
        if not answer["FailedPutCount"]:
            return []
        results = answer["RequestResponses"]
        return [pack for pack, r in zip(packs, results, strict=True) if r.get("ErrorCode")]


def read(bucket: Bucket, window: timedelta, now: datetime) -> Iterator[list[Record]]:
    """Read the records of a window of time that ends now, object by object, each as one list.

    They are told by when they were predicted, so a read that is repeated later is the same.
    """
    start = now - window
    for records in arrivals(bucket, start - HOUR, now + HOUR):
        found = [r for r in records if start <= datetime.fromisoformat(r["predicted_at"]) <= now]
        if found:
            yield found


def arrivals(bucket: Bucket, since: datetime, until: datetime) -> Iterator[list[Record]]:
    """Read what is in the objects of some hours, each as one list.

    What is no record (a delivery cut short, a foreign object) is passed over. Arguments as of
    `listed`.
    """
    for key, text in texts(bucket, (entry.key for entry in listed(bucket, since, until))):
        yield records(key, text.splitlines())


def listed(bucket: Bucket, since: datetime, until: datetime) -> Iterator[Entry]:
    """List the objects of some hours.

    Firehose names an object by the hour in which the first of its records arrived. Others in it
    may have come in the next hour, and any may have been predicted earlier.

    Args:
        bucket: the log.
        since: within the first of these hours.
        until: within the hour after the last one.

    """
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    first, end = keys.inference_hour(since), keys.inference_hour(until)
    for day in range((until.date() - since.date()).days + 1):
        for entry in bucket.list(keys.inference_day(since + timedelta(days=day))):
            if first <= entry.key < end:
                yield entry


def texts(bucket: Bucket, objects: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Read objects by their keys: each with what it says, which is nothing if it can't be read."""
    for key, (content, _) in ahead(bucket.get, objects):
        yield key, _text(key, content)


def records(key: str, lines: Iterable[bytes]) -> list[Record]:
    """Read lines of an object; those that are no records are passed over."""
    found = []
    for line in lines:
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None
        if _is_record(record):
            found.append(record)
        else:
            logger.warning("passed over %d bytes of %s that are no record", len(line), key)
    return found


def _text(key: str, content: bytes) -> bytes:
    if not content.startswith(_GZIP):
        return content
    try:
        return _gunzipped(content)
    except (OSError, EOFError, zlib.error) as error:
        logger.warning("passed over %s: %s", key, error)
        return b""


def _gunzipped(content: bytes) -> bytes:
    """Decompress an object; what is one member, as most are, in one step.

    It ends with the size of what was compressed last, and nothing is compressed to less than a
    thousandth.
    """
    size = int.from_bytes(content[-4:], "little")
    if content.find(_GZIP + b"\x08", 1) < 0 and size < 1_032 * len(content):
        text = zlib.decompress(content, zlib.MAX_WBITS | 16, size)
        if len(text) == size:
            return text
    return gzip.decompress(content)


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and is_time(record.get("predicted_at"))
        and isinstance(record.get("model_version"), str)
        and isinstance(record.get("churn_probability"), float | int)
        and isinstance(record.get("customer"), dict)
    )


def _lines(records: Sequence[Record]) -> bytes:
    """Write records as lines, all at once.

    They are written as a list and then cut where one ends and the next begins. Nothing else in a
    list looks like that: what follows the quote at the end of a text is no letter, and one within
    a text has a backslash before it.
    """
    if not records:
        return b""
    lines = orjson.dumps(records).replace(b'},{"prediction_id":', b'}\n{"prediction_id":')
    return b"".join((memoryview(lines)[1:-1], b"\n"))  # without the brackets


def _packed(lines: bytes) -> list[bytes]:
    """Share lines out, as many as a Firehose record may have; one that is longer is alone."""
    packs = []
    start, size = 0, len(lines)
    while start < size:
        end = size
        if size - start > _RECORD_BYTES:
            end = lines.rfind(b"\n", start, start + _RECORD_BYTES) + 1
            end = end or lines.index(b"\n", start) + 1
        packs.append(lines[start:end])
        start = end
    return packs
