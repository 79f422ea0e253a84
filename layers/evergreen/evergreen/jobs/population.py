"""Who was predicted for in a window of time: each customer once, by the latest prediction."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from evergreen.customers.identity import identities
from evergreen.customers.schema import Schema
from evergreen.errors import CorruptModelError, NotFoundError, SchemaError
from evergreen.models import artifact
from evergreen.models.reference import Reference
from evergreen.statistics.baseline import Baseline, Counts
from evergreen.statistics.distinct import KEY, Latest, Rows
from evergreen.store import inference_log
from evergreen.store.inference_log import Record
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

MOST = 100_000
"""So many customers are looked at; beyond that a random sample of them stands for all."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Population:
    """The customers of a window that may grow back, read from the inference log.

    What it says of a window depends neither on how the log is cut into objects, nor on the order in
    which they are read, nor on whether the window grew.
    """

    def __init__(self, registry: Registry, champion: Reference, until: datetime) -> None:
        """Start with nobody.

        Args:
            registry: says what other models than the champion knew.
            champion: by whose schema customers are read.
            until: the end of the window.

        """
        self.start = until
        self.records = 0
        """How many predictions were made in the window."""
        self._registry, self._champion, self._until = registry, champion, until
        self._unread = until + inference_log.HOUR  # where the part of the log begins that was read
        self._earlier: list[npt.NDArray[np.int64]] = []
        self._versions: dict[str, int] = {}
        self._known: list[npt.NDArray[np.bool_]] = []
        features = ("features", np.float32, (len(champion.schema.features),))
        self._dtype = np.dtype([*KEY, ("version", np.int64), ("score", np.float64), features])
        self._latest = Latest(self._dtype, MOST)

    def read(self, logs: Bucket, start: datetime) -> None:
        """Let the window begin at an earlier time, and read what that adds to it."""
        since = start - inference_log.HOUR  # objects are named by when their first record arrived
        for records in inference_log.arrivals(logs, since, self._unread):
            rows = self._rows(records)
            self._latest.add(rows)
            self._earlier.append(rows["at"])
        self.start, self._unread = start, since
        times = np.concatenate([np.empty(0, np.int64), *self._earlier])
        within = times >= _microseconds(start)
        self.records += int(within.sum())
        self._earlier = [times[~within]]

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
        known = np.array(self._known, dtype=np.bool_).reshape(
            -1, len(self._champion.schema.features)
        )
        own = rows["version"] == self._versions.get(self._champion.version, -1)
        return baseline.count(rows["features"], rows["score"][own], known[rows["version"]])

    def _rows_within(self) -> Rows:
        """Of whom the latest prediction is in the window: all who have any there."""
        rows = self._latest.rows
        return rows[rows["at"] >= _microseconds(self.start)]

    def _rows(self, records: Sequence[Record]) -> Rows:
        """Encode records by the champion's schema, apart from those of the future."""
        timed = [(r, datetime.fromisoformat(r["predicted_at"])) for r in records]
        timed = [(record, at) for record, at in timed if at <= self._until]
        records = [record for record, _ in timed]
        schema = self._champion.schema
        names = {*schema.feature_names, *schema.primary_key}
        columns = {name: [r["customer"].get(name) for r in records] for name in names}
        rows = np.empty(len(records), dtype=self._dtype)
        rows["identity"] = identities(schema, columns, len(records))
        rows["at"] = [_microseconds(at) for _, at in timed]
        rows["id"] = [str(record.get("prediction_id")) for record in records]
        rows["version"] = [self._place(record["model_version"]) for record in records]
        rows["score"] = [record["churn_probability"] for record in records]
        rows["features"] = schema.encode(columns, len(records)).matrix
        return rows

    def _place(self, version: str) -> int:
        """Number the versions, and find out what each of them knew."""
        if version not in self._versions:
            names = self._schema_of(version).feature_names
            mine = self._champion.schema.feature_names
            self._known.append(np.array([name in names for name in mine], dtype=np.bool_))
            self._versions[version] = len(self._versions)
        return self._versions[version]

    def _schema_of(self, version: str) -> Schema:
        """Return what a version was trained with or, where it is gone, the champion's."""
        try:
            found = self._registry.fetch(version, (artifact.SCHEMA,)).verify()
            return Schema.parse(found.files[artifact.SCHEMA])
        except (NotFoundError, CorruptModelError, SchemaError):
            return self._champion.schema


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND
