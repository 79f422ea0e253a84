"""Cells of a block → the numbers that `Schema.encode` makes of their text, without making text.

Nothing here knows what a value means. A text that occurs again is looked up among those that its
feature has read before; a plain number is computed as Python's float would, exactly; and all else
is given to the feature itself.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evergreen.customers.careful import Places
from evergreen.customers.features import Categorical, Numeric
from evergreen.customers.records import Block
from evergreen.customers.schema import Encoded, Schema
from evergreen.errors import Problem

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MOST = 4_096  # texts of a feature that are remembered, …
_LONGEST = 32  # … and their bytes

_U = np.uint64
_BELOW: Words = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=_U)  # so many bytes of a word
_ZEROS: Words = np.array([0x3030303030303030 >> 8 * n if n < 8 else 0 for n in range(9)], dtype=_U)
_SHIFT: Words = np.array([(64 - 8 * n) % 64 for n in range(9)], dtype=_U)
_POWERS: Floats = np.array([10.0**n for n in range(16)])
_DIGITS = 15  # so many are exact in float64, and so is a power of ten to divide them by


class Encoder:
    """Encodes blocks of one file; threads may share it."""

    def __init__(self, schema: Schema, columns: Mapping[str, int]) -> None:
        """Prepare for a file.

        Args:
            schema: as it reads that file; see `Schema.reading`.
            columns: which column each feature is; features that are none are missing in all rows.

        """
        self._schema = schema
        self._columns = columns
        self._readers = [
            (_Levels(f) if isinstance(f, Categorical) else _Numbers(f), columns[f.name])
            if f.name in columns
            else None
            for f in schema.features
        ]
        self._low = np.array([[feature.low] for feature in schema.features])
        self._high = np.array([[feature.high] for feature in schema.features])
        self._optional = np.array([[not feature.required] for feature in schema.features])
        self._whole = np.flatnonzero([feature.integer for feature in schema.features])

    def encode(self, block: Block) -> Encoded:
        """Return what `Schema.encode` returns for the text of the cells."""
        exact = np.full((len(self._readers), len(block)), np.nan)
        for codes, reader in zip(exact, self._readers, strict=True):
            if reader:
                codes[:] = reader[0].codes(block, reader[1])
        fits = (exact >= self._low) & (exact <= self._high) | np.isnan(exact) & self._optional
        for j in self._whole:
            fits[j] &= (exact[j] == np.rint(exact[j])) | np.isnan(exact[j])
        odd = np.flatnonzero(~fits.all(axis=0))
        exact[:, odd] = np.nan
        matrix = np.ascontiguousarray(exact.T, dtype=np.float32)
        problems: list[Problem] = []
        if len(odd):  # what is wrong with them is the schema's to say
            columns = {name: block.column(c, odd) for name, c in self._columns.items()}
            matrix[odd], found = self._schema.encode(columns, len(odd))
            problems = [problem._replace(row=int(odd[problem.row])) for problem in found]
        return Encoded(matrix, problems)


class _Known(NamedTuple):
    """Texts and their codes, in order of a hash of the text."""

    hashes: Words
    words: Words
    """Shape (words, texts)."""
    sizes: Places
    codes: Floats
    texts: dict[bytes, float]


class _Levels:
    """Reads a category: its texts are few, and were all seen before."""

    def __init__(self, feature: Categorical) -> None:
        self._feature = feature
        self._known = _know({})

    def codes(self, block: Block, column: int) -> Floats:
        known = self._known
        starts = np.ascontiguousarray(block.starts[:, column])
        sizes = block.ends[:, column] - starts
        words = _words(block.data)
        rest, hashes = sizes, sizes.astype(_U)
        read: list[Words] = []
        for i in range(len(known.words)):
            word = words[starts + 8 * i]
            word &= _BELOW[np.clip(rest, 0, 8)]
            hashes = _hash(hashes, word)
            read.append(word)
            rest = rest - 8
        places = np.searchsorted(known.hashes, hashes)
        np.minimum(places, len(known.hashes) - 1, out=places)
        seen = known.sizes[places] == sizes
        for word, theirs in zip(read, known.words, strict=True):
            seen &= theirs[places] == word
        codes = known.codes[places]
        new = np.flatnonzero(~seen)
        if len(new):
            codes[new] = self._learn(block, column, new)
        return codes

    def _learn(self, block: Block, column: int, rows: Places) -> list[float]:
        """Ask the feature, and remember what it said of texts that it knows."""
        texts = block.column(column, rows)
        once = list(dict.fromkeys(texts))
        told = dict(zip(once, self._feature.codes(once), strict=True))
        more = {t.encode(): code for t, code in told.items() if not code < 0}
        fitting = {t: code for t, code in more.items() if len(t) <= _LONGEST}
        known = self._known.texts | fitting
        if fitting and len(known) <= _MOST:
            self._known = _know(known)
        return [told[text] for text in texts]


def _know(texts: dict[bytes, float]) -> _Known:
    """Arrange texts so that they are found by their hashes; the first of them stands for none."""
    listed = [*texts, b"\xff"]  # which is no text
    count = max(-(-len(text) // 8) for text in listed) or 1
    padded = b"".join(text.ljust(8 * count, b"\0") for text in listed)
    words = np.frombuffer(padded, "<u8").reshape(-1, count).T
    sizes = np.array([len(text) for text in listed])
    hashes = sizes.astype(_U)
    for word in words:
        hashes = _hash(hashes, word)
    order = np.argsort(hashes)
    codes = np.array([*texts.values(), np.nan])
    return _Known(
        hashes[order], np.ascontiguousarray(words[:, order]), sizes[order], codes[order], texts
    )


def _hash(hashes: Words, word: Words) -> Words:
    """Take one more word into account (as FNV does, with a multiplier of 64 bits)."""
    mixed: Words = (hashes ^ word) * _U(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> _U(29))


class _Numbers:
    """Reads numbers: plain ones at once, the others by their feature."""

    def __init__(self, feature: Numeric) -> None:
        self._feature = feature
        self._blank = feature.codes([""])[0]
        tokens = [feature.format.number(text) for text in feature.missing if isinstance(text, str)]
        self._missing = [*feature.absent, *filter(np.isfinite, tokens)]  # such as -99

    def codes(self, block: Block, column: int) -> Floats:
        starts, ends = block.starts[:, column], block.ends[:, column]
        values, plain = plain_numbers(block.data, starts, ends, self._feature.format.decimal)
        if self._missing:
            plain &= ~np.isin(values, self._missing)
        empty = starts == ends
        values[empty] = self._blank
        other = np.flatnonzero(~(plain | empty))
        if len(other):
            values[other] = self._feature.codes(block.column(column, other))
        return values


def plain_numbers(data: bytes, starts: Places, ends: Places, decimal: str) -> tuple[Floats, Mask]:
    """Read numbers of digits, with a minus sign and a decimal sign behind a digit at the most.

    Up to fifteen digits are an integer in float64, and so is the power of ten that they are divided
    by; thus each value is the float nearest to the number (Clinger, 1990).

    Args:
        data: what the cells are in, and 8 bytes more.
        starts: shape (cells,).
        ends: shape (cells,).
        decimal: the decimal sign; one that is not ASCII is in no plain number.

    Returns:
        The values, and which of the cells are such numbers; both of shape (cells,).

    """
    words, content = _words(data), np.frombuffer(data, np.uint8)
    sign_byte = ord(decimal) if decimal.isascii() else 0
    negative = content[starts] == ord("-")
    starts = starts + negative
    sizes = ends - starts
    short = np.clip(sizes, 0, 8)
    first = words[starts]
    tail = (first & _BELOW[short]) << _SHIFT[short] | _ZEROS[short]
    plain = (sizes > 0) & (sizes <= _DIGITS)
    long = np.flatnonzero((sizes > 8) & plain)
    tail[long] = words[ends[long] - 8]
    digits, fraction, sign, valid = _eight(tail, sign_byte)
    if len(long):
        extra = sizes[long] - 8
        head = (first[long] & _BELOW[extra]) << _SHIFT[extra] | _ZEROS[extra]
        more, places, another, fine = _eight(head, sign_byte)
        below = np.where(sign[long], 7, 8)
        digits[long] += more * _POWERS[below].astype(_U)
        fraction[long] = np.where(another, places + _U(8), fraction[long])
        valid[long] &= fine & ~(another & sign[long])
    valid &= (first & _U(0xFF)) - _U(48) < 10
    values = digits.astype(np.float64) / _POWERS[fraction.astype(np.intp)]
    np.negative(values, out=values, where=negative)
    return values, plain & valid


def _eight(word: Words, decimal: int) -> tuple[Words, Words, Mask, Mask]:
    """Read eight characters, of which one may be the decimal sign.

    Returns:
        The number that the digits are, how many of them stand behind the sign, whether there is
        one, and whether all the rest are digits.

    """
    match = word ^ _U(0x0101010101010101 * decimal)
    found = (match - _U(0x0101010101010101)) & ~match & _U(0x8080808080808080)
    lowest = (found & (~found + _U(1))) >> _U(7)  # 1 in the byte of the first sign
    sign = lowest != 0
    before = lowest - _U(1)
    moved = (word & before) << _U(8) | _U(0x30) | word & ~(before << _U(8) | _U(0xFF))
    word = np.where(sign, moved, word)
    fraction = (lowest * _U(0x0706050403020100)) >> _U(56)
    nibbles = _U(0xF0F0F0F0F0F0F0F0)
    valid = (word & nibbles) == _U(0x3030303030303030)
    valid &= ((word + _U(0x0606060606060606)) & nibbles) == _U(0x3030303030303030)
    pairs = (word & _U(0x0F0F0F0F0F0F0F0F)) * _U(2561) >> _U(8)
    fours = (pairs & _U(0x00FF00FF00FF00FF)) * _U(6553601) >> _U(16)
    eights = (fours & _U(0x0000FFFF0000FFFF)) * _U(42949672960001) >> _U(32)
    return eights, fraction, sign, valid


def _words(data: bytes) -> Words:
    """Return the eight bytes from each place on, as one little-endian number."""
    return np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
