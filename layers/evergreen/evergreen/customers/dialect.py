"""How a delimited file is written: its encoding, its delimiter, its line ends, its first lines.

The quote is `"` in every dialect, and stands for itself where it is doubled within a quoted cell.
"""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import NamedTuple

from evergreen.customers.values import folded
from evergreen.errors import TableError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
"""Those that are known, and what people call them."""

_ENCODINGS = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}
_ENCODINGS |= {"cp1252": "Windows-1252"}
_BOMS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}
_SAVE = 'save the table as "CSV UTF-8"'
_OTHERS = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive", _SAVE),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", _SAVE),
    (b"\x1f\x8b", "a gzip file", "give it a name that ends in .csv.gz"),
    (b"%PDF-", "a PDF", _SAVE),
    (b"PAR1\x15", "a Parquet file", _SAVE),
    (b"\x89PNG", "a picture", _SAVE),
    (b"\xff\xd8\xff", "a picture", _SAVE),
)

_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\r"})
_STRAY = re.compile(r"[\udc80-\udcff]")  # bytes that are no UTF-8, as surrogateescape has them
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # in Windows-1252
_HIGH = rb"\x8a\x8c\x8e\x9a\x9c\x9e\x9f\xc0-\xd6\xd8-\xf6\xf8-\xff"  # its letters beyond ASCII
_WORD = re.compile(rb"[A-Za-z%b]{3,}" % _HIGH)
_FOREIGN = re.compile(rb"[%b]+" % _HIGH)

_QUOTED = r'(?<![^,;\t|\r\n])"(?:[^"]|"")*+"'  # starts the line, or follows a delimiter
_LINE = re.compile(rf"((?:{_QUOTED}|[^\r\n])*+)(\r{{1,2}}\n|\n|\r|\Z)")
_BARE = re.compile(r'[\s,;|"\0\u200b\ufeff]*')
_SEPARATOR = re.compile(r"""\s*"?sep=(["']?)(.?)\1[",;|\s]*""", re.IGNORECASE)

_SHOWN = 30  # characters of a cell in a message
_ROWS = 200  # are looked at to find the delimiter
_RIVAL = 0.2  # how much less even a reading may be than the best, to be possible as well
_FAR = 2  # so many times the columns make other readings improbable


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written; the defaults are those of a plain CSV."""

    encoding: str = "utf-8"
    """The codec, which takes no notice of a BOM: utf-8, utf-16-le, utf-16-be or cp1252."""
    bom: bytes = b""
    """What the file starts with, before its text."""
    delimiter: str = ","
    newline: str = "\n"
    r"""What ends the first line: \n, \r\n or \r."""
    above: int = 0
    """How many lines stand above the header: empty ones, bare delimiters, Excel's `sep=`."""
    separator: bool = False
    """Whether one of them is a `sep=` line."""

    def described(self) -> dict[str, str]:
        """Return, in people's words, the encoding, the delimiter, and what is above the header."""
        marked = " with BOM" if self.bom == codecs.BOM_UTF8 else ""
        words = {
            "encoding": _ENCODINGS[self.encoding] + marked,
            "delimiter": DELIMITERS[self.delimiter],
        }
        if self.above:
            lines = "1 line" if self.above == 1 else f"{self.above} lines"
            words["above_header"] = lines + (" (sep=)" if self.separator else "")
        return words


def detect(head: bytes, *, complete: bool, fields: Collection[str] = ()) -> Dialect:
    """Find out how a file is written.

    The head decides. A row further down that is no text in that encoding is for the reader to
    reject, and so is one in the head where most of what is not ASCII is valid UTF-8.

    Args:
        head: the start of the file, the first MiB at the most.
        complete: whether that is the whole file.
        fields: names to expect in the header, if any are known. The delimiter is the one that
            yields most of them; where there are none, the one that cuts rows into equally many.

    Raises:
        TableError: the file is empty, is no text in one of the four encodings, or can be read with
            one delimiter as well as with another.

    """
    encoding, bom = _encoding(head, complete=complete)
    text = head[len(bom) :].decode(encoding, errors="replace")
    above, stated = 0, ""
    for line in _LINE.finditer(text):
        separator = _SEPARATOR.fullmatch(line[1])
        if separator:
            stated = _stated(separator)
        elif not _BARE.fullmatch(line[1]):
            break
        above += 1
    else:
        what = "the file is empty" if complete else "the first lines are empty"
        raise TableError(f"{what}: it has no header")
    delimiter = stated or _delimiter(text[line.start() :], fields)
    return Dialect(encoding, bom, delimiter, _newline(text), above, bool(stated))


