"""Pieces of the inference log as columns, kept: the next drift check reads only what is new.

A check every hour that looks back a day would read each record two dozen times. So what is gathered
of a piece of the log, some objects of an hour that is over, is kept. It stands for these objects as
long as they are what they were and are read by the same schema, and says what they say, to the last
bit. It is never needed: what is gone is read from the log again.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np

from evergreen.customers.schema import Schema
from evergreen.errors import NotFoundError
from evergreen.statistics.distinct import Rows
from evergreen.store import keys
from evergreen.store.ahead import ahead
from evergreen.store.inference_log import HOUR
from evergreen.store.s3 import Bucket, Entry

Piece = tuple[Entry, ...]
"""Some objects of one hour of the log."""

_FORMAT = 1  # of what is kept, and of how records are read; what has another one is read anew
_SIZE = 128 * 1024  # bytes of log from which a piece is large enough: some thousand records
_HOUR = len(keys.inference_hour(datetime(2000, 1, 1)))
_BUFFERED = timedelta(minutes=15)  # by Firehose, at the longest
_AHEAD = 2  # of what is kept is read while one is worked on


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was gathered of a piece."""

    rows: Rows
    """Each customer's latest record, as of `Latest`, …"""
    halvings: int
    """… and how often the share of the customers was halved."""
    records: int
    first: int
    """When the first of the records was made, in microseconds since 1970, …"""
    last: int
    """… and the last."""
    versions: Sequence[str]
    """By whom the rows were predicted."""

    def to_bytes(self) -> bytes:
        """Return it as it is kept: a line of JSON, and the rows as they are in memory."""
        about = {"type": str(self.rows.dtype), "rows": len(self.rows)}
        about |= {name: getattr(self, name) for name in _TOLD}
        return b"".join([json.dumps(about).encode(), b"\n", self.rows.tobytes()])

    @classmethod
    def parse(cls, content: bytes, dtype: np.dtype[np.void]) -> Self | None:
        """Read what was kept; None where it is none, or has rows of another type."""
        try:
            end = content.index(b"\n")
            about = json.loads(content[:end])
            if about["type"] != str(dtype):
                return None
            rows = np.frombuffer(content, dtype, offset=end + 1)
            told = {name: about[name] for name in _TOLD}
        except (KeyError, TypeError, ValueError):
            return None
        return cls(rows, **told) if len(rows) == about["rows"] else None


_TOLD = ("halvings", "records", "first", "last", "versions")


@dataclass(frozen=True, slots=True)
class KeptPieces:
    """What is kept of a log."""

    logs: Bucket
    schema: Schema
    """By which records are read."""
    most: int
    """So many customers of a piece are kept at most, as of `Latest`."""

    def read(
        self, objects: Iterable[Entry], dtype: np.dtype[np.void]
    ) -> Iterator[tuple[Piece, Gathered | None]]:
        """Yield the pieces that objects make up, each with what is kept of it.

        Args:
            objects: in order of their keys.
            dtype: of the rows.

        """
        for piece, content in ahead(self._get, pieces(objects), _AHEAD):
            yield piece, Gathered.parse(content, dtype) if content else None

    def keep(self, piece: Piece, gathered: Gathered) -> None:
        """Keep what was gathered of a piece, of which nothing is kept yet."""
        self.logs.put(self._key(piece), gathered.to_bytes(), "application/octet-stream")

    def _get(self, piece: Piece) -> bytes | None:
        try:
            return self.logs.get(self._key(piece))[0]
        except NotFoundError:
            return None

    def _key(self, piece: Piece) -> str:
        """Name what is kept by all that it depends on."""
        objects = [(entry.key, entry.etag) for entry in piece]
        stated = [_FORMAT, self.most, dict(self.schema.document), objects]
        digest = hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()
        return keys.drift_piece(hour(piece), digest[:32])


def pieces(objects: Iterable[Entry]) -> Iterator[Piece]:
    """Put objects together into pieces, in order."""
    piece: list[Entry] = []
    size = 0
    for entry in objects:
        if piece and (size >= _SIZE or not entry.key.startswith(hour(piece))):
            yield tuple(piece)
            piece, size = [], 0
        piece.append(entry)
        size += entry.size
    if piece:
        yield tuple(piece)


def hour(piece: Iterable[Entry]) -> str:
    """Return the prefix of the hour that a piece is of."""
    return next(iter(piece)).key[:_HOUR]


def over(piece: Piece, now: datetime) -> bool:
    """Whether its hour is over, and Firehose has written what it received in it."""
    return hour(piece) <= keys.inference_hour(now.astimezone(UTC) - HOUR - _BUFFERED)
