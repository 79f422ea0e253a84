"""Customers as the body of a request has them: JSON in UTF-8, compressed by gzip or not at all."""

import zlib
from http import HTTPStatus
from json import JSONDecoder
from math import isfinite
from typing import Any, Final

import orjson
from fastapi import Request
from starlette.exceptions import HTTPException

from evergreen.errors import InputError

MAX_BATCH = 1_000
"""The most customers of one request."""

JSON = "application/json"

_MAX_BODY = 6 * 1_024 * 1_024  # what Lambda takes; a server is no more generous
_MARK = b"\xef\xbb\xbf"  # with which some programs begin all text in UTF-8
_GZIP = b"\x1f\x8b"
_GZIPPED = 31  # zlib's number for gzip with its header and its checksum

Customer = dict[str, Any]


def headers(request: Request) -> dict[bytes, bytes]:
    """Return the headers as they came; of one that came twice, the last."""
    return dict(request.scope["headers"])


async def read(request: Request) -> bytes:
    """Return the body as it was before it was compressed."""
    given = headers(request)
    said = given.get(b"content-type", b"").decode("latin-1") or JSON
    if said.partition(";")[0].strip().lower() != JSON:
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"a body is sent as {JSON}, not as {said[:100]}",
            {"Accept": JSON},
        )
    coding = given.get(b"content-encoding", b"").decode("latin-1").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"a body may be compressed by gzip, not by {coding[:100]}",
            {"Accept-Encoding": "gzip, identity"},
        )
    chunks: list[bytes] = []
    room = _MAX_BODY
    async for chunk in request.stream():
        room -= len(chunk)
        if room < 0:
            raise _too_large("a body may have 6 MiB")
        if chunk:
            chunks.append(chunk)
    content = b"".join(chunks)  # which copies nothing where it came as one, as on Lambda
    if coding.endswith("gzip") and content.startswith(_GZIP):  # or the gateway has unpacked it
        return _unpacked(content)
    return content


def one(content: bytes) -> Customer:
    """Read one customer."""
    customer = _parse(content)
    if not isinstance(customer, dict):
        raise InputError("the body must be a JSON object: one customer")
    return customer


def many(content: bytes, what: str = "customer") -> list[Customer]:
    """Read a batch of customers, or of what else is told of customers."""
    batch = _parse(content)
    if not isinstance(batch, list):
        raise InputError(f"the body must be a JSON list of {what}s")
    if not 0 < len(batch) <= MAX_BATCH:
        raise InputError(f"a batch holds 1 to {MAX_BATCH:,} {what}s, not {len(batch):,}")
    if set(map(type, batch)) != {dict}:
        index = next(index for index, each in enumerate(batch) if not isinstance(each, dict))
        raise InputError(f"{what} {index} (counted from 0) must be a JSON object")
    return batch


def _unpacked(content: bytes) -> bytes:
    """Unpack what is no bomb: no more is unpacked than a body may have."""
    gzip = zlib.decompressobj(_GZIPPED)
    try:
        unpacked = gzip.decompress(content, _MAX_BODY + 1)
    except zlib.error as error:
        raise InputError(f"the body can't be unpacked by gzip: {error}") from None
    if len(unpacked) > _MAX_BODY:
        raise _too_large("a body may have 6 MiB when it is unpacked")
    if not gzip.eof or gzip.unused_data:
        wrong = "goes on behind its end" if gzip.eof else "is cut short"
        raise InputError(f"the body can't be unpacked by gzip: it {wrong}")
    return unpacked


def _too_large(said: str) -> HTTPException:
    return HTTPException(HTTPStatus.CONTENT_TOO_LARGE, f"{said}; send fewer customers at once")


def _parse(content: bytes) -> object:
    content = content.removeprefix(_MARK)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InputError(_fault(content) or f"the body is not JSON: {error}") from None


def _fault(content: bytes) -> str | None:
    """Say what is wrong with a body where a parser can't, or only by a place in the text."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        byte = content[error.start]
        return f"the body is not JSON: it is not in UTF-8, as byte {error.start:,} is 0x{byte:02x}"
    try:
        body = _LENIENT.decode(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(body, list):
        for index, customer in enumerate(body):
            if found := _no_number(customer, f" of customer {index}"):
                return found
    return _no_number(body, "")


def _no_number(customer: object, whose: str) -> str | None:
    """Name the first field of a customer in which something only looks like a number."""
    fields = customer.items() if isinstance(customer, dict) else ()
    for name, value in fields:
        if found := _within(value):
            return f"field {name[:100]!r}{whose}: {found.text[:40]} is not JSON; give null"
    return None


def _within(value: object) -> "_NoNumber | None":
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, _NoNumber):
            return value
        if isinstance(value, list | dict):
            values += value.values() if isinstance(value, dict) else value
    return None


class _NoNumber:
    """NaN, an infinity, or a number beyond all readers of JSON."""

    def __init__(self, text: str) -> None:
        self.text = text


def _number(text: str) -> float | _NoNumber:
    number = float(text)
    return number if isfinite(number) else _NoNumber(text)


_LENIENT: Final = JSONDecoder(parse_constant=_NoNumber, parse_float=_number)
