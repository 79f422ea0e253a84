"""Where the demo's customers come from: our generator, or any labelled CSV with its schema."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from evergreen.customers import table
from evergreen.customers.features import Categorical, Numeric
from evergreen.customers.schema import Schema
from evergreen.errors import InputError
from evergreen.jobs.history import History
from local.demo import customers, shift

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"


class Source(Protocol):
    """Labelled customers as tables of text, as they would stand in a CSV."""

    @property
    def schema(self) -> Schema:
        """What the columns are."""

    def history(self) -> pd.DataFrame:
        """The customers that the first model learns from."""

    def ordinary(self, rows: int, seed: int) -> pd.DataFrame:
        """More customers like those."""

    def shifted(self, rows: int, seed: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Customers of another kind, and the features in which they differ."""


@dataclass(frozen=True, slots=True)
class Generated:
    """Customers that our generator makes."""

    schema: Schema

    def history(self) -> pd.DataFrame:
        """Seven thousand customers."""
        return customers.customers(7_000, seed=1)

    def ordinary(self, rows: int, seed: int) -> pd.DataFrame:
        """Customers by the same mechanism, never seen before."""
        return customers.customers(rows, seed=seed)

    def shifted(self, rows: int, seed: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Customers after the mix has changed."""
        return customers.customers(rows, seed=seed, shift=1.0), customers.SHIFTED


@dataclass(frozen=True, slots=True)
class Table:
    """Customers of a CSV, and others made from them."""

    schema: Schema
    frame: pd.DataFrame

    def history(self) -> pd.DataFrame:
        """The whole CSV."""
        return self.frame

    def ordinary(self, rows: int, seed: int) -> pd.DataFrame:
        """Customers drawn from the CSV."""
        return shift.ordinary(self.frame, self.schema.document, rows=rows, seed=seed)

    def shifted(self, rows: int, seed: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Customers drawn from the CSV and made to look like those who leave."""
        return shift.shifted(self.frame, self.schema.document, rows=rows, seed=seed)


def find(data: Path | None, schema: Path | None) -> Source:
    """Find the customers, and check that every row fits the schema.

    Raises:
        InputError: a file is missing, or the table does not fit; the message names file, line,
            column and what was expected.

    """
    if data is None:
        return Generated(_read_schema(SCHEMAS / "customers.json"))
    if not data.is_file():
        raise InputError(f"{data} does not exist")
    parsed = _read_schema(schema) if schema else _shipped(data)
    labelled = table.Table.read(data.read_bytes(), str(data), parsed)
    lacking = [name for name in parsed.feature_names if name not in labelled.columns]
    if lacking:
        raise InputError(f"{data} lacks {', '.join(lacking)}: the demo shows every feature")
    History.join([labelled], [0]).labelled(parsed)
    return Table(parsed, pd.DataFrame(labelled.columns, dtype=str))


def to_json(frame: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    """Return customers as a program would send them: typed values, nulls, and no outcome."""
    kinds: dict[str, Callable[[str], object]] = dict.fromkeys(schema.primary_key, str)
    for feature in schema.features:
        if isinstance(feature, Numeric):
            kinds[feature.name] = _whole if feature.integer else float
        else:
            kinds[feature.name] = partial(_level, feature)
    columns = [
        [None if cell in schema.missing else kind(cell) for cell in frame[name]]
        for name, kind in kinds.items()
    ]
    return [dict(zip(kinds, row, strict=True)) for row in zip(*columns, strict=True)]


def _level(feature: Categorical, cell: str) -> object:
    return feature.levels[int(feature.table[cell])]


def _whole(cell: str) -> int:
    return int(float(cell))


def _read_schema(path: Path) -> Schema:
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    try:
        return Schema.parse(path.read_bytes())
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _shipped(data: Path) -> Schema:
    """Find the schema of ours whose columns a CSV has."""
    with data.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        header = set(next(csv.reader(lines), []))
    best: Schema | None = None
    for path in sorted(SCHEMAS.glob("*.json")):
        schema = _read_schema(path)
        names = set(schema.fields)
        if names <= header:
            return schema
        if names - {schema.target} <= header:
            best = schema
    if best:  # reading the table says what is missing
        return best
    raise InputError(
        f"{data} fits none of the schemas in local/{SCHEMAS.name}/; describe its columns in a Table"
        " Schema (see the README) and say SCHEMA=<file>"
    )
