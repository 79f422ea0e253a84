"""Bytes of a delimited file → its records, each as the places of its cells.

A record is a line, or more of them where a quoted cell is still open at a line's end. Nearly all
lines hold no quote, or cells that are quoted whole: numpy cuts them all at once. What is left is
read with care, line by line.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from evergreen.customers.careful import (
    LIMIT,
    LONGEST,
    Careful,
    Places,
    Rejected,
    SeamError,
    is_text,
)

BLOCK = 1 << 20
"""So many bytes are cut at once, or more where a record is longer."""

_MARGIN = b"\0" * 32  # behind the last cell, so that whole words can be read from its start
_LF, _CR, _QUOTE = 10, 13, 34


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive records: the cell of row r and column c is `data[starts[r, c]:ends[r, c]]`.

    The cells of a record that was read with care lie behind all others.
    """

    data: bytes
    """UTF-8, and 32 bytes more."""
    starts: Places
    """Shape (rows, columns)."""
    ends: Places
    """Shape (rows, columns)."""
    records: Places
    """Shape (rows,): where each record starts in `data`."""
    raw: Places
    """Shape (rows, columns): where each cell ends, its quotes included; -1 if read with care."""
    lines: Places
    """Shape (rows,): where each record ends in the file; the first line is 1."""
    rejected: Sequence[Rejected]
    """In order of their lines."""
    blank: int
    """How many lines were empty, or nothing but delimiters."""

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, column: int, rows: Places | None = None) -> list[str]:
        """Return the text of a column's cells, of all rows or of some."""
        chosen = slice(None) if rows is None else rows
        starts, ends = self.starts[chosen, column].tolist(), self.ends[chosen, column].tolist()
        data = self.data
        return [data[start:end].decode() for start, end in zip(starts, ends, strict=True)]

    def row(self, row: int) -> list[str]:
        """Return the text of a row's cells."""
        places = zip(self.starts[row].tolist(), self.ends[row].tolist(), strict=True)
        return [self.data[start:end].decode() for start, end in places]


def blocks(
    chunks: Iterable[bytes],
    delimiter: str,
    width: int,
    *,
    needed: int | None = None,
    line: int = 0,
    beyond: bytes = b"",
) -> Iterator[Block]:
    """Cut bytes into records.

    Args:
        chunks: UTF-8, from the start of a record on; lines end in LF or CR LF.
        delimiter: one ASCII character.
        width: how many cells a record has.
        needed: so many cells are enough, the others are empty then; by default all are needed.
        line: how many lines of the file came before.
        beyond: what follows in the file, if the chunks are a part of it: up to a few times `LIMIT`.

    Raises:
        SeamError: the last record goes on beyond the chunks.
        TableError: so many lines have an open quote that they can't be read in time.

    """
    cut = _Cutter(ord(delimiter), width, width if needed is None else needed)
    source, rest, ended = iter(chunks), b"", False
    while not ended:
        gathered, size = [rest], 0
        while size < BLOCK and not ended:
            chunk = next(source, None)
            ended = chunk is None
            gathered.append(chunk or b"")
            size += len(chunk or b"")
        data = b"".join(gathered)
        if ended and data and not data.endswith(b"\n"):
            if beyond:
                raise SeamError("the last line goes on beyond the end")
            data += b"\n"
        end = data.rfind(b"\n") + 1
        if len(data) - end > LONGEST:
            data = data[: end + LONGEST + 1] + _after_line(source)
            end = data.rfind(b"\n") + 1
        if width == 1 and not beyond.strip(b"\r\n"):
            end = _filled(data[:end])
        block, used, lines = cut(data[:end], line, beyond if ended else None)
        line, rest = line + lines, data[used:]
        if len(block) or block.rejected or block.blank:
            yield block


def _filled(lines: bytes) -> int:
    """Return where the last line ends that is not empty: at the end of a file such are no rows."""
    return lines.find(b"\n", len(lines.rstrip(b"\r\n"))) + 1 if lines.strip(b"\r\n") else 0


def _after_line(source: Iterator[bytes]) -> bytes:
    """Pass over the rest of a line, and return what was read from its end on."""
    for chunk in source:
        place = chunk.find(b"\n")
        if place >= 0:
            return chunk[place:]
    return b"\n"


