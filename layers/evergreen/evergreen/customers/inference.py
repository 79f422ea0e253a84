"""A table of customers that nobody has described → the schema that it trains with.

The document leaves out what can't be learned from, and says nothing that the table has not shown.
Numbers get no bounds, for a customer beyond those seen is no mistake; nor do they get a decimal
sign, for the reader finds that out file by file.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from evergreen.customers.columns import Cells, Column, affix, category, describe
from evergreen.customers.features import Level
from evergreen.customers.numbers import PLAIN, NumberFormat, formats
from evergreen.customers.roles import find_key, find_positive, find_target, identifies, named
from evergreen.customers.schema import Schema
from evergreen.customers.table import Table
from evergreen.customers.values import plain
from evergreen.errors import InputError, TableError

_WHOLE = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
_ID = "it tells customers apart, and nothing of them"
_REPEATED = "It repeats: with --key {!r}, the last row of each customer counts"


@dataclass(frozen=True)
class Inference:
    """What each column of a table became, and the schema that follows."""

    columns: tuple[Column, ...]
    """In the table's order."""
    target: str
    positive: Level
    key: tuple[str, ...]
    formats: Mapping[str, NumberFormat]
    """How this table writes the numbers of its columns, where that is not plain."""
    notes: tuple[str, ...]
    """What was guessed, and what a person should know, one sentence each."""
    unlabelled: str
    """What is wrong with rows whose outcome is not known, which training refuses; empty if none."""

    @cached_property
    def document(self) -> dict[str, Any]:
        """The schema's document."""
        kept = [column for column in self.columns if column.field]
        levels = {str(v) for c in kept for v in c.field.get("constraints", {}).get("enum", ())}
        everywhere = sorted({text for c in kept for text in c.missing} - levels)
        fields = [
            {**column.field, "missingValues": ["", *sorted(column.missing)]}
            if column.missing & levels
            else column.field
            for column in kept
        ]
        key = {"primaryKey": self.key[0] if len(self.key) == 1 else [*self.key]} if self.key else {}
        target = {"target": {"field": self.target, "positive": self.positive}}
        return {"fields": fields, "missingValues": ["", *everywhere]} | key | target

    @cached_property
    def schema(self) -> Schema:
        """The schema, as it reads this table; raises SchemaError where no feature is left."""
        return Schema(self.document).reading(self.formats)

    def without(self, reasons: Mapping[str, str]) -> "Inference":
        """Leave out further columns, each for its reason."""
        columns = (c.left_out(reasons[c.name]) if c.name in reasons else c for c in self.columns)
        return replace(self, columns=tuple(columns))


def infer(
    table: Table,
    target: str | None = None,
    *,
    positive: str | None = None,
    key: Sequence[str] = (),
) -> Inference:
    """Find out what each column of a table is.

    Args:
        table: read without a schema.
        target: the column that says who left; else it goes by the columns' names.
        positive: its value for those who did; else it goes by what it says, or is the rarer one.
        key: the columns that say who a customer is; else it goes by names and values.

    Raises:
        InputError: a column that is named is not there, no column or more than one may be the
            target, or it can't be told which of its values means that a customer left.

    """
    if not table.lines:
        raise InputError(f"{table.name} has no rows")
    cells = {name: Cells.of(name, values) for name, values in table.columns.items()}
    notes: list[str] = []
    outcome = find_target(cells, target, notes)
    found = category(cells[outcome])
    left = find_positive(cells[outcome], positive, notes)
    keys = [named(name, cells) for name in key] or find_key(cells, outcome, notes)
    signs = {name for name, one in cells.items() if affix(one)}
    others = {n: c for n, c in cells.items() if n not in (outcome, *keys)}
    written, unclear = _formats(others) if table.dialect else ({}, {})  # JSON's are plain
    twice = _twice(table)
    columns = []
    for name, one in cells.items():
        if name == outcome:
            column = replace(found, role="target", why=f"{found.why}; {left!r} means left")
        elif name in keys:
            column = _identity(one)
        elif name in twice:
            column = Column(name, "left out", "text", "another column has this name: rename one")
        elif name in unclear:
            column = Column(name, "left out", "number", unclear[name])
        else:
            form = written.get(name, PLAIN)
            column = describe(one, replace(form, bare=False) if name in signs else form)
            if column.field and identifies(one):
                column = column.left_out(_ID if keys else f"{_ID}. {_REPEATED.format(name)}")
        columns.append(column)
    return Inference(
        tuple(columns), outcome, left, tuple(keys), written, tuple(notes), _unlabelled(table, found)
    )


def _twice(table: Table) -> set[str]:
    names = Counter(table.header.names if table.header else ())
    return {name for name, count in names.items() if count > 1}


def _unlabelled(table: Table, found: Column) -> str:
    if not found.absent:
        return ""
    blank = {"", *found.missing}
    values = table.columns[found.name]
    first = next(i for i, v in enumerate(values) if v is None or plain(str(v)) in blank)
    return (
        f"{found.absent:,} of {len(values):,} rows have no {found.name!r}, the first of them in"
        f" line {table.lines[first]}: nothing can be learned from them, and training refuses the"
        " file. Fill it in, or take them out and score them instead"
    )


def _identity(cells: Cells) -> Column:
    whole = all(map(_WHOLE.fullmatch, cells.counts))
    again = cells.filled - len(cells.counts)
    absent = cells.rows - cells.filled
    why = f"{len(cells.counts):,} customers"
    why += f"; of {again:,} rows a later one of the same customer counts" if again else ""
    why += f"; {absent:,} have none" if absent else ""
    field = {"name": cells.name, "type": "integer" if whole else "string"}
    return Column(cells.name, "key", "key", why, field, absent=absent)


def _formats(
    cells: Mapping[str, Cells],
) -> tuple[dict[str, NumberFormat], dict[str, str]]:
    """How numbers are written, by column, and what is wrong where that can't be told."""
    samples = {n: one.numeric() for n, one in cells.items() if not one.dates}
    samples = {name: texts for name, texts in samples.items() if texts}
    try:
        return formats(samples), {}
    except TableError:
        unclear = {}
        for name, texts in samples.items():
            try:
                formats({name: texts})
            except TableError as error:
                unclear[name] = str(error)
        clear = {name: texts for name, texts in samples.items() if name not in unclear}
        return formats(clear), unclear
