"""PredictFunction: the HTTP API behind API Gateway, a function URL or a load balancer."""

import gc
import os
import time
from functools import cache
from typing import Any

gc.disable()  # what a start makes stays; to look through it for garbage takes time

import memory
from api import create_app
from gateways import behind
from mangum import Mangum
from snapshot_restore_py import register_after_restore, register_before_snapshot
from wiring import champion, logger, logs, measure, preload, renew, ship

memory.keep()
_BATCH = 10_000
"""Objects without a look for garbage: a thousand customers take five each, and none is any."""


@cache
def adapter() -> Mangum:
    """The API, wired to the champion and the inference log."""
    made = Mangum(
        behind(create_app(champion(), ship, logs), os.environ.get("EVERGREEN_BASE_PATH", "")),
        lifespan="off",
        text_mime_types=["text/", "application/json", "application/problem+json"],
    )
    gc.freeze()
    gc.set_threshold(_BATCH)
    gc.enable()
    return made


@register_before_snapshot  # type: ignore[untyped-decorator]
def warm() -> None:
    """Load the model into the snapshot that SnapStart restores from."""
    preload()
    adapter()


register_after_restore(renew)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one HTTP request; any other event is a ping that keeps the model warm."""
    if not _is_request(event):
        warm()
        return {"status": "ok"}
    began = time.perf_counter()
    answer = adapter()(event, context)
    measure(answer["statusCode"], time.perf_counter() - began)
    return answer


def _is_request(event: object) -> bool:
    """Whether an event is HTTP: a load balancer's, or of API Gateway's first or second format."""
    return (
        isinstance(event, dict)
        and "requestContext" in event
        and not event.keys().isdisjoint(("httpMethod", "rawPath"))
    )
