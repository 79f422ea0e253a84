"""The end of the inference log, as it grows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from evergreen.store import inference_log, keys
from evergreen.store.inference_log import HOUR, Record
from evergreen.store.s3 import Bucket, Entry

_BACK = 48  # hours that are looked through for the newest records


@dataclass(slots=True)
class Tail:
    """Reads the newest objects of the log, each once; what is no record is passed over."""

    logs: Bucket
    _seen: set[str] = field(default_factory=set)

    def newest(self, count: int, now: datetime) -> list[Record]:
        """Return the newest records, the latest last; fewer where there are fewer of late."""
        found: list[Record] = []
        for back in range(_BACK):
            entries = [*self.logs.list(keys.inference_hour(now - back * HOUR))]
            self._seen.update(entry.key for entry in entries)
            for records in self._read(sorted(entries, key=_modified, reverse=True)):
                if len(found) >= count:
                    break
                found += records
            if len(found) >= count and back:  # the hour before the first may have later ones
                break
        return sorted(found, key=_time)[-count:] if count else []

    def more(self, now: datetime) -> Iterator[Record]:
        """Return what has been added since."""
        for hour in (now - HOUR, now):
            listed = self.logs.list(keys.inference_hour(hour))
            fresh = [entry for entry in listed if entry.key not in self._seen]
            self._seen.update(entry.key for entry in fresh)
            for records in self._read(sorted(fresh, key=_modified)):
                yield from sorted(records, key=_time)

    def _read(self, entries: Iterable[Entry]) -> Iterator[list[Record]]:
        for key, text in inference_log.texts(self.logs, (entry.key for entry in entries)):
            yield inference_log.records(key, text.splitlines())


def _time(record: Record) -> str:
    return str(record["predicted_at"])


def _modified(entry: Entry) -> datetime:
    return entry.modified
