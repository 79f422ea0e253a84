"""How pieces become the parts of a multipart upload, within S3's limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

MIB = 1024 * 1024
SMALLEST_PART = 5 * MIB
"""S3 takes no smaller part, except as the last one."""
MOST_PARTS = 10_000
"""S3 takes no more parts of one object."""

_COPIED_AT_ONCE = 256 * MIB  # S3 would copy 5 GiB, for longer than a client waits for an answer


@dataclass(frozen=True, slots=True)
class Piece:
    """An object to take a range from: its key, ETag and size."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Range:
    """The bytes [start, end) of a piece."""

    piece: Piece
    start: int
    end: int

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.end - self.start

    @property
    def whole(self) -> bool:
        """Whether that is all of the piece."""
        return self.size == self.piece.size


type Part = tuple[Range, ...]
"""What one part is made of, in order: a single range may be copied where it is large enough."""


def size(part: Part) -> int:
    """How many bytes a part has."""
    return sum(some.size for some in part)


def step(size: int, wished: int) -> int:
    """How large to make the parts of so many bytes, that there are not too many."""
    return max(wished, -(-size // MOST_PARTS))


def parts(pieces: Sequence[Piece]) -> Iterator[Part]:
    """Lay fewer than 10,000 pieces out, in order, in no more parts than that.

    Every part but the last has `SMALLEST_PART` or more, and a piece above 256 MiB takes several,
    where there are not too many of them.
    """
    to_spare = max(1, MOST_PARTS - len(pieces))
    at_once = max(_COPIED_AT_ONCE, -(-sum(piece.size for piece in pieces) // to_spare))
    gathered: list[Range] = []
    missing = SMALLEST_PART  # until what is gathered is a part
    for piece in pieces:
        start = 0
        if gathered:
            start = min(missing, piece.size)
            gathered.append(Range(piece, 0, start))
            missing -= start
            if missing:
                continue
            yield tuple(gathered)
            gathered, missing = [], SMALLEST_PART
        rest = piece.size - start
        if rest >= SMALLEST_PART:
            yield from ((copied,) for copied in _copies(piece, start, at_once))
        elif rest:
            gathered.append(Range(piece, start, piece.size))
            missing -= rest
    if gathered:
        yield tuple(gathered)


def _copies(piece: Piece, start: int, at_once: int) -> Iterator[Range]:
    """Cut what is left of a large piece evenly."""
    size = piece.size - start
    number = -(-size // at_once)
    edges = [start + size * i // number for i in range(number + 1)]
    return (Range(piece, low, high) for low, high in pairwise(edges))
