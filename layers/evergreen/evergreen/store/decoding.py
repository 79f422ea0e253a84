"""JSON lines → cells, without making an object of every line.

A log says the same in every line: the same names in the same order, other values. So a line is read
once, by orjson; what stands between its values is its *shape*. All others are laid against it:

    {"prediction_id":"01a2…","churn_probability":0.22,"customer":{"plan":"basic","months":4}}
    {"prediction_id":"········","churn_probability":····,"customer":{"plan":"·····","months":·}}

numpy finds the quotes of a block at once. Lines with as many as the shape are of it where each text
between two values is exactly the shape's: then the places of all values are known. Such a value has
no quote and no backslash in it, no control character and nothing that is not UTF-8, so it is a JSON
string where it stands in quotes. What stands in none may be no JSON: whoever reads it finds out.

Whatever else there is (escapes, arrays, nested objects, names given twice, a shape of a few lines
or none at all) is left over, to be read line by line. Nothing is read otherwise than by orjson.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import orjson

from evergreen.customers.careful import Places
from evergreen.customers.json_cells import MARGIN, Cells, at

Mask = npt.NDArray[np.bool_]

BLOCK = 1 << 20
"""So many bytes are cut at once: they stay in the processor's cache."""
_LITERAL = 200  # bytes of a text between two values
_FEW = 16  # lines are read by orjson as fast
_SHAPES = 64  # are remembered
_TRIES = 8  # lines of a block that are looked at for another shape
_LF, _QUOTE, _BACKSLASH = 10, 34, 92

_MEMBER = re.compile(rb'"([^"]*)"\s*:\s*(?:"([^"]*)"|(\{)|([^\s"{}\[\],:]+))')


