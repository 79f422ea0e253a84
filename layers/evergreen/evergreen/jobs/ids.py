"""Ids of predictions and of requests: UUIDs as RFC 9562 has them, as text."""

import os
import time
from collections.abc import Sequence
from hashlib import sha256

_COUNTER = 12  # bits: 4,096 ids of a millisecond are in order; further ones are of the next
_VARIANT = bytes(0b10 << 6 | byte & 0x3F for byte in range(256))  # what the ninth byte becomes


def new(count: int) -> list[str]:
    """Make ids that sort by when they were made, those of one call in its order (version 7)."""
    first = time.time_ns() // 1_000_000 << _COUNTER
    return _texts(7, [f"{first + index:015x}" for index in range(count)], os.urandom(8 * count))


def repeated(key: str, content: bytes, count: int) -> list[str]:
    """Make ids that are the same whenever and wherever a request is repeated (version 8).

    Args:
        key: by which a client tells its requests apart, in ASCII.
        content: the request's body.
        count: how many ids it needs.

    """
    request = sha256(key.encode() + b"\0" + content).digest()  # no key has a zero in it
    digests = [sha256(request + index.to_bytes(4)).digest() for index in range(count)]
    ends = b"".join(digest[8:16] for digest in digests)
    return _texts(8, [digest[:8].hex()[:15] for digest in digests], ends)


def _texts(version: int, starts: Sequence[str], ends: bytes) -> list[str]:
    """Put ids together, each of 15 digits and 8 bytes, whose first two bits say its variant."""
    chance = bytearray(ends)
    chance[::8] = chance[::8].translate(_VARIANT)
    end = chance.hex()
    return [
        f"{start[:8]}-{start[8:12]}-{version}{start[12:]}-{end[i : i + 4]}-{end[i + 4 : i + 16]}"
        for start, i in zip(starts, range(0, len(end), 16), strict=True)
    ]
