"""Which files hold tables, by their names, and what stands in them once unpacked."""

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

from evergreen.errors import TableError

CHUNK = 1 << 20
"""So many bytes are read at once."""

_LEVEL = 1  # of gzip: most of what there is to gain, in a fraction of the time
_ADVICE = {
    ".xlsx": "an Excel workbook: save the sheet as CSV UTF-8",
    ".xlsm": "an Excel workbook: save the sheet as CSV UTF-8",
    ".xls": "an Excel workbook: save the sheet as CSV",
    ".ods": "a workbook: save the sheet as CSV",
    ".numbers": "a workbook: export the sheet as CSV",
    ".parquet": "Parquet: export it as CSV or JSON lines",
    ".avro": "Avro: export it as CSV or JSON lines",
    ".json": "JSON: put one object on each line and call it .jsonl",
    ".zip": "an archive: upload the table in it, or gzip it",
    ".gz": "compressed, but by its name no table: call it .csv.gz, .tsv.gz or .jsonl.gz",
    ".txt": "text: if it is a table, call it .csv",
}


class Readable(Protocol):
    """What bytes can be read from, in order."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""


class Kind(NamedTuple):
    """What a readable file is."""

    json: bool
    """Whether each line is a JSON object, and not a row of delimited cells."""
    gzipped: bool


def kind(name: str) -> Kind | None:
    """Return what a file is by the end of its name, in any case; None where we don't read such."""
    lower = name.lower()
    plain = lower.removesuffix(".gz")
    gzipped = plain != lower
    if plain.endswith((".csv", ".tsv")):
        return Kind(json=False, gzipped=gzipped)
    return Kind(json=True, gzipped=gzipped) if plain.endswith(".jsonl") else None


def refusal(name: str) -> str:
    """Say why a file of no readable kind is not read, and what to do."""
    file = name.rpartition("/")[2].lower()
    suffix = file[file.rfind(".") :] if "." in file else ""
    what = _ADVICE.get(suffix, "not known by its name")
    return (
        f"{name} is {what}. Tables are read from .csv, .tsv and .jsonl files,"
        " each also as .gz; put it in again as one of these."
    )


def unpacked(stream: IO[bytes], kind: Kind) -> IO[bytes]:
    """Return a stream of what is in a file."""
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if kind.gzipped else stream


def packed(lines: Iterable[bytes]) -> bytes:
    """Return what a gzipped file of these lines holds; the same lines are always the same bytes."""
    return gzip.compress(b"".join(lines), _LEVEL, mtime=0)


def writer(file: Path, kind: Kind) -> IO[bytes]:
    """Open a file of a kind to be written."""
    if kind.gzipped:
        return cast(IO[bytes], gzip.open(file, "wb", compresslevel=_LEVEL))
    return file.open("wb")


def content_type(kind: Kind) -> str:
    """Return what the content of such a file is called on the web."""
    if kind.gzipped:
        return "application/gzip"
    return "application/x-ndjson" if kind.json else "text/csv"


def read(stream: Readable, size: int = CHUNK) -> bytes:
    """Read so many bytes, fewer only at the end; raises TableError where it can't be unpacked."""
    parts: list[bytes] = []
    missing = size
    try:
        while missing and (part := stream.read(missing)):
            parts.append(part)
            missing -= len(part)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TableError(f"the file can't be unpacked: {error}") from None
    return b"".join(parts)
