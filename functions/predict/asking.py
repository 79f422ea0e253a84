"""What a request for predictions asks for: its options, its key, and its customers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import bodies
from fastapi import Request

from evergreen.customers.names import meant
from evergreen.errors import InputError
from evergreen.jobs.answering import ids

ONE: Mapping[str, tuple[str, ...]] = {"explain": ("false", "true")}
"""The options of a request for one prediction, each with what it may be, the default first, …"""
BATCH = {**ONE, "on_invalid": ("refuse", "skip")}
"""… and of one for many."""

KEY = "[!-~]{1,255}"
"""What an `Idempotency-Key` may be: visible ASCII."""

_SHOWN = 50
_is_key = re.compile(KEY).fullmatch


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for predictions."""

    path: str
    content: bytes
    """The body, unpacked."""
    options: Mapping[str, str]
    key: str | None
    """The `Idempotency-Key`: with the same one, the same request is repeated."""
    client: bytes
    """Whose key it is: the API key."""

    @property
    def explained(self) -> bool:
        """Whether reasons are wanted."""
        return self.options["explain"] == "true"

    @property
    def skipping(self) -> bool:
        """Whether customers who don't fit are passed over."""
        return self.options.get("on_invalid") == "skip"

    def ids(self, count: int) -> list[str]:
        """Return the ids of its predictions."""
        if self.key is None:
            return ids.new(count)
        return ids.repeated(self.key, self.content, count)

    def name(self) -> bytes:
        """Tell its client and key from all others, without a secret in it."""
        return sha256(self.client + f"\n{self.key}".encode()).digest()

    def fingerprint(self) -> bytes:
        """Tell what is asked for from anything else."""
        options = "&".join(f"{name}={value}" for name, value in self.options.items())
        return sha256(f"{self.path}?{options}\n".encode() + self.content).digest()


async def read(request: Request, known: Mapping[str, tuple[str, ...]]) -> Asked:
    """Read a request that may have the options that are known.

    Raises:
        InputError: an option or a key is not what it may be.

    """
    options, headers = _options(request, known), bodies.headers(request)
    key = _key(headers[b"idempotency-key"]) if b"idempotency-key" in headers else None
    client = headers.get(b"x-api-key", b"")
    return Asked(request.scope["path"], await bodies.read(request), options, key, client)


def _options(request: Request, known: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    options = {name: values[0] for name, values in known.items()}
    if not request.scope["query_string"]:
        return options
    given: set[str] = set()
    for name, text in request.query_params.multi_items():
        if name not in known:
            near = meant(name[:_SHOWN], known)
            there_are = f"there is {' and '.join(map(repr, known))}"
            advice = f"did you mean {near!r}?" if near else there_are
            raise InputError(f"there is no query parameter {name[:_SHOWN]!r}; {advice}")
        if name in given:
            raise InputError(f"the query parameter {name!r} is given more than once")
        value = text.lower()  # Python writes True
        if value not in known[name]:
            may = " or ".join(known[name])
            raise InputError(f"the query parameter {name!r} may be {may}, not {text[:_SHOWN]!r}")
        given.add(name)
        options[name] = value
    return options


def _key(given: bytes) -> str:
    key = given.decode("latin-1").strip(" \t")
    if not _is_key(key):
        raise InputError("the header Idempotency-Key may be 1 to 255 visible ASCII characters")
    return key
