"""The predictions of each day in short: who, when, how likely, and where the record lies.

An index holds what the objects of one day of the log hold, and is made anew where their listing has
changed: of the objects that it does not know yet. So it follows from the log alone, whoever made
it, in whatever order. Most of its predictions were made on that day, a few on the day before or
after, and those that were replayed on any day before. `PredictionsIndex.days` puts every prediction
to its own day.
"""

import hashlib
import io
import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import orjson

from evergreen.customers.identity import identities
from evergreen.customers.schema import Schema
from evergreen.customers.value import AMOUNTS
from evergreen.errors import NotFoundError
from evergreen.store import keys
from evergreen.store.ahead import ahead
from evergreen.store.inference_log import Record, texts
from evergreen.store.s3 import Bucket, Entry
from evergreen.store.times import DAY, microseconds_of, time_of

Rows = npt.NDArray[np.void]

_FORMAT = "1"  # of what is stored; another one is made anew
_AHEAD = 4  # indexes that are read while one is worked on


def hashed(prediction_id: str) -> int:
    """Return the id of a prediction as indexes have it, 64 bits."""
    digest = blake2b(prediction_id.strip().lower().encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def row_type(amounts: int) -> np.dtype[np.void]:
    """Return the type of a prediction, with so many amounts that are at stake."""
    fields: list[tuple[Any, ...]] = [
        ("identity", np.uint64),
        ("at", np.int64),
        ("id", np.uint64),
        ("version", np.uint32),
        ("score", np.float64),
        ("object", np.uint32),
        ("line", np.uint32),
        ("amounts", np.float32, (amounts,)),
    ]
    return np.dtype(fields)


@dataclass(frozen=True, slots=True)
class Day:
    """The predictions that were made on one day (UTC)."""

    number: int
    """From 1970 on."""
    rows: Rows
    """Each once, in order of `identity`, `at` and `id`. `version` is a place in
    `PredictionsIndex.versions`, `object` one in `PredictionsIndex.objects`."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What the objects of one day of the log hold; `version` and `object` are places in these."""

    rows: Rows
    versions: tuple[str, ...]
    objects: tuple[tuple[str, str], ...]
    """The keys and ETags of all objects, in order of their keys."""

    def to_bytes(self, signature: str) -> bytes:
        about = {"signature": signature, "versions": self.versions, "objects": self.objects}
        columns = {name: self.rows[name] for name in self.rows.dtype.names or ()}
        out = io.BytesIO()
        columns["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez_compressed(out, **columns)  # type: ignore[arg-type]
        return out.getvalue()

    @classmethod
    def parse(cls, content: bytes, signature: str, dtype: np.dtype[np.void]) -> Self | None:
        """Read a stored index; None where it was made for another schema, or is none."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                about = json.loads(stored["about"].tobytes())
                if about["signature"] != signature:
                    return None
                rows = np.empty(len(stored["identity"]), dtype)
                for name in dtype.names or ():
                    rows[name] = stored[name]
            objects = tuple((key, etag) for key, etag in about["objects"])
            return cls(rows, tuple(about["versions"]), objects)
        except (KeyError, TypeError, ValueError, OSError, EOFError, BadZipFile, zlib.error):
            return None


class PredictionsIndex:
    """All predictions, day by day."""

    def __init__(self, logs: Bucket, schema: Schema) -> None:
        """Look at nothing yet.

        Args:
            logs: the log bucket, where indexes lie as well.
            schema: says who a customer is and which of the fields are amounts at stake.

        """
        self.versions: list[str] = []
        """The names of model versions, of the days that were read."""
        self.objects: list[str] = []
        """The keys of objects, likewise."""
        self._logs, self._schema = logs, schema
        self._stakes = stakes(schema)
        self._dtype = row_type(len(self._stakes))
        self._signature = self._sign()
        self._places: dict[str, int] = {}

    def days(self, first: int, last: int) -> Iterator[Day]:
        """Return the predictions of some days, the latest day first, each when it is asked for.

        Args:
            first: the number of the first day.
            last: that of the last; it is looked for its predictions up to the day after.

        """
        made: dict[int, list[Rows]] = defaultdict(list)
        arrived = range(last + 1, first - 2, -1)
        for number, (entries, stored) in ahead(self._look, arrived, _AHEAD):
            part = self._part(number, entries, stored)
            if part is not None and len(part.rows):
                for day, rows in _by_day(self._shared(part)):
                    made[day].append(rows)
            # an object that was begun on a day may have the first ones of the next
            if first <= number + 1 <= last:
                found = made.pop(number + 1, [])
                rows = np.concatenate([np.empty(0, self._dtype), *found])
                yield Day(number + 1, _once(rows))

    def records(self, rows: Rows) -> Iterator[tuple[int, Record]]:
        """Read the records of some predictions, each with its place in `rows`, in any order."""
        order = np.argsort(rows["object"], kind="stable")
        numbers, starts = np.unique(rows["object"][order], return_index=True)
        groups = np.split(order, starts[1:])
        objects = [self.objects[number] for number in numbers.tolist()]
        for places, (_, text) in zip(groups, texts(self._logs, objects), strict=False):
            lines = text.splitlines()
            for place in places.tolist():
                yield place, orjson.loads(lines[int(rows["line"][place])])

    def _sign(self) -> str:
        """What an index depends on beside the log: how the schema reads keys and amounts."""
        schema = self._schema
        names = {*schema.primary_key, *(schema.feature_names[place] for place in self._stakes)}
        fields = [field for field in schema.document["fields"] if field["name"] in names]
        stated = [_FORMAT, fields, schema.document.get("missingValues"), schema.primary_key]
        stated.append([schema.feature_names[place] for place in self._stakes])
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()

    def _look(self, number: int) -> tuple[list[Entry], _Part | None]:
        """List the objects of a day of the log, and read the index that there is."""
        day = time_of(number * DAY)
        entries = list(self._logs.list(keys.inference_day(day)))
        if not entries:
            return entries, None
        try:
            content = self._logs.get(keys.predictions_index(day))[0]
        except NotFoundError:
            return entries, None
        return entries, _Part.parse(content, self._signature, self._dtype)

    def _part(self, number: int, entries: list[Entry], stored: _Part | None) -> _Part | None:
        """Return the index of a day of the log, made up to date and kept."""
        if not entries:
            return None
        objects = tuple((entry.key, entry.etag) for entry in entries)
        if stored and stored.objects == objects:
            return stored
        part = self._made(objects, stored or _Part(np.empty(0, self._dtype), (), ()))
        key = keys.predictions_index(time_of(number * DAY))
        content = part.to_bytes(self._signature)
        self._logs.put(key, content, "application/octet-stream")
        return part

    def _made(self, objects: tuple[tuple[str, str], ...], stored: _Part) -> _Part:
        """Make an index of what one knows of these objects, and of the others themselves."""
        place = {entry: number for number, entry in enumerate(objects)}
        now_at = np.array([place.get(entry, -1) for entry in stored.objects], np.int64)
        kept = stored.rows[now_at[stored.rows["object"]] >= 0] if len(now_at) else stored.rows
        kept["object"] = now_at[kept["object"]] if len(kept) else kept["object"]
        versions = {version: number for number, version in enumerate(stored.versions)}
        parts, known = [kept], set(stored.objects)
        new = {key: number for (key, etag), number in place.items() if (key, etag) not in known}
        for key, text in texts(self._logs, new):
            parts.append(self._rows(text, versions))
            parts[-1]["object"] = new[key]
        return _Part(np.concatenate(parts), tuple(versions), objects)

    def _rows(self, content: bytes, versions: dict[str, int]) -> Rows:
        """Read the records of an object."""
        lines, records, times, ids = [], [], [], []
        for number, line in enumerate(content.splitlines()):
            try:
                record = orjson.loads(line)
                at = microseconds_of(record["predicted_at"])
                fits = (
                    isinstance(record["model_version"], str)
                    and 0 <= record["churn_probability"] <= 1
                    and isinstance(record["customer"], dict)
                )
            except (KeyError, TypeError, ValueError):
                continue  # what is no record is passed over, as the drift check does
            if fits:
                told = record.get("prediction_id")
                ids.append(hashed(told if isinstance(told, str) else line.decode()))
                lines.append(number)
                records.append(record)
                times.append(at)
        rows = np.empty(len(records), self._dtype)
        customers = [record["customer"] for record in records]
        columns = _Columns(customers, {*self._schema.primary_key, *self._schema.feature_names})
        rows["identity"] = identities(self._schema, columns, len(customers))
        rows["at"], rows["id"], rows["line"] = times, np.array(ids, np.uint64), lines
        rows["score"] = [record["churn_probability"] for record in records]
        for record in records:
            versions.setdefault(record["model_version"], len(versions))
        rows["version"] = [versions[record["model_version"]] for record in records]
        for column, place in enumerate(self._stakes):
            feature = self._schema.features[place]
            values = np.array(feature.codes(columns[feature.name]), np.float64)
            rows["amounts"][:, column] = np.where(np.isfinite(values), values, np.nan)
        return rows

    def _shared(self, part: _Part) -> Rows:
        """Let the places in a part's own lists be places in those of all parts."""
        versions = np.array([self._place(version) for version in part.versions], np.uint32)
        rows = part.rows
        rows["version"] = versions[rows["version"]]
        rows["object"] += len(self.objects)
        self.objects += [key for key, _ in part.objects]
        return rows

    def _place(self, version: str) -> int:
        if version not in self._places:
            self._places[version] = len(self.versions)
            self.versions.append(version)
        return self._places[version]


class _Columns(Mapping[str, Sequence[object]]):
    """The fields of customers, each put together when it is asked for: most never are."""

    def __init__(self, customers: Sequence[Mapping[str, object]], names: Collection[str]) -> None:
        self._customers, self._names = customers, names

    def __getitem__(self, name: str) -> Sequence[object]:
        return [customer.get(name) for customer in self._customers]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def stakes(schema: Schema) -> list[int]:
    """Return the places of the features that are amounts at stake, as `Value` has them."""
    value = schema.campaign.value
    stated = [getattr(value, name) for name in AMOUNTS] if value else []
    return sorted({amount for amount in stated if isinstance(amount, int)})


def _by_day(rows: Rows) -> Iterator[tuple[int, Rows]]:
    days = rows["at"] // DAY
    for day in np.unique(days).tolist():
        yield day, rows[days == day]


def _once(rows: Rows) -> Rows:
    """Return each prediction once: a record that was sent again is in the log twice."""
    order = np.lexsort((rows["score"], rows["identity"], rows["at"], rows["id"]))
    rows = rows[order]
    first = np.ones(len(rows), np.bool_)
    first[1:] = rows["id"][1:] != rows["id"][:-1]
    rows = rows[first]
    return rows[np.lexsort((rows["id"], rows["at"], rows["identity"]))]
