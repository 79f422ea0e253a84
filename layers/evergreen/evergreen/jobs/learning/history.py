"""Labelled history: the tables under `training/` of the data bucket, in the order they arrived."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, chain, pairwise, repeat
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evergreen.customers import files
from evergreen.customers.identity import contents, identities, keyless
from evergreen.customers.schema import Matrix, Schema
from evergreen.customers.table import Table
from evergreen.errors import Problem, SourceError, TableError
from evergreen.jobs.learning.cohort import (
    TOGETHER,
    Cohort,
    Columns,
    Integers,
    Rows,
    latest,
    leaking,
    recency,
)
from evergreen.models.artifact import sha256
from evergreen.models.known import Known
from evergreen.models.training import Labelled
from evergreen.store import keys
from evergreen.store.ahead import ahead
from evergreen.store.s3 import Bucket

if TYPE_CHECKING:
    import pandas as pd

SPOILT = 0.01
"""The share of a file's rows that may be unreadable; beyond that, the file is."""

_CHUNK = 50_000  # rows that are encoded at a time: as Python's numbers they take a lot of memory
_SHOWN = 3
_AHEAD = 8  # files whose bytes are in memory, which are few beside their cells as text


@dataclass(frozen=True, slots=True)
class Source:
    """The schema or a labelled file, as a listing shows it."""

    key: str
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to learn from, in order of arrival."""

    found: tuple[Source, ...]
    foreign: tuple[str, ...] = ()
    """The keys of what lies beside them, and can't be read as a table."""

    @classmethod
    def find(cls, bucket: Bucket) -> Self:
        """List the schema, the labelled files, and what is neither."""
        listed = [entry for entry in bucket.list(keys.TRAINING) if not entry.key.endswith("/")]
        known = [e for e in listed if e.key == keys.TRAINING_SCHEMA or files.kind(e.key)]
        sources = cls.of(Source(entry.key, entry.etag, entry.modified) for entry in known)
        foreign = {entry.key for entry in listed} - sources.etags.keys()
        return replace(sources, foreign=tuple(sorted(foreign)))

    @classmethod
    def of(cls, found: Iterable[Source]) -> Self:
        """Order sources by their arrival; those of the same second, by their names."""
        return cls(tuple(sorted(found, key=lambda source: (source.modified, source.key))))

    def without(self, etags: Collection[str]) -> "Sources":
        """Leave out labelled files by what is in them, whatever their names."""
        schema = keys.TRAINING_SCHEMA
        left = (s for s in self.found if s.key == schema or s.etag not in etags)
        return replace(self, found=tuple(left))

    def apart_from(self, names: Collection[str]) -> "Sources":
        """Leave out labelled files by their keys."""
        return replace(self, found=tuple(s for s in self.found if s.key not in names))

    @property
    def etags(self) -> dict[str, str]:
        """The ETag of each key."""
        return {source.key: source.etag for source in self.found}

    @property
    def tables(self) -> list[str]:
        """The keys of the labelled files, in order of arrival."""
        return [source.key for source in self.found if source.key != keys.TRAINING_SCHEMA]

    @property
    def arrivals(self) -> list[int]:
        """For each of the `tables`, which arrival it was part of; see `cohort.TOGETHER`."""
        times = [source.modified for source in self.found if source.key != keys.TRAINING_SCHEMA]
        apart = [b - a > TOGETHER for a, b in pairwise(times)]
        return [0, *accumulate(map(int, apart))] if times else []

    @property
    def complete(self) -> bool:
        """Whether there is a schema and at least one labelled file."""
        return len(self.found) > len(self.tables) > 0

    @property
    def fingerprint(self) -> str:
        """What this data is, in one digest."""
        return sha256(repr(sorted(self.etags.items())).encode())


