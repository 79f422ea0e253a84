"""Lines of a delimited file that are no plain records, read one by one as Python's csv module does.

A record goes on in the next line where a quoted cell is open at the end of its line, for `LIMIT`
characters at the most. What can't be read spoils its own line and no other: the next line is read
as if a record started there.
"""

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evergreen.errors import TableError

LIMIT = 131_072
"""The most characters of a cell, and of a record behind its first line."""
LONGEST = 8 * LIMIT
"""The most bytes of a line; what is longer is not even kept."""

_AHEAD = 1 << 25  # characters that are read on into further lines of a block, all in all

ROWS = ("the row ", "the line ")
"""How all reasons begin that concern a record as a whole."""

Places = npt.NDArray[np.intp]


class Rejected(NamedTuple):
    """A record that can't be read."""

    line: int
    """Where it ends in the file; the first line is 1."""
    reason: str
    text: str
    """As it stands, without its line end."""


class SeamError(ValueError):
    """Bytes that were to end with a record end within one."""


class Row(NamedTuple):
    """A record that was read."""

    line: int
    """Where it starts; the first line is 0."""
    last: int
    cells: list[bytes]


class _TooLongError(csv.Error):
    pass


class Careful:
    """Whole lines, and what becomes of those that are read here."""

    def __init__(
        self,
        data: bytes,
        starts: Places,
        ends: Places,
        delimiter: str,
        widths: tuple[int, int],
        beyond: bytes | None,
    ) -> None:
        """Prepare for lines.

        Args:
            data: what they are in.
            starts: shape (lines,).
            ends: shape (lines,), of their newlines.
            delimiter: between cells.
            widths: how many cells a record needs, and how many it has; more are empty, if at all.
            beyond: what follows the lines; None where that is still to be read.

        """
        self.rows: list[Row] = []
        self.rejected: list[Rejected] = []
        """With the line counted from 0."""
        self.blank = 0
        self.left: int | None = None
        """The line at which the last record starts, if what is still to be read belongs to it."""
        self._ahead = 0
        self._data, self._starts, self._ends = data, starts, ends
        self._delimiter, self._widths, self._beyond = delimiter, widths, beyond

    def all(self, plain: npt.NDArray[np.bool_]) -> None:
        """Read each line that is not plain, and say which of the others are part of a record.

        Raises:
            SeamError: the last record goes on beyond what follows the lines.
            TableError: so many lines have an open quote that they can't be read in time.

        """
        read = -1
        for line in np.flatnonzero(~plain).tolist():
            if line <= read:
                continue
            read = self._read(line)
            plain[line : read + 1] = False
            if self.left is not None:
                plain[line:] = False
                return

    def places(self, start: int) -> tuple[Places, Places]:
        """Where the cells of the rows are, once they stand one after the other from a place on."""
        sizes = np.array([[len(cell) for cell in row.cells] for row in self.rows], dtype=np.intp)
        ends = start + np.cumsum(sizes).reshape(sizes.shape)
        return ends - sizes, ends

    def _read(self, line: int) -> int:
        """Read the record that starts with a line, and return its last line."""
        if self._ends[line] - self._starts[line] > LONGEST:
            return self._reject(line, line, f"is longer than {LONGEST:,} bytes")
        try:
            cells, last = self._parse(line)
        except csv.Error as error:
            return line if self.left is not None else self._reject(line, line, _told(error))
        raw = self._raw(line, last)
        needed, width = self._widths
        fits = len(cells) >= needed and not any(cells[width:])
        until = last if fits else line  # quotes that make other cells are no quotes
        if b"\0" in raw:
            return self._reject(line, until, "holds a NUL character")
        if not is_text(raw):
            return self._reject(line, until, "is not text in the encoding of the file")
        if width > 1 and not (any(cells) and raw.strip(b" ")):
            self.blank += 1
            return last
        if not fits:
            return self._reject(line, until, f"has {len(cells)} cells, the header {width}")
        fit = [*cells, *[""] * (width - len(cells))][:width]
        self.rows.append(Row(line, last, [cell.encode() for cell in fit]))
        return last

    def _reject(self, line: int, last: int, why: str) -> int:
        text = self._raw(line, last).decode(errors="replace")
        self.rejected.append(Rejected(last, f"{ROWS[0]}{why}", text))
        return last

    def _raw(self, line: int, last: int) -> bytes:
        return self._data[self._starts[line] : self._ends[last]].removesuffix(b"\r")

    def _parse(self, line: int) -> tuple[list[str], int]:
        """Return the cells of the record that starts with a line, and its last line."""
        reader = csv.reader(self._lines(line), delimiter=self._delimiter, strict=True)
        cells = next(reader) or [""]
        last = line + reader.line_num - 1
        if last >= len(self._ends):
            raise SeamError(f"the record that starts in line {line + 1} goes on beyond the end")
        return cells, last

    def _lines(self, line: int) -> Iterator[str]:
        """Yield lines from one on, as far as a record may go."""
        room = LIMIT
        lines = chain(self._own(line), self._more(line))
        yield next(lines)
        for text in lines:
            room -= len(text)
            if room < 0:
                raise _TooLongError
            self._ahead += len(text)
            if self._ahead > _AHEAD:
                raise TableError("quotes begin in many lines and end in none: is it a CSV?")
            yield text

    def _own(self, line: int) -> Iterator[str]:
        for start, end in zip(self._starts[line:], self._ends[line:], strict=True):
            yield self._data[start : end + 1].decode(errors="replace")

    def _more(self, line: int) -> Iterator[str]:
        if self._beyond is None:
            self.left = line  # the next bytes will tell
        else:
            yield from io.StringIO(self._beyond.decode(errors="replace"), newline="")


def is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _told(error: csv.Error) -> str:
    """Say in people's words why a row can't be read."""
    if isinstance(error, _TooLongError) or "field larger" in str(error):
        return f"has a cell of more than {LIMIT:,} characters, or a quote that does not end"
    if "end of data" in str(error):
        return "has a quote that does not end"
    if "new-line" in str(error):
        return "holds a carriage return outside quotes"
    return f"is badly quoted: {error}"
