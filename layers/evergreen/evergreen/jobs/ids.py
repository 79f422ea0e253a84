"""Ids of predictions and of requests: UUIDs as RFC 9562 has them, as text."""

import os
import time
from collections.abc import Iterable
from hashlib import sha256
from struct import pack

_IN_ORDER = 4_096  # ids of a millisecond: 12 bits count them; further ones are of the next
_VARIANT = bytes(0b10 << 6 | byte & 0x3F for byte in range(256))  # what the ninth byte becomes


def new(count: int) -> list[str]:
    """Make ids that sort by when they were made, those of one call in its order (version 7)."""
    now = time.time_ns() // 1_000_000
    starts: list[str] = []
    for later, first in enumerate(range(0, count, _IN_ORDER)):
        at = f"{now + later:012x}"
        third = range(7 << 12, (7 << 12) + min(count - first, _IN_ORDER))
        counted = pack(f">{len(third)}H", *third).hex(" ", 2).split()
        start = f"{at[:8]}-{at[8:]}"
        starts += [f"{start}-{group}" for group in counted]
    return _texts(starts, os.urandom(8 * count))


def repeated(key: str, content: bytes, count: int) -> list[str]:
    """Make ids that are the same whenever and wherever a request is repeated (version 8).

    Args:
        key: by which a client tells its requests apart, in ASCII.
        content: the request's body.
        count: how many ids it needs.

    """
    request = sha256(key.encode() + b"\0" + content).digest()  # no key has a zero in it
    digests = [sha256(request + index.to_bytes(4)).digest() for index in range(count)]
    starts = [digest.hex() for digest in digests]
    return _texts(
        [f"{start[:8]}-{start[8:12]}-8{start[12:15]}" for start in starts],
        b"".join(digest[8:16] for digest in digests),
    )


def _texts(starts: Iterable[str], ends: bytes) -> list[str]:
    """Put ids together, each of three groups and 8 bytes, whose first two bits say its variant."""
    chance = bytearray(ends)
    chance[::8] = chance[::8].translate(_VARIANT)
    each = chance.hex(" ", 8).split()
    return [f"{start}-{end[:4]}-{end[4:]}" for start, end in zip(starts, each, strict=True)]
