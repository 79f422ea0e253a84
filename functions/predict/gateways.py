"""The gateways that may be before the function, and what each of them does to an address.

A REST API names the route that it chose, `/docs/{asset}`, an HTTP API `GET /docs/{asset}`, and both
say what the braces stand for: whatever stage or domain was asked at, that is our own address.
`$default`, a function URL and a load balancer know no routes and give the client's address, an HTTP
API with its stage before it. What else is before it then, `EVERGREEN_BASE_PATH` says.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from mangum.types import ASGI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LARGE = 500_000  # a load balancer takes an answer of at most 1 MB, scripts are larger

_braces = re.compile(r"\{([^}+]+)\+?\}")


def behind(app: ASGIApp, base: str = "") -> ASGI:
    """Let an app that Mangum asks be behind any gateway, and below a base path."""
    zipped = GZipMiddleware(app, _LARGE)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        event = scope["aws.event"]
        fitting = zipped if "elb" in event["requestContext"] else app
        await fitting({**scope, "path": own_path(event, base)}, receive, send)

    return answer


def own_path(event: Mapping[str, Any], base: str = "") -> str:
    """Return the address of a request within the API; a slash at its end makes no other."""
    route = event.get("resource") or event.get("routeKey", "").partition(" ")[2]
    if route.startswith("/"):
        given = event.get("pathParameters") or {}
        path = _braces.sub(lambda braces: given.get(braces[1], braces[0]), route)
    else:
        context = event["requestContext"]
        path = context["http"]["path"] if "http" in context else event["path"]
        path = _below(path, context.get("stage", ""))
    return unquote(_below(path, base.strip("/"))).rstrip("/") or "/"


def _below(path: str, base: str) -> str:
    """Leave out what a path begins with, where it is whole segments."""
    rest = path.removeprefix(f"/{base}")
    return rest if rest.startswith("/") else path
