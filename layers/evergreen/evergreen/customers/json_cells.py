"""Cells of JSON lines → numbers, without making an object of every value.

A cell is what stands between two texts of a line's shape (see `store.decoding`). Plain numbers and
times are computed for a whole column at once, and what a text stands for that occurs again is
looked up among those that were read before; all else is read by orjson, one by one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import orjson

from evergreen.customers.careful import Places
from evergreen.customers.cells import plain_numbers

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MARGIN = b"\0" * 256
"""What stands behind the last cell, so that whole words can be read from its start."""

_REMEMBERED = 4_096  # texts of a column, …
_LONGEST = 32  # … and their bytes
_U = np.uint64
_SPREAD = _U(0x9E3779B97F4A7C15)
_FACTORS = np.arange(1, 32, 2, dtype=_U) * _SPREAD
_SHIFT: Words = np.array([64 - 8 * n for n in range(9)], _U)


@dataclass(frozen=True, slots=True)
class Cells:
    """Values of one member: the texts `data[starts[r]:ends[r]]`."""

    data: bytes
    """It ends with a margin."""
    starts: Places
    ends: Places
    quoted: bool = True
    """Whether they are strings; else they may be numbers, true, false, null, or wrong."""

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Self:
        """Put texts together."""
        ends = np.cumsum([0, *map(len, texts)])
        return cls(b"".join([*texts, MARGIN]), ends[:-1], ends[1:])

    def __len__(self) -> int:
        return len(self.starts)

    def some(self, rows: Places) -> "Cells":
        """Return the cells of some rows."""
        return Cells(self.data, self.starts[rows], self.ends[rows], quoted=self.quoted)

    def texts(self, rows: Places) -> list[bytes]:
        """Return some of the texts."""
        starts, ends = self.starts[rows].tolist(), self.ends[rows].tolist()
        return [self.data[a:b] for a, b in zip(starts, ends, strict=True)]

    def values(self, rows: Places) -> list[Any]:
        """Return some of the values, as orjson reads them; an empty list for what is none."""
        texts = self.texts(rows)
        return [text.decode() for text in texts] if self.quoted else [*map(bare, texts)]

    def fixed(self, size: int, rows: Places | slice = slice(None)) -> npt.NDArray[np.uint8]:
        """Return so many bytes from each start on, shape (rows, size)."""
        found = at(self.data, size)[self.starts[rows]]
        return found.view(np.uint8).reshape(-1, size)


def bare(text: bytes) -> Any:
    """Return the value that a text is as JSON, or an empty list, which is nobody's value."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return []


def numbers(cells: Cells, decimal: str = ".") -> tuple[Floats, Mask]:
    """Read plain numbers, and say which of the cells are such; see `plain_numbers`.

    Of what is not in quotes they are what Python's float makes of the number that orjson reads.
    """
    data, starts, ends = cells.data, cells.starts, cells.ends
    values, plain = plain_numbers(data, starts, ends, decimal)
    if not cells.quoted:
        content = np.frombuffer(data, np.uint8)
        plain &= content[starts] != ord("-")  # there is a negative zero
        plain &= content[ends - 1] != ord(".")
        zero = content[starts] == ord("0")  # may not stand before another digit
        plain &= ~zero | (ends - starts == 1) | (content[starts + 1] == ord("."))
    return values, plain


class Column(NamedTuple):
    """Cells of one member of many lines, and who reads them."""

    name: str
    cells: Cells
    read: Callable[[Sequence[Any]], Sequence[float]]
    """Makes numbers of values."""