@dataclass(frozen=True, slots=True)
class _Cutter:
    delimiter: int
    width: int
    needed: int

    def __call__(self, data: bytes, line: int, beyond: bytes | None) -> tuple[Block, int, int]:
        """Cut whole lines; return also how many bytes and lines of them the records take.

        Where `beyond` is None more may follow, and a last record that is open is left over.
        """
        found = _Found(data, self.delimiter)
        plain = found.cells == self.width
        plain[found.spoilt(data)] = False
        read = Careful(
            data,
            found.line_starts,
            found.line_ends,
            chr(self.delimiter),
            (self.needed, self.width),
            beyond,
        )
        read.all(plain)
        chosen = plain[found.line]
        shape = (-1, self.width)
        starts, ends = found.starts[chosen].reshape(shape), found.ends[chosen].reshape(shape)
        raw = found.raw[chosen].reshape(shape)
        last = np.flatnonzero(plain)
        filled = (ends > starts).any(axis=1) | (self.width == 1)
        blank = read.blank + len(filled) - int(filled.sum())
        if blank:
            starts, ends, raw, last = starts[filled], ends[filled], raw[filled], last[filled]
        records = found.line_starts[last]
        if read.rows:
            more = read.places(len(data))
            starts, ends = np.vstack([starts, more[0]]), np.vstack([ends, more[1]])
            raw = np.vstack([raw, np.full_like(more[0], -1)])
            first = np.array([row.line for row in read.rows], dtype=np.intp)
            records = np.concatenate([records, found.line_starts[first]])
            last = np.concatenate([last, [row.last for row in read.rows]])
            order = np.argsort(records)
            starts, ends, raw = starts[order], ends[order], raw[order]
            records, last = records[order], last[order]
        content = b"".join([data, *chain.from_iterable(row.cells for row in read.rows), _MARGIN])
        rejected = [r._replace(line=line + 1 + r.line) for r in read.rejected]
        block = Block(content, starts, ends, records, raw, line + 1 + last, rejected, blank)
        used = len(data) if read.left is None else int(found.line_starts[read.left])
        return block, used, len(plain) if read.left is None else read.left


class _Found:
    """The cells of every line, if each line is a record of its own."""

    def __init__(self, data: bytes, delimiter: int) -> None:
        self.bytes = np.frombuffer(data, np.uint8)
        special = self.bytes == delimiter
        special |= self.bytes == _LF
        quoted = b'"' in data
        if quoted:
            special |= self.bytes == _QUOTE
        places = np.flatnonzero(special)
        kinds = self.bytes[places]
        newline = kinds == _LF
        if quoted:
            quotes = np.cumsum(kinds == _QUOTE)  # up to each place
            line = np.cumsum(newline) - newline
            before = np.concatenate([[0], quotes[newline]])  # each line
            inside = (quotes - before[line]) & 1
            kept = newline | ((kinds == delimiter) & (inside == 0))
            places, newline, quotes = places[kept], newline[kept], quotes[kept]
        self.raw = places
        self.starts = np.empty_like(places)
        self.starts[:1], self.starts[1:] = 0, places[:-1] + 1
        last = np.flatnonzero(newline)
        self.line_ends = places[last]
        self.line_starts = np.concatenate([np.zeros(1, np.intp), self.line_ends + 1])[:-1]
        self.cells = np.diff(last, prepend=-1)
        self.line = np.repeat(np.arange(len(last)), self.cells)
        self.returns = np.zeros(len(last), np.intp)
        if b"\r" in data:
            self.returns = (self.bytes[self.line_ends - 1] == _CR) & (
                self.line_ends > self.line_starts
            )
            self.raw = places.copy()
            self.raw[last] -= self.returns
        self.ends = self.raw
        self._improper = np.empty(0, np.intp)
        if quoted:
            self._unquote(np.diff(quotes, prepend=0))

    def _unquote(self, quotes: Places) -> None:
        """Take the quotes off cells that are quoted whole; note the lines where others are."""
        some = np.flatnonzero(quotes)
        starts, ends = self.starts[some], self.raw[some]
        whole = (quotes[some] == 2) & (ends - starts >= 2)
        whole &= (self.bytes[starts] == _QUOTE) & (self.bytes[ends - 1] == _QUOTE)
        self.starts, self.ends = self.starts.copy(), self.raw.copy()
        self.starts[some[whole]] += 1
        self.ends[some[whole]] -= 1
        self._improper = self.line[some[~whole]]

    def spoilt(self, data: bytes) -> Places:
        """Return the lines that need care, whatever their number of cells."""
        lines = [self._improper, np.flatnonzero(self.line_ends - self.line_starts > LIMIT)]
        if b"\0" in data:
            lines.append(self._lines_of(np.flatnonzero(self.bytes == 0)))
        if b"\r" in data:
            returns = np.flatnonzero(self.bytes == _CR)
            lines.append(self._lines_of(returns[self.bytes[returns + 1] != _LF]))
        if not data.isascii() and not is_text(data):
            high = np.unique(self._lines_of(np.flatnonzero(self.bytes >= 0x80)))
            lines.append(high)
        return np.concatenate(lines)

    def _lines_of(self, places: Places) -> Places:
        return np.searchsorted(self.line_ends, places)