@dataclass(frozen=True, slots=True)
class Shape:
    """What lines have in common: all but the values of an object and of an object within it."""

    members: dict[str, int]
    """Which of the values each is."""
    inner: dict[str, int]
    """The same of the object within."""
    quoted: tuple[bool, ...]
    """Whether a value is a string; its quotes belong to what is around it."""
    literals: tuple[bytes, ...]
    """What stands before each value, and behind the last."""

    @classmethod
    def of(cls, line: bytes, within: str) -> Self | None:
        """Read the shape of a line without backslashes; None where it has none.

        Args:
            line: that of a block that is UTF-8.
            within: the name of the object within.

        """
        try:
            record = orjson.loads(line)
            inner = record[within]
            count = len(record) + len(inner)
            found = list(_MEMBER.finditer(line))
            place = list(record).index(within)
        except (ValueError, TypeError, KeyError):
            return None
        nested = [index for index, match in enumerate(found) if match[3]]
        if not isinstance(inner, dict) or len(found) != count or nested != [place] or count == 1:
            return None  # a name that is given twice, a list, another object
        del found[place]
        spans = [match.span(2) if match[2] is not None else match.span(4) for match in found]
        edges = [0, *(edge for span in spans for edge in span), len(line)]
        literals = tuple(line[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))
        names = [name for name in record if name != within]
        names[place:place] = inner
        numbers = dict(zip(range(count - 1), names, strict=True))
        of_inner = range(place, place + len(inner))
        if max(map(len, literals)) > _LITERAL:
            return None
        return cls(
            {name: i for i, name in numbers.items() if i not in of_inner},
            {name: i for i, name in numbers.items() if i in of_inner},
            tuple(match[2] is not None for match in found),
            literals,
        )

    @property
    def quotes(self) -> int:
        """How many quotes are in a line."""
        return sum(literal.count(b'"') for literal in self.literals)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one shape: value i of line r is `data[starts[i][r]:ends[i][r]]`."""

    data: bytes
    """UTF-8, and a margin."""
    shape: Shape
    starts: Sequence[Places]
    ends: Sequence[Places]
    first: Places
    """Where each line starts, …"""
    last: Places
    """… and ends."""

    def __len__(self) -> int:
        return len(self.first)

    def cells(self, value: int) -> "Cells":
        """Return the cells of a value."""
        return Cells(
            self.data, self.starts[value], self.ends[value], quoted=self.shape.quoted[value]
        )

    def whole(self, rows: Places) -> list[bytes]:
        """Return lines as they stand."""
        first, last = self.first[rows].tolist(), self.last[rows].tolist()
        return [self.data[a:b] for a, b in zip(first, last, strict=True)]


class Cutter:
    """Cuts blocks of one log, whose shapes it remembers."""

    def __init__(self, within: str) -> None:
        """Start without a shape; `within` is the name of the object within."""
        self._within = within
        self._shapes: list[Shape] = []

    def blocks(self, text: bytes) -> Iterator[tuple[list[Lines], list[bytes]]]:
        """Cut JSON lines: block by block those of some shape, and the others one by one."""
        start = 0
        while start < len(text):
            end = text.find(b"\n", start + BLOCK) + 1 or len(text)
            yield self._cut(text[start:end])
            start = end

    def _cut(self, text: bytes) -> tuple[list[Lines], list[bytes]]:
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                return [], text.splitlines()
        block = _Block(text)
        shapes = iter([*self._shapes])
        found: list[Lines] = []
        tries = 0
        while len(block.left) > _FEW:
            shape = next(shapes, None)
            if shape is None:
                if tries == _TRIES or len(self._shapes) == _SHAPES:
                    break
                tries += 1
                shape = Shape.of(block.line(int(block.left[0])), self._within)
                if shape is None:
                    block.pass_over()
                    continue
                self._shapes.append(shape)
            lines = block.take(shape)
            if lines:
                found.append(lines)
        return found, block.others()


class _Block:
    """Some lines, of which more and more are taken."""

    def __init__(self, text: bytes) -> None:
        self.data = b"".join([text, b"" if text.endswith(b"\n") else b"\n", MARGIN])
        content = np.frombuffer(self.data, np.uint8, len(self.data) - len(MARGIN))
        self._last = np.flatnonzero(content < 32)
        odd = content[self._last] != _LF
        control = self._last[odd]
        self._last = self._last[~odd]
        self._first = np.concatenate([np.zeros(1, np.intp), self._last[:-1] + 1])
        self._quotes = np.flatnonzero(content == _QUOTE)
        behind = np.searchsorted(self._quotes, self._last)
        self._counts = np.diff(behind, prepend=0)
        self._before = behind - self._counts
        spoilt = np.zeros(len(self._last), np.bool_)
        if b"\\" in text:
            control = np.concatenate([control, np.flatnonzero(content == _BACKSLASH)])
        spoilt[np.searchsorted(self._last, control)] = True
        self.left = np.flatnonzero(~spoilt)
        self._others = [np.flatnonzero(spoilt)]

    def line(self, line: int) -> bytes:
        return self.data[self._first[line] : self._last[line]]

    def pass_over(self) -> None:
        """Leave the first line to whoever reads line by line."""
        self._others.append(self.left[:1])
        self.left = self.left[1:]

    def others(self) -> list[bytes]:
        lines = np.sort(np.concatenate([*self._others, self.left])).tolist()
        return [part for line in lines for part in self.line(line).splitlines() or [b""]]

    def take(self, shape: Shape) -> Lines | None:
        """Take the lines of a shape, unless they are few."""
        quotes = shape.quotes
        alike = self._counts[self.left] == quotes
        lines = self.left[alike]
        while len(lines) > _FEW:
            if len(lines) == len(self._last):
                places = self._quotes.reshape(-1, quotes)
            else:
                places = self._quotes[self._before[lines, None] + np.arange(quotes)]
            edges = self._edges(shape, places, lines)
            fit = self._fit(shape, edges, lines)
            if fit.all():
                left = np.zeros(len(self._last), np.bool_)
                left[self.left] = True
                left[lines] = False
                self.left = np.flatnonzero(left)
                sizes = map(len, shape.literals)
                starts = [edge + size for edge, size in zip(edges, sizes, strict=True)][:-1]
                return Lines(
                    self.data, shape, starts, edges[1:], self._first[lines], self._last[lines]
                )
            lines = lines[fit]
        return None

    def _edges(self, shape: Shape, places: Places, lines: Places) -> list[Places]:
        """Where each literal starts, if the lines are of the shape; shape (lines,) each."""
        edges = [self._first[lines]]
        seen = shape.literals[0].count(b'"')
        for literal, quoted in zip(shape.literals[1:], shape.quoted, strict=True):
            count = literal.count(b'"')
            if quoted or count:  # from its first quote, with which it starts behind a string
                edges.append(places[:, seen] - literal.index(b'"'))
            else:
                edges.append(self._last[lines] - len(literal))
            seen += count
        return edges

    def _fit(self, shape: Shape, edges: list[Places], lines: Places) -> Mask:
        """Whether each line has every literal at its place, and nothing behind the last."""
        fit = edges[-1] + len(shape.literals[-1]) == self._last[lines]
        for literal, edge in zip(shape.literals, edges, strict=True):
            found = at(self.data, len(literal))[edge]
            if found.tobytes() != literal * len(lines):
                signs = found.view(np.uint8).reshape(len(lines), -1)
                fit &= (signs == np.frombuffer(literal, np.uint8)).all(axis=1)
        return np.asarray(fit)