class Known:
    """The numbers that texts of columns stand for, of which there are few in each.

    A table finds most texts, by their first eight bytes and their sizes, all columns at once. Where
    two fall on the same place of it, the second is looked up as Python does, one by one.
    """

    def __init__(self) -> None:
        """Start without any."""
        self._texts: dict[tuple[str, bool], dict[bytes, float]] = {}
        """Of each name, in quotes or not."""
        self._numbers: dict[tuple[str, bool], int] = {}
        self._arrange()

    def __call__(self, columns: Sequence[Column]) -> Floats:
        """Return the numbers of columns of the same lines, shape (columns, lines)."""
        words = words_of(columns[0].cells.data)
        starts = np.concatenate([column.cells.starts for column in columns])
        ends = np.concatenate([column.cells.ends for column in columns])
        sizes = ends - starts
        first = words[starts] << _SHIFT[np.minimum(sizes, 8)]
        tags = sizes + np.repeat([*map(self._tag, columns)], len(columns[0].cells))
        places = self._table[self._slots(first, tags)]
        seen = (self._first[places] == first) & (self._tags[places] == tags)
        if self._longest > 8:
            long = np.flatnonzero(seen & (sizes > 8))
            own, starts, ends = places[long], starts[long], ends[long]
            alike = words[ends - 8] == self._tail[own]
            for within, offset in zip(self._within, range(8, self._longest, 8), strict=False):
                more = ends - starts > offset + 8
                alike &= ~more | (words[starts + offset] == within[own])
            seen[long] = alike
        values = self._values[places].reshape(len(columns), -1)
        if not seen.all():
            before = self._count
            for column, some, own in zip(columns, seen.reshape(values.shape), values, strict=True):
                new = np.flatnonzero(~some)
                if len(new):
                    own[new] = self._learn(column, new)
            if self._count > before:
                self._arrange()
        return values

    def _tag(self, column: Column) -> int:
        """What is added to the sizes of a column's texts to tell them from those of others."""
        key = column.name, column.cells.quoted
        if key not in self._texts:
            self._texts[key] = {}
            self._numbers[key] = len(self._numbers) << 32
        return self._numbers[key]

    @property
    def _count(self) -> int:
        return sum(map(len, self._texts.values()))

    def _learn(self, column: Column, rows: Places) -> list[float]:
        known = self._texts[column.name, column.cells.quoted]
        texts = column.cells.texts(rows)
        once = {t: row for t, row in zip(texts, rows.tolist(), strict=True) if t not in known}
        values = column.cells.values(np.array([*once.values()], np.intp))
        told = dict(zip(once, column.read(values), strict=True)) if once else {}
        found = [told[text] if text in told else known[text] for text in texts]
        fitting = {t: value for t, value in told.items() if len(t) <= _LONGEST}
        if len(known) + len(fitting) <= _REMEMBERED:
            known |= fitting
        return found

    def _arrange(self) -> None:
        """Lay the texts out as arrays, and behind them one that is none."""
        texts = [text for known in self._texts.values() for text in known]
        values = [value for known in self._texts.values() for value in known.values()]
        owners = np.repeat(np.arange(len(self._texts)), [*map(len, self._texts.values())])
        self._longest = max(map(len, texts), default=0)
        cells, none = Cells.of(texts), np.zeros(1, _U)
        words, starts, ends = words_of(cells.data), cells.starts, cells.ends
        sizes = ends - starts
        first = words[starts] << _SHIFT[np.minimum(sizes, 8)]
        tags = sizes + (owners << 32)
        self._first = np.concatenate([first, none])
        self._tags = np.concatenate([tags, [-1]])
        self._tail = np.concatenate([words[np.maximum(ends - 8, 0)], none])
        self._within = [
            np.concatenate([words[starts + offset], none])
            for offset in range(8, self._longest - 8, 8)
        ]
        self._values = np.array([*values, np.nan])
        bits = min(6 + len(texts).bit_length(), 16)  # far more places than texts
        self._shift = _U(64 - bits)
        for self._factor in _FACTORS:
            slots = self._slots(first, tags)
            if len(np.unique(slots)) == len(slots):
                break
        self._table = np.full(1 << bits, len(texts), np.intp)
        self._table[slots] = np.arange(len(texts))

    def _slots(self, first: Words, tags: Places) -> Places:
        """Where in the table each text stands."""
        mixed = (first ^ tags.view(_U) * _SPREAD) * self._factor
        return np.asarray((mixed >> self._shift).view(np.intp))


