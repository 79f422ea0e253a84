"""Rows of a delimited file, as they are given back.

A row is given back as it came, byte by byte, apart from line ends and columns that are ours. It is
written anew only where its quotes took care to read, or where a spreadsheet would execute a cell.
"""

import csv
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from evergreen.customers.careful import Places
from evergreen.customers.cells import plain_numbers
from evergreen.customers.layout import Layout
from evergreen.customers.records import Block
from evergreen.customers.values import defused

_SHOWN = 1_000  # characters of a row that is too long to be given back
_SPACE = ord(" ")
_SWAPPED = str.maketrans("\r\n", "\n\r")
_STARTS = np.zeros(256, np.bool_)
_STARTS[[*b"=+-@\t\r\xef"]] = True  # what a formula starts with; \xef for forms of full width
_STARTS[[*b"\n\v\f\x1c\x1d\x1e\x1f\xc2\xe1\xe2\xe3"]] = True  # and what other spaces start with


class _Written(list[str]):
    """What a csv writer wrote, line by line."""

    write = list.append


class Lines:
    """Writes rows in the dialect of their file; threads may share it."""

    def __init__(self, layout: Layout, kept: int) -> None:
        """Prepare for a file, of whose columns so many are the user's own."""
        self._width, self._kept = layout.width, kept
        self._delimiter, self._newline = layout.dialect.delimiter, layout.newline
        self._defused = defused if layout.newline == layout.dialect.newline else _swapped_defused

    def line(self, cells: Iterable[str]) -> str:
        """Write a row, with its line end."""
        return self._written([map(self._defused, cells)])[0]

    def ends(self, rows: Iterable[Sequence[str]]) -> list[bytes]:
        """Write what is put behind the cells of rows, to their line ends; it holds no formulas."""
        written = self._written(["x", *cells] for cells in rows)
        return [line.encode().removeprefix(b"x") for line in written]

    def of(self, block: Block, rows: Places) -> list[bytes]:
        """Return rows of a block, each without its line end."""
        data, first, last = block.data, block.records[rows], block.raw[rows, self._kept - 1]
        places = zip(first.tolist(), np.maximum(first, last).tolist(), strict=True)
        lines = [data[start:end] for start, end in places]
        for place in np.flatnonzero((last < 0) | self._executed(block)[rows]).tolist():
            written = self.line(self.cells(block, int(rows[place])))
            lines[place] = written.removesuffix(self._newline).encode()
        return lines

    def cells(self, block: Block, row: int) -> list[str]:
        """Return the cells of a row."""
        return block.row(row)[: self._kept]

    def unread(self, text: str) -> Sequence[str]:
        """Make cells of a row that could not be read; the last holds those that are too many."""
        if len(text) > _SHOWN:
            text = text[:_SHOWN] + "…"
        text = text.replace("\0", "\ufffd")
        try:
            cells = next(csv.reader([text], delimiter=self._delimiter, strict=True), [])
        except csv.Error:
            cells = text.split(self._delimiter)
        if len(cells) == self._width:
            return cells[: self._kept]
        cells += [""] * (self._kept - len(cells))
        return [*cells[: self._kept - 1], self._delimiter.join(cells[self._kept - 1 :])]

    def _written(self, rows: Iterable[Iterable[str]]) -> list[str]:
        out = _Written()
        csv.writer(out, delimiter=self._delimiter, lineterminator=self._newline).writerows(rows)
        return out

    def _executed(self, block: Block) -> npt.NDArray[np.bool_]:
        """Return which rows have a cell that a spreadsheet would execute, shape (rows,)."""
        content = np.frombuffer(block.data, np.uint8)
        starts, ends = block.starts[:, : self._kept], block.ends[:, : self._kept]
        first = content[starts]
        if (first == _SPACE).any():
            starts = starts.copy()
            while (padded := first == _SPACE).any():  # a space more behind no cell
                starts += padded
                first = content[starts]
        rows, columns = np.nonzero(_STARTS[first] & (starts < ends))
        starts, ends = block.starts[rows, columns], ends[rows, columns]
        numbers = plain_numbers(block.data, starts, ends, ".")[1]
        numbers |= plain_numbers(block.data, starts, ends, ",")[1]
        found = np.zeros(len(block), np.bool_)
        for place in np.flatnonzero(~numbers).tolist():
            row, a, b = rows[place], starts[place], ends[place]
            cell = block.data[a:b].decode()
            found[row] |= self._defused(cell) != cell
        return found


def _swapped_defused(cell: str) -> str:
    """As `defused`, where carriage returns and line feeds have changed places."""
    return defused(cell.translate(_SWAPPED)).translate(_SWAPPED)
