"""Tables of customers: what is demanded of a header, and labelled CSVs as columns of text."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from evergreen.customers.schema import Schema
from evergreen.errors import TableError

_SHOWN = 20
_CHUNK = 1_000  # rows that are turned into columns at a time: they fit a processor's cache


@dataclass(frozen=True, slots=True)
class Table:
    """A labelled CSV."""

    name: str
    columns: Mapping[str, Sequence[str]]
    """Every cell as it stands in the file."""
    lines: Sequence[int]
    """The line in the file where each row ends; the header is line 1."""

    @classmethod
    def read(cls, content: bytes, name: str, schema: Schema) -> "Table":
        """Read a labelled CSV; the column of an optional feature may be left out of it.

        Raises:
            TableError: it is not a CSV in UTF-8, lacks the target, the primary key or a required
                feature, or has a slip for an optional one; `name` is in the message.

        """
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        lines: list[int] = []
        try:
            header = next(reader, [])
            check_fields(header, schema, schema.target, *schema.primary_key)
            columns: list[list[str]] = [[] for _ in header]
            rows = ((reader.line_num, row) for row in reader if row)  # an empty line is no customer
            for chunk in batched(rows, _CHUNK, strict=False):
                for line, row in chunk:
                    if len(row) != len(header):
                        which = "fewer" if len(row) < len(header) else "more"
                        raise TableError(f"line {line} has {which} cells than the header")
                    lines.append(line)
                across = zip(*(row for _, row in chunk), strict=True)
                for column, cells in zip(columns, across, strict=True):
                    once = dict(zip(cells, cells, strict=True))  # in memory
                    column.extend(map(once.__getitem__, cells))
        except TableError as error:
            raise TableError(f"{name}: {error}") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise TableError(f"{name} is not a CSV in UTF-8: {error}") from None
        return cls(name, dict(zip(header, columns, strict=True)), lines)


def check_fields(header: Sequence[str], schema: Schema, *beside: str) -> None:
    """Check that a header has the required features of a schema, and further columns beside them.

    Raises:
        TableError: it has not, or a column has a slip for the name of a feature that is not there.

    """
    needed = [feature.name for feature in schema.features if feature.required]
    if set(header).isdisjoint(schema.feature_names):
        needed = list(schema.feature_names)
    check_header(header, (*beside, *needed))
    mistakes = schema.mistakes(set(header))
    if mistakes:
        raise TableError("; ".join(f"column {name!r} {message}" for name, message in mistakes))


def check_header(header: Sequence[str], needed: Iterable[str]) -> None:
    """Check that a header has all the columns that are needed, and none twice.

    Raises:
        TableError: it does not; the message names the columns, and what was found instead.

    """
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise TableError(f"the header names {', '.join(twice)} twice")
    lacking = [name for name in needed if name not in header]
    if lacking:
        found = ", ".join(header[:_SHOWN]) + (", …" if len(header) > _SHOWN else "")
        raise TableError(
            f"the header lacks {', '.join(lacking)}; found: {found or 'nothing'}"
            " (columns are separated by commas)"
        )
