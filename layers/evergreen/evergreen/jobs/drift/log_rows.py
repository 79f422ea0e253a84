"""Lines of the inference log → rows that tell whom they are of, when they were made, and the rest.

Lines that come as cells are read by column, all others as records. Both ways give the same rows.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from evergreen.customers.careful import Places
from evergreen.customers.cell_identity import identities_of_cells, quick
from evergreen.customers.features import Categorical
from evergreen.customers.identity import identities
from evergreen.customers.json_cells import (
    Cells,
    Column,
    Floats,
    Known,
    Mask,
    ids,
    microseconds,
    numbers,
    times,
)
from evergreen.customers.schema import Schema
from evergreen.statistics.distinct import KEY, Rows
from evergreen.store.decoding import Lines
from evergreen.store.inference_log import Record

CUSTOMER = "customer"
"""The member of a record that is the customer."""

_ID, _AT, _VERSION, _SCORE = "prediction_id", "predicted_at", "model_version", "churn_probability"


def version_id(version: str) -> np.uint64:
    """Return what stands for a version in a row."""
    return np.uint64(quick([version])[0])


class LogRows:
    """Reads lines by one schema."""

    def __init__(self, schema: Schema, until: datetime, seen: Callable[[str], object]) -> None:
        """Prepare to read.

        Args:
            schema: by which customers are encoded.
            until: what was predicted later is left out.
            seen: told of each version that has predicted.

        """
        self._schema, self._until, self._seen = schema, until, seen
        features = ("features", np.float32, (len(schema.features),))
        self.dtype = np.dtype([*KEY, ("version", np.uint64), ("score", np.float64), features])
        self.later = 0
        """So many records were left out."""
        self._known = Known()
        self._versions: list[np.uint64] = []
        self._low = np.array([[feature.low] for feature in schema.features])
        self._high = np.array([[feature.high] for feature in schema.features])
        self._optional = np.array([[not feature.required] for feature in schema.features])
        self._whole = np.flatnonzero([feature.integer for feature in schema.features])

    def of_records(self, records: Sequence[Record]) -> Rows:
        """Read records."""
        times = [datetime.fromisoformat(record[_AT]) for record in records]
        pairs = zip(records, times, strict=True)
        timed = [(record, at) for record, at in pairs if at <= self._until]
        self.later += len(records) - len(timed)
        records, schema = [record for record, _ in timed], self._schema
        names = {*schema.feature_names, *schema.primary_key}
        columns = {name: [r[CUSTOMER].get(name) for r in records] for name in names}
        own = [str(record.get(_ID)).encode("utf-8", "surrogatepass") for record in records]
        rows = np.empty(len(records), dtype=self.dtype)
        rows["identity"] = identities(schema, columns, len(records), quick)
        rows["at"] = [microseconds(at) for _, at in timed]
        rows["id"] = ids(Cells.of(own))
        rows["version"] = [self._versions[self._version(record[_VERSION])] for record in records]
        rows["score"] = [record[_SCORE] for record in records]
        rows["features"] = schema.encode(columns, len(records)).matrix
        return rows

    def of_lines(self, lines: Lines) -> tuple[Rows, Places]:
        """Read lines of one shape; also return which of them have to be read as records."""
        members, inner = lines.shape.members, lines.shape.inner
        needed = [lines.cells(members[n]) for n in (_ID, _AT, _VERSION, _SCORE) if n in members]
        if [cells.quoted for cells in needed] != [True, True, True, False]:
            return np.empty(0, self.dtype), np.arange(len(lines))
        names, moments, versions, scores = needed
        codes, score, version, fit = self._values(lines, scores, versions)
        at, timed = times(moments)
        fit &= timed
        odd = np.flatnonzero(~fit)
        late = at > microseconds(self._until)
        self.later += int(np.count_nonzero(late & fit))
        fit &= ~late
        codes[:, ~fit] = np.nan
        keys = {
            name: lines.cells(inner[name]) for name in self._schema.primary_key if name in inner
        }
        rows = np.empty(len(lines), dtype=self.dtype)
        rows["identity"] = identities_of_cells(self._schema, keys, codes)
        rows["at"], rows["id"], rows["score"] = at, ids(names), score
        rows["version"] = np.array(self._versions)[version.astype(np.intp)]
        rows["features"] = codes.T
        return rows if fit.all() else rows[fit], odd

    def _values(
        self, lines: Lines, scores: Cells, versions: Cells
    ) -> tuple[Floats, Floats, Floats, Mask]:
        """Read the features, shape (features, lines), the scores and the versions.

        Also say which lines fit: those of which all is JSON and the schema takes every value.
        """
        features, inner, rows = self._schema.features, lines.shape.inner, len(lines)
        codes, score = np.full((len(features), rows), np.nan), np.empty(rows)
        plain = [_Numbers(Column(_SCORE, scores, _scores), score)]
        levels, places = [Column(_VERSION, versions, self._numbered)], []
        for place, feature in enumerate(features):
            if feature.name in inner:
                cells = lines.cells(inner[feature.name])
                column = Column(f".{feature.name}", cells, feature.codes)
                if isinstance(feature, Categorical):
                    levels.append(column)
                    places.append(place)
                else:
                    decimal = feature.format.decimal if cells.quoted else "."
                    plain.append(_Numbers(column, codes[place], tuple(feature.absent), decimal))
        others = self._others(lines)
        checked = np.empty((len(others), rows))
        plain += [
            _Numbers(Column("", cells, _any), own)
            for cells, own in zip(others, checked, strict=True)
        ]
        known = self._known(levels)
        codes[places] = known[1:]
        self._read_numbers(plain)
        fits = (codes >= self._low) & (codes <= self._high) | np.isnan(codes) & self._optional
        whole = codes[self._whole]
        fits[self._whole] &= (whole == np.rint(whole)) | np.isnan(whole)
        valid = ~np.isnan(score) & ~np.isnan(checked).any(axis=0)
        return codes, score, known[0], valid & fits.all(axis=0)

    def _others(self, lines: Lines) -> list[Cells]:
        """The cells that nobody else reads and that may be no JSON, as they are no strings."""
        shape, schema = lines.shape, self._schema
        read = {shape.members[_SCORE]} | {
            shape.inner.get(name) for name in (*schema.feature_names, *schema.primary_key)
        }
        quoted = enumerate(shape.quoted)
        return [lines.cells(i) for i, inside in quoted if not inside and i not in read]

    def _read_numbers(self, columns: Sequence["_Numbers"]) -> None:
        """Read all columns that are written alike together."""
        alike: dict[tuple[bool, str], list[_Numbers]] = {}
        for column in columns:
            alike.setdefault((column.of.cells.quoted, column.decimal), []).append(column)
        for (quoted, decimal), some in alike.items():
            starts = np.concatenate([column.of.cells.starts for column in some])
            ends = np.concatenate([column.of.cells.ends for column in some])
            data, shape = some[0].of.cells.data, (len(some), -1)
            values, plain = numbers(Cells(data, starts, ends, quoted=quoted), decimal)
            for column, own, fine in zip(
                some, values.reshape(shape), plain.reshape(shape), strict=True
            ):
                if column.absent:
                    fine &= ~np.isin(own, column.absent)
                column.into[:] = own
                others = np.flatnonzero(~fine)
                if len(others):
                    cells = column.of.cells.some(others)
                    column.into[others] = self._known([column.of._replace(cells=cells)])[0]

    def _numbered(self, versions: Sequence[object]) -> list[float]:
        return [float(self._version(str(version))) for version in versions]

    def _version(self, version: str) -> int:
        """Return which of the versions that were seen one is."""
        found = version_id(version)
        if found not in self._versions:
            self._versions.append(found)
            self._seen(version)
        return self._versions.index(found)


class _Numbers(NamedTuple):
    """A column most of which are plain numbers."""

    of: Column
    into: Floats
    absent: tuple[float, ...] = ()
    """These numbers stand for none."""
    decimal: str = "."


def _scores(values: Sequence[object]) -> list[float]:
    return [float(value) if isinstance(value, int | float) else np.nan for value in values]


def _any(values: Sequence[object]) -> list[float]:
    """Tell values from what is none, for which lists stand."""
    return [np.nan if isinstance(value, list) else 0.0 for value in values]
