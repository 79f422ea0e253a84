"""Ids of predictions and of requests: UUIDs as RFC 9562 has them, as text."""

import os
import time
from hashlib import sha256

_BELOW = (1 << 62) - 1
_COUNTER = 12  # bits: 4,096 ids of a millisecond are in order; further ones are of the next


def new(count: int) -> list[str]:
    """Make ids that sort by when they were made, those of one call in its order (version 7)."""
    first = time.time_ns() // 1_000_000 << _COUNTER
    chance = os.urandom(8 * count)
    return [
        _text(7, first + index, int.from_bytes(chance[8 * index : 8 * index + 8]))
        for index in range(count)
    ]


def repeated(key: str, content: bytes, count: int) -> list[str]:
    """Make ids that are the same whenever and wherever a request is repeated (version 8).

    Args:
        key: by which a client tells its requests apart, in ASCII.
        content: the request's body.
        count: how many ids it needs.

    """
    request = sha256(key.encode() + b"\0" + content)  # no key has a zero in it
    return [_hashed(request.digest() + index.to_bytes(4)) for index in range(count)]


def _hashed(name: bytes) -> str:
    digest = sha256(name).digest()
    return _text(8, int.from_bytes(digest[:8]) >> 4, int.from_bytes(digest[8:16]))


def _text(version: int, high: int, low: int) -> str:
    """Put an id together from 60 bits and, of another number, 62."""
    upper = (high >> 12 << 16) | version << 12 | high & 0xFFF
    digits = f"{upper:016x}{0b10 << 62 | low & _BELOW:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
