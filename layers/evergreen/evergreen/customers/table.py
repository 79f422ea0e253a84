"""Tables of customers in memory, read from any file that is scored or learned from."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any, Self

from evergreen.customers import files
from evergreen.customers.careful import Rejected
from evergreen.customers.dialect import Dialect
from evergreen.customers.header import Header, match
from evergreen.customers.json_lines import Object, objects
from evergreen.customers.layout import HEAD, Layout
from evergreen.customers.numbers import NumberFormat
from evergreen.customers.schema import Schema
from evergreen.customers.values import plain
from evergreen.errors import TableError

_CHUNK = 1_000  # objects that are turned into columns at a time


@dataclass(frozen=True, slots=True)
class Table:
    """Customers by column."""

    name: str
    columns: Mapping[str, Sequence[object]]
    """The cells under the names of the schema's fields: text as it stands in the file, but for
    numbers that are not written as JSON writes them; JSON's values where it is JSON lines."""
    lines: Sequence[int]
    """The line in the file where each row ends; the first line is 1."""
    rejected: Sequence[Rejected] = ()
    """The rows that could not be read."""
    dialect: Dialect | None = None
    """How the file is written; None for JSON lines."""
    formats: Mapping[str, NumberFormat] = field(default_factory=dict)
    """How numbers of the schema's fields are written, where not as JSON writes them."""
    header: Header | None = None
    """What each column of the file is; None for JSON lines."""

    @classmethod
    def read(
        cls, content: bytes, name: str, schema: Schema | None = None, *, labelled: bool = True
    ) -> Self:
        """Read a whole file.

        Args:
            content: its bytes.
            name: says of which kind it is, and is in the messages.
            schema: whose customers are in it; columns of optional features may be absent. Without a
                schema, all cells are as they stand, and the names but for spaces around them.
            labelled: whether the target and the primary key must be there, as for learning.

        Raises:
            TableError: it is of no readable kind, can't be read as a table, or lacks a field that
                must be there.

        """
        kind = files.kind(name)
        if kind is None:
            raise TableError(files.refusal(name))
        try:
            stream = files.unpacked(io.BytesIO(content), kind)
            text = content if not kind.gzipped else b"".join(iter(lambda: files.read(stream), b""))
            beside = (schema.target, *schema.primary_key) if schema and labelled else ()
            return cls(name, **(_json if kind.json else _delimited)(text, schema, beside))
        except TableError as error:
            raise TableError(f"{name}: {error}") from None


def _delimited(content: bytes, schema: Schema | None, beside: tuple[str, ...]) -> dict[str, Any]:
    head, complete = content[:HEAD], len(content) <= HEAD
    layout = Layout.of(head, complete=complete, schema=schema, beside=beside)
    columns: dict[str, list[str]] = {name: [] for name in layout.columns}
    lines: list[int] = []
    rejected: list[Rejected] = []
    for block in layout.blocks(io.BytesIO(content[layout.body :])):
        lines += block.lines.tolist()
        rejected += block.rejected
        for name, place in layout.columns.items():
            cells = block.column(place)
            once = dict(zip(cells, cells, strict=True))  # in memory
            columns[name].extend(map(once.__getitem__, cells))
    if schema:
        for name, written in layout.foreign(schema).items():
            columns[name] = [_as_json(written, cell) for cell in columns[name]]
    return {
        "columns": columns,
        "lines": lines,
        "rejected": rejected,
        "dialect": layout.dialect,
        "formats": layout.formats,
        "header": layout.header,
    }


def _as_json(written: NumberFormat, cell: str) -> str:
    return written.normal(plain(cell)) or cell


def _json(content: bytes, schema: Schema | None, beside: tuple[str, ...]) -> dict[str, Any]:
    columns: dict[str, list[object]] = {}
    lines: list[int] = []
    rejected: list[Rejected] = []
    found = objects(io.BytesIO(content))
    for chunk in batched(found, _CHUNK, strict=False):
        rejected += [each for each in chunk if isinstance(each, Rejected)]
        rows = [each for each in chunk if isinstance(each, Object)]
        for name in dict.fromkeys(n for row in rows for n in row.value if n not in columns):
            columns[name] = [None] * len(lines)
        lines += [row.line for row in rows]
        for name, column in columns.items():
            column += [row.value.get(name) for row in rows]
    if not lines:
        raise TableError("there is no JSON object in it")
    if schema:
        names = match([*columns], schema, *beside).names
        columns = dict(zip(names, columns.values(), strict=True))
    return {"columns": columns, "lines": lines, "rejected": rejected}
