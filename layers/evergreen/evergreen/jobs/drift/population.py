"""Who was predicted for in a window of time: each customer once, by the latest prediction."""

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from evergreen.customers.json_cells import microseconds
from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import CorruptModelError, NotFoundError, SchemaError
from evergreen.jobs.drift.log_rows import CUSTOMER, LogRows, version_id
from evergreen.jobs.drift.pieces import Gathered, KeptPieces, Piece, over
from evergreen.models import artifact
from evergreen.models.reference import Reference
from evergreen.statistics.baseline import Baseline, Counts
from evergreen.statistics.distinct import Latest, Rows
from evergreen.store import inference_log
from evergreen.store.decoding import Cutter
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket, Entry

MOST = 100_000
"""So many customers are looked at; beyond that a random sample of them stands for all."""

Times = npt.NDArray[np.int64]
"""In microseconds since 1970."""

_DAY = timedelta(days=1)
_HOUR = inference_log.HOUR  # objects are named by the one in which their first record came


class Population:
    """The customers of a window that may grow back, read from the inference log.

    What it says of a window depends neither on how the log is cut into objects, nor on the order in
    which they are read, nor on whether the window grew.
    """

    def __init__(
        self, registry: Registry, champion: Reference, until: datetime, starts: Sequence[datetime]
    ) -> None:
        """Start with nobody.

        Args:
            registry: says what other models than the champion knew.
            champion: by whose schema customers are read.
            until: the end of the window.
            starts: when it may begin, as `starts` lists it.

        """
        self.until = until
        self._registry, self._champion = registry, champion
        self._starts = starts
        self._place = 0
        """Which of them the window has."""
        self._within = np.zeros(len(starts), np.int64)
        """Of the records read those within each window, but not within those before."""
        self._versions: list[str] = []
        self._known: dict[np.uint64, npt.NDArray[np.bool_]] = {}
        self._cutter = Cutter(CUSTOMER)
        self._reader = LogRows(champion.schema, until, self._note)
        self._latest = Latest(self._reader.dtype, MOST)

    def gather(self, logs: Bucket, enough: int, kept: KeptPieces | None = None) -> None:
        """Read the log, and let the window grow back until there are enough customers.

        Args:
            logs: where the log is.
            enough: so many customers.
            kept: what stands for some of it; what else is read is kept for the next time.

        """
        self._read(logs, kept)
        while self.customers < enough and self.grow():
            self._read(logs, kept)

    def _read(self, logs: Bucket, kept: KeptPieces | None) -> None:
        more = objects(logs, self.until, self._starts, self._place)
        if kept is None:
            self.add(logs, (entry.key for entry in more))
            return
        for piece, known in kept.read(more, self._reader.dtype):
            if known and self._countable(known):
                self._take(known)
                continue
            found = self._gathered(logs, piece)
            if found and not known and over(piece, self.until):
                kept.keep(piece, found)

    def _gathered(self, logs: Bucket, piece: Piece) -> Gathered | None:
        """Read a piece, and return what to keep of it; None if that is nothing, or not all."""
        latest, later = Latest(self._reader.dtype, MOST), self._reader.later
        times = [np.empty(0, np.int64)]
        for rows in self._rows(logs, (entry.key for entry in piece)):
            self._count(rows["at"])
            latest.add(rows)
            times.append(rows["at"])
        rows, made = latest.rows, np.concatenate(times)
        self._latest.add(rows, latest.halvings)
        if not len(made) or self._reader.later > later:
            return None
        names = {int(version_id(version)): version for version in self._versions}
        return Gathered(
            rows=rows,
            halvings=latest.halvings,
            records=len(made),
            first=int(made.min()),
            last=int(made.max()),
            versions=[names[number] for number in np.unique(rows["version"]).tolist()],
        )

    def grow(self) -> bool:
        """Let the window begin earlier; False where it is as large as it may be."""
        if self._place + 1 == len(self._starts):
            return False
        self._place += 1
        return True

    def add(self, logs: Bucket, objects: Iterable[str]) -> None:
        """Read objects of the log."""
        for rows in self._rows(logs, objects):
            self._count(rows["at"])
            self._latest.add(rows)

    def _rows(self, logs: Bucket, objects: Iterable[str]) -> Iterator[Rows]:
        """Yield what objects of the log hold, not a whole one at once."""
        for key, text in inference_log.texts(logs, objects):
            for found, others in self._cutter.blocks(text):
                for lines in found:
                    rows, odd = self._reader.of_lines(lines)
                    yield rows
                    others += lines.whole(odd)
                if others:
                    yield self._reader.of_records(inference_log.records(key, others))

    def to_bytes(self) -> bytes:
        """Return what was gathered, to be put together with the rest."""
        out = io.BytesIO()
        np.savez_compressed(
            out,
            allow_pickle=False,
            rows=self._latest.rows,
            halvings=np.array(self._latest.halvings),
            within=self._within,
            versions=np.array(self._versions, dtype=np.str_),
        )
        return out.getvalue()

    def merge(self, content: bytes) -> None:
        """Put together with what was gathered elsewhere: by the same champion, of the same time."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            self._latest.add(arrays["rows"], int(arrays["halvings"]))
            self._within += arrays["within"]
            for version in map(str, arrays["versions"]):
                self._note(version)

    def _count(self, times: Times) -> None:
        """Count records by when they were made."""
        self._within += np.bincount(self._places(times), minlength=len(self._within) + 1)[:0:-1]

    def _places(self, times: Times | int) -> npt.NDArray[np.intp]:
        """Tell in how many of the windows that there may be a time is."""
        earliest = [microseconds(start) for start in reversed(self._starts)]
        return np.asarray(np.searchsorted(earliest, times, side="right"))

    def _countable(self, kept: Gathered) -> bool:
        """Whether all records of a piece are in the same windows, and none was made later."""
        alike = self._places(kept.first) == self._places(kept.last)
        return bool(alike) and kept.last <= microseconds(self.until)

    def _take(self, kept: Gathered) -> None:
        """Take what was gathered of a piece."""
        if place := int(self._places(kept.last)):
            self._within[-place] += kept.records
        self._latest.add(kept.rows, kept.halvings)
        for version in kept.versions:
            self._note(version)

    @property
    def start(self) -> datetime:
        """When the window begins."""
        return self._starts[self._place]

    @property
    def records(self) -> int:
        """How many records of predictions are in the window; one that came twice counts twice."""
        return int(self._within[: self._place + 1].sum())

    @property
    def customers(self) -> int:
        """How many customers there are, at most `MOST`."""
        return len(self._rows_within())

    @property
    def sampled(self) -> float:
        """The share of all customers that these are: 1, or that of a random sample."""
        return self._latest.share

    @property
    def predicted_churn(self) -> float | None:
        """The mean of what was answered for these customers; None where there are none."""
        scores = self._rows_within()["score"]
        return float(scores.mean()) if len(scores) else None

    def count(self, baseline: Baseline) -> Counts:
        """Count each customer by the latest prediction, as the model knew it that made it."""
        rows = self._rows_within()
        own = rows["version"] == version_id(self._champion.version)
        return baseline.count(rows["features"], rows["score"][own], self.known)

    @property
    def matrix(self) -> Matrix:
        """These customers as rows, shape (customers, features), by the latest prediction each."""
        return np.asarray(self._rows_within()["features"])

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """For each value of `matrix` whether the model that was asked knew the feature."""
        versions = self._rows_within()["version"]
        known = np.ones((len(versions), len(self._champion.schema.features)), np.bool_)
        for version, features in self._known.items():
            if not features.all():
                known[versions == version] = features
        return known

    def _rows_within(self) -> Rows:
        """Of whom the latest prediction is in the window: all who have any there."""
        rows = self._latest.rows
        within = rows["at"] >= microseconds(self.start)
        return rows if within.all() else rows[within]

    def _note(self, version: str) -> None:
        """Find out what a version knew, once."""
        if version in self._versions:
            return
        self._versions.append(version)
        names = self._schema_of(version).feature_names
        mine = self._champion.schema.feature_names
        self._known[version_id(version)] = np.array([name in names for name in mine], np.bool_)

    def _schema_of(self, version: str) -> Schema:
        """Return what a version was trained with or, where it is gone, the champion's."""
        try:
            found = self._registry.fetch(version, (artifact.SCHEMA,)).verify()
            return Schema.parse(found.files[artifact.SCHEMA])
        except (NotFoundError, CorruptModelError, SchemaError):
            return self._champion.schema


def starts(
    now: datetime, window: timedelta, max_window: timedelta, earliest: datetime
) -> list[datetime]:
    """List when a window that ends now may begin: the latest first, each but the last a day apart.

    It never begins before `earliest`.
    """
    limit = min(now, max(earliest, now - max(window, max_window)))
    found = [max(limit, now - window)]
    while found[-1] > limit:
        found.append(max(limit, found[-1] - _DAY))
    return found


def objects(
    logs: Bucket, until: datetime, starts: Sequence[datetime], place: int
) -> Iterator[Entry]:
    """List what is read for a window that begins at one of its `starts`, and for none before."""
    end = starts[place - 1] - _HOUR if place else until + _HOUR
    return inference_log.listed(logs, starts[place] - _HOUR, end)
