"""The rows of a file of outcomes: what they say and, of those that say nothing, why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import IO, Any

import orjson

from evergreen.customers import files, header
from evergreen.customers.careful import Rejected
from evergreen.customers.json_lines import Object, objects
from evergreen.customers.layout import HEAD, Layout
from evergreen.customers.names import KEY
from evergreen.customers.outcomes import Outcome, Reader
from evergreen.customers.records import Block
from evergreen.errors import TableError
from evergreen.jobs.files.answers import REASONS, aside, earlier, reasons
from evergreen.jobs.files.lines import Lines

_CHUNK = 5_000  # objects at a time


@dataclass(frozen=True, slots=True)
class Rows:
    """What some rows say."""

    outcomes: list[Outcome]
    rejected: bytes
    """The others, each with its line and the reason."""
    refused: int
    """How many these are."""
    blank: int = 0


class Cells:
    """A delimited file."""

    def __init__(self, stream: IO[bytes], reader: Reader) -> None:
        """Look at the first bytes; raises TableError where no outcomes are in it."""
        head = files.read(stream, HEAD)
        complete = len(head) < HEAD
        self._layout = Layout.of(head, complete=complete, schema=None, fields=reader.fields)
        self._stream, self._reader = stream, reader
        self._read = head[self._layout.body :]
        names = self._layout.header.names
        # the reasons of an earlier rejection are given anew
        self._kept = len(names) - earlier(REASONS, names, frozenset(reader.fields))
        self._names = names[: self._kept]
        reader.check(self._names)
        self._lines = Lines(self._layout, self._kept)
        places = self._layout.columns
        self._columns = {name: places[name] for name in reader.fields if name in self._names}

    def told(self) -> dict[str, Any]:
        """Return what a summary says of how the file was read."""
        ignored = {*filter(None, self._names)} - self._columns.keys()
        return {
            "ignored_columns": sorted(ignored),
            "matched_columns": dict(self._layout.header.matched),
            "read_as": self._layout.described(),
        }

    def header(self) -> bytes:
        """Return what stands above rejected rows."""
        dialect = self._layout.dialect
        above = f"sep={dialect.delimiter}{self._layout.newline}" if dialect.separator else ""
        ours = aside(REASONS, (*self._names, *self._reader.fields))
        line = self._lines.line([*self._layout.header.written[: self._kept], *ours])
        return dialect.bom + self._layout.encoded((above + line).encode())

    def batches(self) -> Iterator[Rows]:
        """Read all rows."""
        return map(self._rows, self._layout.blocks(self._stream, read=self._read))

    def _rows(self, block: Block) -> Rows:
        columns = {name: block.column(place) for name, place in self._columns.items()}
        outcomes, problems = self._reader.columns(columns, len(block))
        refused: list[tuple[int, Sequence[str], str]] = [
            (int(block.lines[row]), self._lines.cells(block, row), why)
            for row, why in reasons(problems).items()
        ]
        refused += [(r.line, self._lines.unread(r.text), r.reason) for r in block.rejected]
        text = "".join(
            self._lines.line([*cells, str(line), why]) for line, cells, why in sorted(refused)
        )
        encoded = self._layout.encoded(text.encode())
        return Rows(outcomes, encoded, len(refused), block.blank)


class Objects:
    """JSON lines, each an outcome as requests have it; the key's fields may stand beside others."""

    def __init__(self, stream: IO[bytes], reader: Reader) -> None:
        """Prepare for a file."""
        self._stream, self._reader = stream, reader
        self._ignored: set[str] = set()

    def told(self) -> dict[str, Any]:
        """Return what a summary says of how the file was read."""
        return {"ignored_columns": sorted(self._ignored), "read_as": {"format": "JSON lines"}}

    def header(self) -> bytes:
        """Return what stands above rejected rows: nothing."""
        return b""

    def batches(self) -> Iterator[Rows]:
        """Read all rows; raises TableError where there is none."""
        empty = True
        for some in batched(objects(self._stream), _CHUNK, strict=False):
            empty = False
            yield self._rows(some)
        if empty:
            raise TableError("the file is empty: there is no object in it")

    def _rows(self, some: Sequence[Object | Rejected]) -> Rows:
        read = [each for each in some if isinstance(each, Object)]
        given = [self._flat(each.value) for each in read]
        fields = self._reader.fields
        found = header.of([*dict.fromkeys(name for one in given for name in one)], fields)
        columns = {
            name: [one.get(written) for one in given]
            for name, written in zip(found.names, found.written, strict=True)
            if name in fields
        }
        self._ignored |= {*filter(None, found.names)}.difference(fields, [KEY])
        outcomes, problems = self._reader.columns(columns, len(given))
        refused = {
            read[row].line: orjson.dumps({**read[row].value, **_why(read[row].line, reason)})
            for row, reason in reasons(problems).items()
        }
        refused |= {
            each.line: orjson.dumps({"text": each.text, **_why(each.line, each.reason)})
            for each in some
            if isinstance(each, Rejected)
        }
        rejected = b"".join(refused[line] + b"\n" for line in sorted(refused))
        return Rows(outcomes, rejected, len(refused))

    def _flat(self, given: dict[str, Any]) -> dict[str, Any]:
        key = given.get(KEY)
        return given | key if isinstance(key, dict) and KEY not in self._reader.fields else given


def _why(line: int, reason: str) -> dict[str, Any]:
    return dict(zip(REASONS, (line, reason), strict=True))
