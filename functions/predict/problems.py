"""Errors as the API tells them: `application/problem+json` (RFC 9457), never a stack trace."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from evergreen.errors import CorruptModelError, InputError, InvalidRows, NoModelError

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
    app.add_exception_handler(Exception, _fault)


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
        {"index": p.row, "field": p.field, "message": p.message} for p in error.problems[:100]
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
    detail = f"{request.method} {request.url.path}: {status.description}"
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


async def _fault(_: Request, error: Exception) -> Response:
    logger.error("a request failed", exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "this is our fault; it is in the function's log"
    )
