"""Records that Firehose did not take, put into the inference log after all.

They lie where Firehose would have put them, under the hour of their prediction. However often it is
done, and for whatever time, a record is written once: what an earlier replay wrote stays, and is
not written again. (One that Firehose took without our learning of it is there twice, which no
reader minds: a customer counts once.)
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from evergreen.customers import files
from evergreen.store import inference_log, keys
from evergreen.store.s3 import Bucket

TOGETHER = 20_000
"""So many records are in one object at the most."""

Find = Callable[[datetime, datetime], Iterable[str | None]]
"""Returns the records that were kept from one time to another; None for one that is spoilt."""


@dataclass(slots=True)
class Replay:
    """What came of it."""

    found: int = 0
    """Records, each counted once."""
    spoilt: int = 0
    """What can't be read any more."""
    present: int = 0
    """Those of `found` that an earlier replay has written."""
    written: int = 0
    """The others; where nothing is to be changed, those that would be written."""
    objects: list[str] = field(default_factory=list)
    """The keys of what was written, or would be."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def replay(
    logs: Bucket, find: Find, since: datetime, until: datetime, *, dry_run: bool = False
) -> Replay:
    """Write the records that were kept within a time into the inference log.

    Memory holds those of one hour.
    """
    told = Replay()
    start = since
    while start < until:
        end = min(start + inference_log.HOUR, until)
        for hour, lines in sorted(_by_hour(find(start, end), told).items()):
            _add(logs, hour, lines, told, dry_run=dry_run)
        start = end
    return told


def _by_hour(records: Iterable[str | None], told: Replay) -> Mapping[datetime, dict[str, str]]:
    """Sort records by the hour of their prediction and by their ids."""
    hours: defaultdict[datetime, dict[str, str]] = defaultdict(dict)
    for text in records:
        try:
            record = json.loads(text or "")
            at = datetime.fromisoformat(record["predicted_at"]).astimezone(UTC)
            name = str(record["prediction_id"])
        except (KeyError, TypeError, ValueError):
            told.spoilt += 1
            continue
        hour = at.replace(minute=0, second=0, microsecond=0)
        hours[hour][name] = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    return hours


def _add(
    logs: Bucket, hour: datetime, lines: dict[str, str], told: Replay, *, dry_run: bool
) -> None:
    present = lines.keys() & set(_present(logs, hour))
    missing = sorted(lines.keys() - present)
    told.found += len(lines)
    told.present += len(present)
    told.written += len(missing)
    for names in batched(missing, TOGETHER, strict=False):
        text = "".join(f"{lines[name]}\n" for name in names).encode()
        key = keys.replayed_records(hour, hashlib.sha256(text).hexdigest()[:32])
        told.objects.append(key)
        if not dry_run:
            logs.put(key, files.packed([text]), "application/gzip")


def _present(logs: Bucket, hour: datetime) -> Iterator[str]:
    """Name the records of an hour that were replayed before."""
    written = (entry.key for entry in logs.list(keys.replayed(hour)))
    for key, text in inference_log.texts(logs, written):
        for record in inference_log.records(key, text.splitlines()):
            yield str(record["prediction_id"])
