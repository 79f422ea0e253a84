"""PredictFunction: the HTTP API behind API Gateway."""

from functools import cache
from typing import Any

from api import create_app
from mangum import Mangum
from snapshot_restore_py import register_before_snapshot
from wiring import champion, logger, preload, shipper


@cache
def adapter() -> Mangum:
    """The API, wired to the champion and the inference log."""
    return Mangum(
        create_app(champion(), shipper().ship),
        lifespan="off",
        text_mime_types=["text/", "application/json", "application/problem+json"],
    )


@register_before_snapshot  # type: ignore[untyped-decorator]
def warm() -> None:
    """Load the model into the snapshot that SnapStart restores from."""
    preload()
    adapter()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of API Gateway's; any other event is a ping that keeps the model warm."""
    if _is_request(event):
        return adapter()(event, context)
    warm()
    return {"status": "ok"}


def _is_request(event: object) -> bool:
    """Whether an event is HTTP, in the first or the second of API Gateway's formats."""
    return (
        isinstance(event, dict)
        and "requestContext" in event
        and not event.keys().isdisjoint(("httpMethod", "rawPath"))
    )
