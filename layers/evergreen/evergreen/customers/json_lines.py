"""JSON lines: a file with a JSON object on each line, encoded in UTF-8."""

import codecs
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import orjson

from evergreen.customers import files
from evergreen.customers.careful import LONGEST, Rejected


class Object(NamedTuple):
    """A line that is a JSON object."""

    line: int
    """Its number in the file; the first line is 1."""
    value: dict[str, Any]
    text: bytes
    """As it stands, without what surrounds it."""


def objects(stream: IO[bytes]) -> Iterator[Object | Rejected]:
    """Read the lines of a stream that are not blank.

    Raises:
        TableError: it can't be unpacked.

    """
    for number, line in enumerate(_lines(stream), 1):
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if text.strip():
            yield _object(number, text.strip())


def _object(number: int, text: bytes) -> Object | Rejected:
    if len(text) > LONGEST:
        reason = f"the line is longer than {LONGEST:,} bytes"
    else:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            reason = f"the line is not JSON: {error}"
        else:
            if isinstance(value, dict):
                return Object(number, value, text)
            reason = "the line is no JSON object"
    return Rejected(number, reason, text.decode(errors="replace"))


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Cut a stream into lines; of one that is too long only the beginning is kept."""
    rest = b""
    while chunk := files.read(stream):
        *whole, last = chunk.split(b"\n")
        if whole:
            yield (rest + whole[0])[: LONGEST + 1]
            yield from whole[1:]
            rest = b""
        rest = (rest + last)[: LONGEST + 1]
    if rest:
        yield rest
