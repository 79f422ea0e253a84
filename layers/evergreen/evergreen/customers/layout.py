"""How a delimited file is laid out, told from its first bytes, and its records read accordingly."""

import csv
import io
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Any, Self

from evergreen.customers import dialect, files, header
from evergreen.customers.dialect import Dialect
from evergreen.customers.features import Numeric
from evergreen.customers.files import Readable
from evergreen.customers.header import Header
from evergreen.customers.numbers import NumberFormat, formats
from evergreen.customers.records import Block, blocks
from evergreen.customers.schema import Schema
from evergreen.errors import TableError

HEAD = 1 << 20
"""So many bytes tell the layout."""

_ERRORS = {"utf-8": "surrogateescape", "cp1252": "surrogateescape"}
"""Of the encodings that have ASCII as single bytes: what is no text stays as it is."""

_SWAPPED = bytes.maketrans(b"\r\n", b"\n\r")


@dataclass(frozen=True)
class Layout:
    """What the first bytes of a file tell of the rest."""

    dialect: Dialect
    header: Header
    formats: Mapping[str, NumberFormat]
    """Of the fields whose numbers are not plain ones."""
    body: int
    """How many bytes come before the first record."""
    lines: int
    """How many lines come before the first record."""

    @classmethod
    def of(
        cls,
        head: bytes,
        *,
        complete: bool,
        schema: Schema | None,
        beside: tuple[str, ...] = (),
        fields: tuple[str, ...] = (),
    ) -> Self:
        """Find out how a file is laid out.

        Args:
            head: its first `HEAD` bytes.
            complete: whether these are all.
            schema: whose customers are in it, if that is known.
            beside: further fields of the schema that it must have.
            fields: where there is no schema, those that it may have.

        Raises:
            TableError: it can't be read, or that can't be decided; or it lacks a required field.

        """
        fields = schema.fields if schema else fields
        found = dialect.detect(head, complete=complete, fields=fields)
        errors = _ERRORS.get(found.encoding, "replace")
        text = head[len(found.bom) :].decode(found.encoding, errors)
        text = text.translate(_SWAPPED) if found.newline == "\r" else text
        lines = io.StringIO(text, newline="\n")
        for _ in range(found.above):
            next(lines)
        reader = csv.reader(lines, delimiter=found.delimiter, strict=True)
        try:
            cells = next(reader)
        except (csv.Error, StopIteration) as error:
            raise TableError(f"the header can't be read: {error or 'there is none'}") from None
        count = found.above + reader.line_num
        before = "".join(islice(io.StringIO(text, newline="\n"), count))
        cells = [cell.encode(errors="surrogateescape").decode(errors="replace") for cell in cells]
        layout = cls(
            dialect=found,
            header=header.match(cells, schema, *beside) if schema else header.of(cells, fields),
            formats={},
            body=len(found.bom) + len(before.encode(found.encoding, errors)),
            lines=count,
        )
        return replace(layout, formats=layout._formats(head, complete, schema))

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.header.written)

    @cached_property
    def columns(self) -> dict[str, int]:
        """Which column each name is; the first one of two that are called the same."""
        places: dict[str, int] = {}
        for index, name in enumerate(self.header.names):
            if name:
                places.setdefault(name, index)
        return places

    @property
    def newline(self) -> str:
        """What lines of `blocks` end in."""
        return "\n" if self._mac else self.dialect.newline

    @property
    def divisible(self) -> bool:
        """Whether line ends and delimiters are single bytes, so that it can be cut anywhere."""
        return self.dialect.encoding in _ERRORS and not self._mac

    def blocks(
        self, stream: Readable, *, read: bytes = b"", line: int | None = None, beyond: bytes = b""
    ) -> Iterator[Block]:
        """Read the records from where a stream stands.

        Args:
            stream: the file, unpacked, behind the header; or a part of it.
            read: what was read of that already.
            line: how many lines came before; by default those before the first record.
            beyond: what follows a part.

        Raises:
            TableError: it can't be unpacked, or its quotes make no sense.
            SeamError: a part ends within a record.

        """
        named = [index for index, name in enumerate(self.header.names) if name]
        return blocks(
            self._text(stream, read),
            self.dialect.delimiter,
            self.width,
            needed=max(named, default=-1) + 1,
            line=self.lines if line is None else line,
            beyond=beyond,
        )

    def encoded(self, lines: bytes) -> bytes:
        """Return lines, as those of `blocks` are, as they stand in the file."""
        lines = lines.translate(_SWAPPED) if self._mac else lines
        encoding = self.dialect.encoding
        return lines if encoding == "utf-8" else lines.decode().encode(encoding, errors="replace")

    def foreign(self, schema: Schema) -> dict[str, NumberFormat]:
        """Return the formats of the fields whose numbers the schema alone would not read."""
        own = {f.name: f.format for f in schema.features if isinstance(f, Numeric)}
        read = schema.reading(self.formats).features
        return {
            f.name: f.format
            for f in read
            if isinstance(f, Numeric) and f.format != own[f.name] and f.name in self.columns
        }

    def described(self) -> dict[str, Any]:
        """Say for people how the file was read."""
        decimals = {name: _decimal(f) for name, f in self.formats.items()}
        return {
            **self.dialect.described(),
            **({"decimal": decimals.popitem()[1]} if len(set(decimals.values())) == 1 else {}),
            **({"decimals": decimals} if len(set(decimals.values())) > 1 else {}),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return asdict(self) | {"dialect": asdict(self.dialect) | {"bom": self.dialect.bom.hex()}}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read a stored layout."""
        found, names = dict(stored["dialect"]), dict(stored["header"])
        tuples = {key: tuple(value) for key, value in names.items() if isinstance(value, list)}
        return cls(
            dialect=Dialect(**found | {"bom": bytes.fromhex(found["bom"])}),
            header=Header(**names | tuples),
            formats={name: NumberFormat(**f) for name, f in stored["formats"].items()},
            body=stored["body"],
            lines=stored["lines"],
        )

    def _text(self, stream: Readable, read: bytes) -> Iterator[bytes]:
        """Yield UTF-8; what is no text in the file's encoding is none there either."""
        encoding = self.dialect.encoding
        chunks: Iterator[bytes] = chain([read], iter(lambda: files.read(stream), b""))
        if encoding != "utf-8":
            chunks = _utf_8(chunks, encoding)
        return (chunk.translate(_SWAPPED) for chunk in chunks) if self._mac else chunks

    @property
    def _mac(self) -> bool:
        """Whether lines end in carriage returns, which change places with line feeds then."""
        return self.dialect.newline == "\r"

    def _formats(
        self, head: bytes, complete: bool, schema: Schema | None
    ) -> dict[str, NumberFormat]:
        """Find out how numbers are written, from the records in the first bytes."""
        if schema is None:
            return {}
        numeric = {f.name for f in schema.features if isinstance(f, Numeric)} - schema.stated
        cells: dict[str, list[str]] = {name: [] for name in self.columns if name in numeric}
        for block in self.blocks(io.BytesIO(head[self.body :])):
            for name, column in cells.items():
                column += block.column(self.columns[name])
        last = None if complete else -1  # which may be cut off
        return formats({name: column[:last] for name, column in cells.items()})


def _utf_8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Decode text; what is none stays as it is, if that shows."""
    decoder = getincrementaldecoder(encoding)(_ERRORS.get(encoding, "replace"))
    for chunk in chunks:
        yield decoder.decode(chunk).encode(errors="surrogateescape")
    yield decoder.decode(b"", final=True).encode(errors="surrogateescape")


def _decimal(number: NumberFormat) -> str:
    return {",": "comma", ".": "point"}.get(number.decimal, number.decimal)
