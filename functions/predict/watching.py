"""The routes that tell how the model does: what was measured, and whether customers drift."""

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus

import docs
import prose
import watched
from fastapi import FastAPI, Request, Response
from running import Run
from starlette.exceptions import HTTPException

from evergreen.errors import NotFoundError
from evergreen.store import keys
from evergreen.store.s3 import Bucket

_JSON, _PAGE = "application/json", "text/html"
_REPORTS = {_JSON: keys.DRIFT_LATEST, _PAGE: keys.DRIFT_LATEST_PAGE}
_NOT_MEASURED = (
    "nothing has been measured yet; there is something with the next measurement after the first"
    " outcomes, which come by POST /outcomes or in files under outcomes/"
)
_NOT_CHECKED = (
    "there is no drift report yet; there is one with the next check, which is made every hour"
)
_LOCKED = {  # a page of ours needs nothing from anywhere, so nothing may be brought into it
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
}

_range = re.compile(r"\s*([\w!#$&^.+*-]+/[\w!#$&^.+*-]+)\s*(?:;.*)?", re.DOTALL).fullmatch
_quality = re.compile(r";\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE).search


def install(app: FastAPI, logs: Callable[[], Bucket], run: Run) -> None:
    """Tell what is in the log bucket.

    Args:
        app: the API.
        logs: that bucket.
        run: as for `api.create_app`.

    """

    measured = docs.answers(watched.Performance, prose.PERFORMANCE) | prose.UNCHANGED
    reported = docs.pages(watched.DriftReport, prose.DRIFT) | prose.UNCHANGED

    @app.get("/performance", responses=measured)
    async def performance(request: Request) -> Response:
        """Tell how good the model really is: by outcomes where there are some, else estimated."""
        found = await run(lambda: _get(logs(), keys.PERFORMANCE, _NOT_MEASURED))
        return _fresh(request, *found, _JSON)

    @app.get("/drift", responses=reported)
    async def drift(request: Request) -> Response:
        """Give the latest drift report: as JSON or, where `Accept` prefers it, as a page."""
        kind = preferred(request.headers.getlist("accept"), _REPORTS)
        if kind is None:
            raise HTTPException(
                HTTPStatus.NOT_ACCEPTABLE,
                f"a report is {' or '.join(_REPORTS)}",
                {"Vary": "Accept"},
            )
        found = await run(lambda: _get(logs(), _REPORTS[kind], _NOT_CHECKED))
        answer = _fresh(request, *found, kind)
        answer.headers["Vary"] = "Accept"
        return answer


def preferred(accept: Iterable[str], kinds: Iterable[str]) -> str | None:
    """Choose what a request likes best (RFC 9110, 12.5.1), the first of equals; None if nothing.

    Args:
        accept: the values of its headers `Accept`; where there is none, all is welcome.
        kinds: the media types that there are.

    """
    said = ",".join(accept)
    if not said.strip():
        return next(iter(kinds))
    liked: dict[str, float] = {}
    for part in said.split(","):
        if found := _range(part):
            weight = _quality(part)
            liked[found[1].lower()] = float(weight[1]) if weight else 1.0

    def quality(kind: str) -> float:
        general = (kind, kind.partition("/")[0] + "/*", "*/*")
        return next((liked[each] for each in general if each in liked), 0.0)

    best = max(kinds, key=quality)
    return best if quality(best) else None


def _get(logs: Bucket, key: str, otherwise: str) -> tuple[bytes, str]:
    try:
        return logs.get(key)
    except NotFoundError:
        raise HTTPException(HTTPStatus.NOT_FOUND, otherwise) from None


def _fresh(request: Request, content: bytes, etag: str, kind: str) -> Response:
    """Answer with a document, unless the client has it already."""
    headers = {"ETag": etag, "Cache-Control": "no-cache"}  # to be kept, but asked for each time
    known = ",".join(request.headers.getlist("if-none-match"))
    if known.strip() == "*" or etag in re.findall(r'"[^"]*"', known):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if kind == _PAGE:
        headers |= _LOCKED
        kind += "; charset=utf-8"
    return Response(content, headers=headers, media_type=kind)
