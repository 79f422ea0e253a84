"""Where the demo's customers come from: our generator, or any table of labelled customers."""

from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from evergreen.cli import schemas
from evergreen.customers import table
from evergreen.customers.features import Categorical, Feature, Level, Numeric
from evergreen.customers.inference import Inference
from evergreen.customers.schema import Schema
from evergreen.errors import InputError
from evergreen.jobs.learning.history import History
from evergreen.jobs.learning.proposal import propose
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
    """Customers of a file, and others made from them."""

    schema: Schema
    frame: pd.DataFrame
    read: table.Table
    """The file."""
    inferred: Inference | None = None
    """What was found out of it, where nobody has described it."""

    def history(self) -> pd.DataFrame:
        """The whole file."""
        return self.frame

    def ordinary(self, rows: int, seed: int) -> pd.DataFrame:
        """Customers drawn from the file."""
        return shift.ordinary(self.frame, self.schema.document, rows=rows, seed=seed)

    def shifted(self, rows: int, seed: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
        """Customers drawn from the file and made to look like those who leave."""
        return shift.shifted(self.frame, self.schema.document, rows=rows, seed=seed)


def find(data: Path | None, schema: Path | None, target: str | None = None) -> Source:
    """Find the customers, and check that every row fits the schema.

    Args:
        data: a table of labelled customers; else ours are made.
        schema: its schema; else one of those we ship, if it fits, or what can be inferred.
        target: the column that says who left, to infer a schema by.

    Raises:
        InputError: a file is missing, or the table does not fit; the message names file, line,
            column and what was expected.

    """
    if data is None:
        return Generated(schemas.read_schema(SCHEMAS / "customers.json"))
    parsed, inferred = _described(data, schema, target)
    labelled = schemas.read(data, parsed)
    lacking = [name for name in parsed.feature_names if name not in labelled.columns]
    if lacking:
        raise InputError(f"{data} lacks {', '.join(lacking)}: the demo shows every feature")
    History.join([labelled], [0]).labelled(parsed)
    return Table(parsed, _plain(labelled, parsed), labelled, inferred)


def to_json(frame: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    """Return customers as a program would send them: typed values, nulls, and no outcome.

    Raises:
        KeyError: a category is none that the schema lists.

    """
    columns: dict[str, list[object]] = {
        name: [None if cell in schema.missing else str(cell) for cell in frame[name]]
        for name in schema.primary_key
    }
    for feature in schema.features:
        codes = feature.codes(frame[feature.name].tolist())
        columns[feature.name] = [None if isnan(code) else _value(feature, code) for code in codes]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _value(feature: Feature, code: float) -> Level:
    if isinstance(feature, Categorical):
        return dict(enumerate(feature.levels))[int(code)]
    return int(code) if feature.integer else code


def _described(
    data: Path, schema: Path | None, target: str | None
) -> tuple[Schema, Inference | None]:
    """Find the schema of a table, and how it was inferred where nobody has written it."""
    if schema:
        return schemas.read_schema(schema), None
    found = schemas.read(data)
    if target is None and (shipped := _shipped(found)):
        return shipped, None
    try:
        inferred = propose(found, target)
    except InputError as error:
        raise InputError(
            f"{data}: {error}. These are options of `evergreen schema infer`: give TARGET=… here,"
            " or what that writes as SCHEMA=…"
        ) from None
    if inferred.unlabelled:
        raise InputError(f"{data}: {inferred.unlabelled}")
    return inferred.schema, inferred


def _shipped(found: table.Table) -> Schema | None:
    """Find the schema of ours whose columns a table has."""
    shipped = [schemas.read_schema(path) for path in sorted(SCHEMAS.glob("*.json"))]
    return next((one for one in shipped if set(one.fields) <= found.columns.keys()), None)


def _plain(labelled: table.Table, schema: Schema) -> pd.DataFrame:
    """Return a table as our schemas' own would be written, whatever the file was like."""
    columns = {
        name: ["" if value is None else str(value) for value in values]
        for name, values in labelled.columns.items()
    }
    for feature in schema.features:
        codes = feature.codes(labelled.columns[feature.name])
        columns[feature.name] = ["" if isnan(code) else _text(feature, code) for code in codes]
    return pd.DataFrame(columns, dtype=str)


def _text(feature: Feature, code: float) -> str:
    if isinstance(feature, Numeric):
        return feature.format.written(int(code) if feature.integer else code)
    level = _value(feature, code)
    return str(level).lower() if isinstance(level, bool) else str(level)
