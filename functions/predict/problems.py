"""Errors as the API tells them: `application/problem+json` (RFC 9457), never a stack trace."""

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from evergreen.errors import CorruptModelError, InputError, InvalidRows, NoModelError

MOST = 100
"""So many wrong values are named at the most."""

logger = logging.getLogger("evergreen.api")


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document."""
    app.add_exception_handler(InvalidRows, _invalid_rows)
    app.add_exception_handler(InputError, _input)
    app.add_exception_handler(NoModelError, _no_model)
    app.add_exception_handler(CorruptModelError, _no_model)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(BotoCoreError, _aws)
    app.add_exception_handler(ClientError, _aws)
    app.add_middleware(_Faults)


def problem(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None, **members: object
) -> Response:
    """Make a problem document."""
    content = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    body = orjson.dumps(content | members)
    return Response(body, status, headers, media_type="application/problem+json")


async def _invalid_rows(_: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidRows)
    errors = [
        {"index": p.row, "field": p.field, "message": p.message} for p in error.problems[:MOST]
    ]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), errors=errors)


async def _input(_: Request, error: Exception) -> Response:
    return problem(HTTPStatus.BAD_REQUEST, str(error))


async def _no_model(_: Request, error: Exception) -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


async def _aws(_: Request, error: Exception) -> Response:
    logger.error("a service did not answer", exc_info=error)
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "the model store can't be reached; try again in a moment"
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    said = status.description if error.detail == status.phrase else error.detail
    detail = f"{request.method} {request.url.path}: {said}"
    headers = {**(error.headers or {})}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:  # the router names those of one route
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem(status, detail, headers)


def _methods(request: Request) -> set[str]:
    """Return what may be done at the address of a request."""
    here = (
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return {method for route in here for method in route.methods or ()}


class _Faults:
    """Answers what nobody expected. A handler of `Exception` would answer and then raise it on, so
    that the server around the app told of it once more, and with its words.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            kind = type(error).__name__
            logger.error("a request failed: %s", kind, extra={"exception": _origin(error)})
            answer = problem(
                HTTPStatus.INTERNAL_SERVER_ERROR, "this is our fault; it is in the function's log"
            )
            await answer(scope, receive, send)


def _origin(error: BaseException) -> str:
    """Say where an error comes from, without its message, which may quote a customer."""
    cause = error.__cause__ or error.__context__
    before = f"{_origin(cause)}\n\n" if cause else ""
    return f"{before}{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}"
