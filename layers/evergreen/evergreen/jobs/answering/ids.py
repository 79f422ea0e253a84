"""Ids of predictions and of requests: UUIDs as RFC 9562 has them, as text."""

import os
import time
from hashlib import sha256
from struct import pack

_IN_ORDER = 4_096  # ids of a millisecond: 12 bits count them; further ones are of the next
_VARIANT = bytes(0b10 << 6 | byte & 0x3F for byte in range(256))  # what the ninth byte becomes


def new(count: int) -> list[str]:
    """Make ids that sort by when they were made, those of one call in its order (version 7)."""
    now = time.time_ns() // 1_000_000
    made: list[str] = []
    for later, first in enumerate(range(0, count, _IN_ORDER)):
        own = min(count - first, _IN_ORDER)
        at = f"{now + later:012x}"
        start = f"{at[:8]}-{at[8:]}"
        counted = pack(f">{own}H", *range(7 << 12, (7 << 12) + own))
        chance = os.urandom(8 * own)
        marked = bytearray(chance[: 2 * own])
        marked[::2] = marked[::2].translate(_VARIANT)
        groups = zip(_hex(counted, 2), _hex(marked, 2), _hex(chance[2 * own :], 6), strict=True)
        made += [f"{start}-{third}-{fourth}-{fifth}" for third, fourth, fifth in groups]
    return made


def repeated(key: str, content: bytes, count: int) -> list[str]:
    """Make ids that are the same whenever and wherever a request is repeated (version 8).

    Args:
        key: by which a client tells its requests apart, in ASCII.
        content: the request's body.
        count: how many ids it needs.

    """
    request = sha256(key.encode() + b"\0" + content).digest()  # no key has a zero in it
    return [_of(sha256(request + index.to_bytes(4)).digest()) for index in range(count)]


def _of(digest: bytes) -> str:
    text, ninth = digest.hex(), _VARIANT[digest[8]]
    return f"{text[:8]}-{text[8:12]}-8{text[12:15]}-{ninth:x}{text[18:20]}-{text[20:32]}"


def _hex(content: bytes | bytearray, size: int) -> list[str]:
    """Write bytes in hexadecimal, so many at a time."""
    return content.hex(" ", size).split()
