"""The id of a request: its answer has it as `x-request-id`, and so has every line of the log."""

import logging
import re
from contextvars import ContextVar

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergreen.jobs.answering import ids

HEADER = "x-request-id"

_RAW = HEADER.encode()
_sane = re.compile(rb"[\w.:/+=@-]{1,128}").fullmatch
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def install(app: FastAPI) -> None:
    """Name the requests of the app, and note the names in what our loggers write."""
    app.add_middleware(_RequestIds)
    for handler in logging.getLogger("evergreen").handlers:
        handler.addFilter(_note)


class _RequestIds:
    """Names every request by the gateway's id or, where it has none, by the client's or a new one.

    The name holds for whatever runs in the request's context: threads that work for it, no others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = _of(scope)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_RAW, name.encode())]
            await send(message)

        token = _current.set(name)
        try:
            await self.app(scope, receive, named)
        finally:
            _current.reset(token)


def _note(record: logging.LogRecord) -> bool:
    """Note on a line of the log for which request it is."""
    name = _current.get()
    if name is not None:
        record.request_id = name
    return True


def _of(scope: Scope) -> str:
    event = scope.get("aws.event")
    if event and (gateways := event["requestContext"].get("requestId")):
        return str(gateways)
    own = next((value for name, value in scope["headers"] if name == _RAW), b"")
    return own.decode() if _sane(own) else ids.new(1)[0]
