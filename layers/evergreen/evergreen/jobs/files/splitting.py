"""A large table → byte ranges that start and end with records, without reading it all.

Whether a line starts a record or stands within a quoted cell depends on all that comes before it.
But where the bytes behind its start can't be the rest of a record with an open cell (because the
next quotation mark ends none, or too many cells follow), it does start one: so every cut is looked
for, near where it is wished, by trying to read on as if within a cell (after Ge et al., Speculative
Distributed CSV Data Parsing, SIGMOD 2019). Data of nearly every kind excludes that at the first
line or two; where it does not for megabytes, there is no cut.

Nothing hangs on that. Who reads a range notices a record that goes on beyond its end
(`records.SeamError`), and the first range starts where the first record does: if no reader
complains, each cut is a record's end, one after the other.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from evergreen.customers.dialect import Dialect

Read = Callable[[int, int], bytes]
"""Returns the bytes [start, end) of a file; may be called from several threads."""

MOST = 9_000
"""So many ranges at most: S3 puts 10,000 parts together, and one of them is the header."""

_WINDOWS = (1 << 18, 1 << 20, 1 << 22)  # bytes to look at for one cut, and for a second and third
_THREADS = 16


def cuts(
    read: Read, size: int, part_bytes: int, dialect: Dialect, width: int, start: int
) -> list[tuple[int, int]]:
    """Cut a file into ranges [start, end) of about the same size, in order and without gaps.

    Args:
        read: reads the file.
        size: of the file, in bytes.
        part_bytes: how large a range should be at most; larger where there would be too many.
        dialect: of the file, in an encoding that keeps ASCII as single bytes.
        width: the number of the header's cells.
        start: where the first record after the header starts.

    """
    number = max(1, min(MOST, -(-(size - start) // part_bytes)))
    wished = [start + (size - start) * i // number for i in range(1, number)]
    search = _Search(read, size, dialect, width)
    with ThreadPoolExecutor(_THREADS) as pool:
        found = set(pool.map(search.near, wished))
    edges = [start, *sorted(place for place in found if place is not None), size]
    return list(pairwise(edges))


def manifest(ranges: Sequence[tuple[int, int]]) -> bytes:
    """List ranges as the state machine reads them: a CSV of `part` (from 0), `start` and `end`."""
    lines = [f"{part},{start},{end}\n" for part, (start, end) in enumerate(ranges)]
    return "".join(["part,start,end\n", *lines]).encode()


class _TooShort(Exception):
    """The bytes at hand don't tell."""


@dataclass(frozen=True, slots=True)
class _Search:
    read: Read
    size: int
    dialect: Dialect
    width: int

    def near(self, wished: int) -> int | None:
        """Find the start of a record at or after a place; None where none is certain nearby."""
        before = wished - 1  # a line may end there
        for window in _WINDOWS:
            end = min(self.size, before + window)
            try:
                place = self._first(self.read(before, end), whole=end == self.size)
            except _TooShort:
                continue
            return None if place is None else before + place
        return None

    def _first(self, data: bytes, whole: bool) -> int | None:
        """Find the first line that surely starts a record; None where the file ends before it."""
        place = self._line_end(data, 0, whole)
        while place < len(data):
            end = self._open_record(data, place, whole)
            if end is None:
                return place
            place = end  # the lines up to there end as this one does
        if whole:
            return None
        raise _TooShort

    def _open_record(self, data: bytes, place: int, whole: bool) -> int | None:
        """Read on as if within a quoted cell; return where its record ends, None if it can't be."""
        ends: list[int] = []

        def lines() -> Iterator[str]:
            opened, start = '"', place
            while start < len(data):
                ends.append(self._line_end(data, start, whole))
                yield opened + data[start : ends[-1]].decode(self.dialect.encoding, "replace")
                opened, start = "", ends[-1]
            if not whole:
                raise _TooShort

        try:
            cells = next(csv.reader(lines(), delimiter=self.dialect.delimiter, strict=True))
        except csv.Error:
            return None
        return None if any(cells[self.width :]) else ends[-1]

    def _line_end(self, data: bytes, start: int, whole: bool) -> int:
        end = data.find(self.dialect.newline[-1].encode(), start) + 1
        if end:
            return end
        if whole:
            return len(data)
        raise _TooShort
