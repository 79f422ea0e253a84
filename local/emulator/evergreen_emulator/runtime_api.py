"""The Lambda Runtime API of one runtime process."""

import socket
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from io import BufferedRWPair
from selectors import EVENT_READ, BaseSelector
from types import MappingProxyType

_PREFIX = "/2018-06-01/runtime/"
_STALL = 10.0
"""Seconds that a request may take to arrive once it has begun."""


class Kind(Enum):
    """What a runtime can ask for or tell."""

    NEXT = auto()
    RESPONSE = auto()
    ERROR = auto()
    INIT_ERROR = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """What the runtime said. It has been acknowledged; NEXT alone is held, for want of an event."""

    kind: Kind
    body: bytes


class RuntimeApi:
    """Serves the one client that a runtime is, from the selector of whoever waits for it.

    The protocol alternates strictly (next, response, next), so it takes neither threads nor locks:
    whatever blocks here does so in the thread of the invocation, and ends with the process.
    """

    def __init__(self, selector: BaseSelector) -> None:
        self.requests: deque[Request] = deque()
        self._selector = selector
        self._waiting: BufferedRWPair | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._streams: dict[socket.socket, BufferedRWPair] = {}
        selector.register(self._listener, EVENT_READ, self._accept)

    @property
    def address(self) -> str:
        """The value of AWS_LAMBDA_RUNTIME_API."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def send_event(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer the NEXT that the runtime waits in; if the runtime is gone this does nothing."""
        stream, self._waiting = self._waiting, None
        try:
            if stream:
                _reply(stream, HTTPStatus.OK, body, headers)
        except OSError:
            return  # whoever waits for its answer will see that it has exited

    def close(self) -> None:
        """Close the port and every connection."""
        for connection in list(self._streams):
            self._drop(connection)
        self._listener.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(_STALL)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._streams[connection] = connection.makefile("rwb")
        self._selector.register(connection, EVENT_READ, partial(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        stream = self._streams[connection]
        try:
            if line := stream.readline():
                return self._handle(line, stream)
        except (OSError, ValueError):
            pass  # broken off, or no client of ours
        self._selector.unregister(connection)
        self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        with suppress(OSError):  # of a reply that nobody has waited for
            self._streams.pop(connection).close()
        connection.close()

    def _handle(self, line: bytes, stream: BufferedRWPair) -> None:
        method, path, _ = line.decode("latin-1").split()
        body = _body(stream)
        match method, *path.removeprefix(_PREFIX).split("/"):
            case "GET", "invocation", "next":
                self._waiting = stream
                return self.requests.append(Request(Kind.NEXT, body))
            case "POST", "invocation", _, "response":
                kind = Kind.RESPONSE
            case "POST", "invocation", _, "error":
                kind = Kind.ERROR
            case "POST", "init", "error":
                kind = Kind.INIT_ERROR
            case _:
                return _reply(stream, HTTPStatus.NOT_FOUND)
        _reply(stream, HTTPStatus.ACCEPTED, b'{"status":"OK"}')
        self.requests.append(Request(kind, body))


def _body(stream: BufferedRWPair) -> bytes:
    """Read the headers, of any size for a runtime puts whole tracebacks there, and the body."""
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = stream.read(length)
    if len(body) < length:
        raise ConnectionError("the runtime exited in the midst of a request")
    return body


def _reply(
    stream: BufferedRWPair,
    status: HTTPStatus,
    body: bytes = b"",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    stream.write("\r\n".join(lines).encode("latin-1") + body)
    stream.flush()