def words_of(data: bytes) -> Words:
    """Return the eight bytes from each place on, as one little-endian number."""
    return np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))


def at(data: bytes, size: int) -> npt.NDArray[np.void]:
    """Return so many bytes from each place on."""
    return np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PATTERN = np.frombuffer(b"0000-00-00T00:00:00.000000+00:00", np.uint8)
_DIGITS = np.flatnonzero(_PATTERN[:26] == _PATTERN[0])
_SIGNS = np.setdiff1d(np.arange(32), _DIGITS)  # and the zone
_YEAR_1 = -62_135_596_800_000_000
_UUID = 36  # signs, of which these are dashes
_DASHES = [8, 13, 18, 23]
_EACH = _U(0x0101010101010101)  # 1 in each byte


def microseconds(time: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def times(cells: Cells) -> tuple[npt.NDArray[np.int64], Mask]:
    """Read ISO times that state their zone: microseconds since 1970, and which cells are such."""
    found = np.zeros(len(cells), np.int64)
    read = cells.ends - cells.starts == len(_PATTERN)
    rows = np.flatnonzero(read)
    if len(rows):
        signs = cells.fixed(len(_PATTERN), rows)
        usual = (signs[:, _DIGITS] - _PATTERN[0] < 10).all(axis=1)
        usual &= (signs[:, _SIGNS] == _PATTERN[_SIGNS]).all(axis=1)
        rows, signs = rows[usual], signs[usual]
        try:
            stamps = np.ascontiguousarray(signs[:, :26]).view("S26").astype("M8[us]")
            found[rows] = stamps.astype(np.int64)[:, 0]
        except ValueError:  # there is no such day or hour among them
            rows = rows[:0]
        read[:] = False
        read[rows] = found[rows] >= _YEAR_1
    others = np.flatnonzero(~read)
    if len(others):
        texts = cells.texts(others)
        told = {text: _time(text) for text in set(texts)}
        read[others] = [told[text] is not None for text in texts]
        found[others] = [told[text] or 0 for text in texts]
    return found, read


def _time(text: bytes) -> int | None:
    try:
        time = datetime.fromisoformat(text.decode())
        return microseconds(time) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def ids(cells: Cells) -> Words:
    """Return each text as two numbers, shape (cells, 2), which tell it from others.

    Those of UUIDs are in the order of the texts.
    """
    found = np.zeros((len(cells), 2), np.uint64)
    found[:, 1] = hashed(cells)
    rows = np.flatnonzero(cells.ends - cells.starts == _UUID)
    if len(rows):
        signs = cells.fixed(_UUID, rows)
        parts = np.split(signs, [8, 9, 13, 14, 18, 19, 23, 24], axis=1)[::2]
        hexadecimal = np.concatenate(parts, axis=1).view("<u8")
        nibbles = hexadecimal + (hexadecimal >> _U(6) & _EACH) * _U(9) & _EACH * _U(15)
        letters = nibbles + _EACH * _U(6) >> _U(4) & _EACH
        usual = (hexadecimal == nibbles + _EACH * _U(0x30) + letters * _U(0x27)).all(axis=1)
        usual &= (signs[:, _DASHES] == ord("-")).all(axis=1)
        pairs = (nibbles << _U(4) | nibbles >> _U(8)).view("<u2")
        found[rows[usual]] = pairs.astype(np.uint8).view(">u8")[usual]
    return found


def hashed(cells: Cells) -> Words:
    """Hash texts, the same way in every process; not against those who look for collisions."""
    words, rest = words_of(cells.data), cells.ends - cells.starts
    hashes, places = rest.astype(_U), cells.starts
    rows = np.flatnonzero(rest > 0)
    while len(rows):
        shift = (64 - 8 * np.minimum(rest[rows], 8)).astype(_U)
        mixed = (hashes[rows] ^ words[places[rows]] << shift) * _SPREAD
        hashes[rows] = mixed ^ mixed >> _U(29)
        rest, places = rest - 8, places + 8
        rows = rows[rest[rows] > 0]
    return hashes
