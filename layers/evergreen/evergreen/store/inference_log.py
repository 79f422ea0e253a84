"""The record of every prediction: shipped through Firehose, read back from S3.

Each record is one JSON line: prediction_id, predicted_at, model_version, churn_probability, and
`customer`, the values as they were given. Firehose gathers them under `inference/YYYY/MM/DD/HH/`
in the log bucket, by the hour (UTC) at which they arrived.
"""

import gzip
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from evergreen.store import keys
from evergreen.store.s3 import Bucket, Entry

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient

Record = dict[str, Any]

_BATCH_RECORDS, _BATCH_BYTES = 500, 4_000_000  # the limits of PutRecordBatch, less a margin
_PREFETCH = 16  # objects in memory at a time
_GZIP = b"\x1f\x8b"

logger = logging.getLogger(__name__)


def client() -> "FirehoseClient":
    """Make a client that gives up fast: the answer to the customer waits for it."""
    config = Config(
        connect_timeout=1,
        read_timeout=2,
        retries={"mode": "standard", "max_attempts": 2},
        max_pool_connections=40,  # as many as a server has threads for requests
    )
    return boto3.client("firehose", config=config)


@dataclass(frozen=True, slots=True)
class Shipper:
    """Sends records to a Firehose stream, and hands on those that it could not send."""

    firehose: "FirehoseClient"
    stream: str
    undelivered: Callable[[Sequence[bytes]], None]
    """What to do with the lines that Firehose did not take; shipping itself never fails."""

    def ship(self, records: Sequence[Record]) -> None:
        """Send records; each ends in the stream or in `undelivered`."""
        for lines in _batches(records):
            failed = self._put(lines)
            if failed:
                failed = self._put(failed)
            if failed:
                self.undelivered(failed)

    def _put(self, lines: list[bytes]) -> list[bytes]:
        """Send lines and return those that were refused."""
        try:
            answer = self.firehose.put_record_batch(
                DeliveryStreamName=self.stream, Records=[{"Data": line} for line in lines]
            )
        except (BotoCoreError, ClientError):
            return lines
        if not answer["FailedPutCount"]:
            return []
        results = answer["RequestResponses"]
        return [line for line, r in zip(lines, results, strict=True) if r.get("ErrorCode")]


def read(bucket: Bucket, window: timedelta, now: datetime) -> Iterator[list[Record]]:
    """Read the records of a window of time that ends now, object by object, each as one list.

    What is no record (a delivery cut short, a foreign object) is passed over, and so are records
    from outside the window, so that a check which is repeated later reads the same.
    """
    start = (now - window).astimezone(UTC)
    hour = start.replace(minute=0, second=0, microsecond=0)
    oldest, newest = start.isoformat(), now.astimezone(UTC).isoformat()

    def get(entry: Entry) -> bytes:
        return bucket.get(entry.key)[0]

    with ThreadPoolExecutor(_PREFETCH) as pool:  # S3's latency, not ours, is what it costs
        while hour <= now:
            for entries in batched(bucket.list(keys.inference_hour(hour)), _PREFETCH, strict=False):
                for entry, content in zip(entries, pool.map(get, entries), strict=True):
                    found = _parse(entry.key, content)
                    records = [r for r in found if oldest <= r["predicted_at"] <= newest]
                    if records:
                        yield records
            hour += timedelta(hours=1)


def _parse(key: str, content: bytes) -> Iterator[Record]:
    for line in _text(key, content).splitlines():
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None
        if _is_record(record):
            yield record
        else:
            logger.warning("passed over %d bytes of %s that are no record", len(line), key)


def _text(key: str, content: bytes) -> bytes:
    """Return what an object says, compressed or not; nothing where it can't be read."""
    if not content.startswith(_GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        logger.warning("passed over %s: %s", key, error)
        return b""


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("predicted_at"), str)
        and isinstance(record.get("model_version"), str)
        and isinstance(record.get("churn_probability"), float | int)
        and isinstance(record.get("customer"), dict)
    )


def _batches(records: Sequence[Record]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for record in records:
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        if batch and (len(batch) == _BATCH_RECORDS or size + len(line) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield batch