def _encoding(head: bytes, *, complete: bool) -> tuple[str, bytes]:
    """Return the encoding and the BOM."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise TableError(f"the file is in UTF-32, which is not read: {_SAVE}")
    for encoding, bom in _BOMS.items():
        if head.startswith(bom):
            return encoding, bom
    for start, kind, way in _OTHERS:
        if head.startswith(start):
            raise TableError(f"the file looks like {kind}, not like a CSV: {way}")
    wide = _utf_16(head)
    if wide:
        return wide, b""
    controls = len(head) - len(head.translate(None, _CONTROLS))
    stray = _stray(head, complete=complete)
    if controls > (len(head) / 4 if stray is None else 4 + len(head) / 50):
        raise TableError(f"the file looks like binary data, not like a CSV: {_SAVE}")
    if stray is None:
        return "utf-8", b""
    undefined = _UNDEFINED.search(head)
    if undefined or not _is_western(head):
        line = head.count(b"\n", 0, undefined.start() if undefined else stray) + 1
        raise TableError(
            f"the file is neither UTF-8 nor UTF-16 nor Windows-1252 (see line {line}): {_SAVE}"
        )
    return "cp1252", b""


def _utf_16(head: bytes) -> str | None:
    """Return which UTF-16 it is without a BOM: every other byte of Latin text is NUL."""
    first, second = head[0::2].count(0), head[1::2].count(0)
    half = len(head) / 4
    if second > half and first < second / 20:
        return "utf-16-le"
    return "utf-16-be" if first > half and second < first / 20 else None


def _stray(head: bytes, *, complete: bool) -> int | None:
    """Return where a text that is not UTF-8 shows it first; None if it is, but for some bytes."""
    text, _ = codecs.utf_8_decode(head, "surrogateescape", complete)
    stray = _STRAY.search(text)
    if stray is None or 2 * len(_STRAY.findall(text)) < len(_NOT_ASCII.findall(text)):
        return None
    return len(text[: stray.start()].encode())


def _is_western(head: bytes) -> bool:
    """Whether letters beyond ASCII stand among those of ASCII, as they don't in other alphabets."""
    words = set(_WORD.findall(head))
    accented = [word for word in words if not word.isascii()]
    foreign = sum(_FOREIGN.fullmatch(word) is not None for word in accented)
    return foreign < 5 or foreign <= 2 * (len(accented) - foreign)


def _newline(text: str) -> str:
    line = _LINE.match(text)
    end = line[2] if line else ""
    return "\r\n" if end.startswith("\r") and end.endswith("\n") else end or "\n"


def _stated(separator: re.Match[str]) -> str:
    """Return the delimiter that a `sep=` line states."""
    if separator[2] not in DELIMITERS:
        known = ", ".join(DELIMITERS.values())
        raise TableError(f"the line {separator[0].strip()!r} states no delimiter out of {known}")
    return separator[2]


class _Reading(NamedTuple):
    """The first rows of a file, as one delimiter cuts them."""

    delimiter: str
    rows: Sequence[Sequence[str]]

    @property
    def header(self) -> Sequence[str]:
        return self.rows[0] if self.rows else ()

    @property
    def even(self) -> float:
        """The share of rows that have the most common number of cells, if that is two or more."""
        if len(self.header) < 2:
            return 0.0
        ((cells, count),) = Counter(map(len, self.rows)).most_common(1)
        return count / len(self.rows) if cells > 1 else 0.0

    @property
    def tidy(self) -> bool:
        """Whether the header is not cut within a phrase (`fee, EUR`) or a quoted cell."""
        return not any(cell.startswith(" ") or '"' in cell for cell in self.header)

    def fit(self, fields: Collection[str]) -> tuple[int, int]:
        """How many of some fields, folded, are in the header; how few others are."""
        cells = set(map(folded, self.header)) - {""}
        return len(cells & set(fields)), -len(cells - set(fields))

    def __str__(self) -> str:
        cells = [repr(cell[:_SHOWN]) for cell in self.header[:3]]
        more = ["…"] if len(self.header) > 3 else []
        return f"{DELIMITERS[self.delimiter]} ({', '.join(cells + more)})"


def _delimiter(text: str, fields: Collection[str]) -> str:
    """Return the delimiter of a text that starts with the header; a comma where none is in it."""
    readings = [_Reading(d, _rows(text, d)) for d in DELIMITERS]
    expected = set(map(folded, fields))
    best = max(reading.fit(expected) for reading in readings)
    if best[0]:
        readings = [reading for reading in readings if reading.fit(expected) == best]
    most_even = max(reading.even for reading in readings)
    readings = [r for r in readings if r.even and r.even > most_even - _RIVAL] or readings[:1]
    readings = [reading for reading in readings if reading.tidy] or readings
    widest, *others = sorted(readings, key=lambda reading: -len(reading.header))
    if others and len(widest.header) < _FAR * len(others[0].header):
        raise TableError(
            f"the columns can be read as split by {widest} or by {others[0]}: write `sep=` and the"
            " right one in a line above the header, or quote the cells that hold the other"
        )
    return widest.delimiter


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """Return the first rows that are not blank, up to one that can't be read."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    try:
        for row in islice(reader, _ROWS):
            if any(map(str.strip, row)):
                rows.append(row)
    except csv.Error:
        pass  # a quote without end, or no table at all
    return rows