@dataclass(frozen=True, slots=True)
class History:
    """All labelled rows, as text."""

    columns: Columns
    """For each column its values, None where the row's file has no such column."""
    files: tuple[str, ...]
    """The names of the files, in order of arrival."""
    source: Integers
    """Shape (rows,): the file of each row, as its place in `files`."""
    line: Integers
    """Shape (rows,): where it ends in that file; the header is line 1."""
    arrivals: Sequence[int]
    """For each file which arrival it was part of; they are numbered in order."""
    unread: tuple[str, ...] = ()
    """What is to be said of rows that could not be read."""

    @classmethod
    def read(cls, bucket: Bucket, schema: Schema, sources: Sources) -> Self:
        """Read the labelled files.

        Raises:
            SourceError: some are no tables of the schema's customers, or more than `SPOILT` of
                their rows can't be read.

        """
        tables, refused = [], {}
        for key, (content, _) in ahead(bucket.get, sources.tables, _AHEAD):
            try:
                table = Table.read(content, key, schema)
            except TableError as error:
                refused[key] = str(error)
                continue
            if len(table.rejected) > SPOILT * len(table.lines):
                refused[key] = f"{_unread(table)}, too many to learn from the rest"
            tables.append(table)
        if refused:
            raise SourceError(refused)
        return cls.join(tables, sources.arrivals)

    @classmethod
    def of(cls, frames: "Mapping[str, pd.DataFrame]") -> Self:
        """Take data frames of text for files that came one after the other, each by its name."""
        tables = [
            Table(name, {str(c): frame[c].tolist() for c in frame}, range(2, len(frame) + 2))
            for name, frame in frames.items()
        ]
        return cls.join(tables, range(len(tables)))

    @classmethod
    def join(cls, tables: Sequence[Table], arrivals: Sequence[int]) -> Self:
        """Put tables together, given in order of arrival, with the number of each one's arrival."""
        sizes = [len(table.lines) for table in tables]
        names = dict.fromkeys(chain.from_iterable(table.columns for table in tables))

        def cells(name: str) -> Iterable[object]:
            for table, size in zip(tables, sizes, strict=True):
                yield from table.columns.get(name) or repeat(None, size)

        return cls(
            columns={name: list(cells(name)) for name in names},
            files=tuple(table.name for table in tables),
            source=np.repeat(np.arange(len(tables)), sizes),
            line=np.fromiter(chain.from_iterable(t.lines for t in tables), np.int64, sum(sizes)),
            arrivals=arrivals,
            unread=tuple(_unread(table) for table in tables if table.rejected),
        )

    def labelled(self, schema: Schema) -> Labelled:
        """Return the customers of `cohort` where there is no champion yet."""
        return self.cohort(schema).labelled

    def cohort(self, schema: Schema, known: Known | None = None) -> Cohort:
        """Find the customers behind the rows, by the schema that every row must fit.

        Args:
            schema: what the rows are read by.
            known: what the champion knew; without one, every customer is fresh.

        Raises:
            SourceError: rows do not fit; the message names of each file the first one's line and
                column, and what was expected.
            InputError: the primary key does not tell customers apart.

        """
        matrix, churned = self._encode(schema)
        arguments = (schema, self.columns, len(self.line))
        rows = Rows(
            identity=identities(*arguments),
            contents=contents(*arguments, churned),
            keyless=keyless(*arguments),
            churned=churned,
            source=self.source,
            line=self.line,
            files=self.files,
        )
        rows.check_key(schema.primary_key)
        people = rows.people()
        chosen = latest(people)
        held_out, source = rows.held_out[chosen], self.source[chosen]
        seen = rows.contents
        known = known or Known.nothing(schema)
        if known.schema.document != schema.document:
            seen = contents(known.schema, self.columns, len(self.line), churned)
        learned, put_aside = (np.isin(seen[chosen], k) for k in (known.learned, known.held_out))
        fresh = ~(learned | put_aside)
        arrival = np.array(self.arrivals, dtype=np.int64)[source]
        arrivals = max(self.arrivals, default=-1) + 1
        recent, age = recency(fresh, churned[chosen], arrival, arrivals)
        labelled = Labelled(matrix[chosen], churned[chosen], held_out, recent, age)
        return Cohort(
            labelled=labelled,
            source=np.array(self.files, dtype=np.object_)[source],
            fresh=fresh,
            known_held_out=held_out & put_aside & ~learned,
            known=Known.of(schema, rows.contents, rows.held_out),
            census=rows.census(people),
            warnings=(
                *self.unread,
                *rows.warnings(schema.primary_key),
                *self._absent(schema),
                *leaking(schema, labelled),
            ),
            columns=self.columns,
            rows=chosen,
        )

    def _encode(self, schema: Schema) -> tuple[Matrix, Any]:
        """Encode every row, and say who left; raises InputError where a row does not fit."""
        parts, problems = [], []
        for start in range(0, len(self.line), _CHUNK):
            end = min(start + _CHUNK, len(self.line))
            chunk = {
                name: self.columns[name][start:end]
                for name in schema.feature_names
                if name in self.columns
            }
            matrix, wrong = schema.encode(chunk, end - start)
            parts.append(matrix)
            problems += [problem._replace(row=start + problem.row) for problem in wrong]
        churned, unlabelled = schema.labels(self.columns[schema.target])
        if wrong_ones := [*problems, *unlabelled]:
            raise SourceError(self._explain(wrong_ones))
        return np.concatenate([np.empty((0, len(schema.features)), np.float32), *parts]), churned

    def _explain(self, problems: Iterable[Problem]) -> dict[str, str]:
        """Say of each file that has problems which is the first, and how many there are."""
        of_file: dict[str, list[Problem]] = {}
        for problem in problems:
            of_file.setdefault(self.files[self.source[problem.row]], []).append(problem)
        reasons = {}
        for file, found in of_file.items():
            first, more = found[0], f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            where = f"{file}, line {self.line[first.row]}, column {first.field!r}"
            reasons[file] = f"{where}: {first.message}{more}"
        return reasons

    def _absent(self, schema: Schema) -> Iterable[str]:
        """Say which optional columns a file lacks."""
        present, starts = np.unique(self.source, return_index=True)
        for name in schema.feature_names:
            cells = self.columns.get(name) or [None] * len(self.line)
            files = [
                self.files[f] for f, s in zip(present, starts, strict=True) if cells[s] is None
            ]
            if files:
                more = f" (and {len(files) - _SHOWN} more)" if len(files) > _SHOWN else ""
                yield (
                    f"{name!r} is no column of {', '.join(files[:_SHOWN])}{more};"
                    " it counts as missing there"
                )


def _unread(table: Table) -> str:
    """Say which rows of a file could not be read."""
    first = table.rejected[0]
    count = len(table.rejected)
    rows = "1 row" if count == 1 else f"{count} rows"
    return f"{table.name}: {rows} could not be read (line {first.line}: {first.reason})"
