"""MeasureFunction: how good the model really is. Takes outcomes by file; measures on a schedule."""

import os
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from evergreen.customers.schema import Schema
from evergreen.errors import BusyError, NoModelError
from evergreen.jobs.outcomes.intake import take_in
from evergreen.jobs.outcomes.measuring import Measuring
from evergreen.models.reference import Reference
from evergreen.settings import Settings
from evergreen.store import keys
from evergreen.store.buckets import Buckets
from evergreen.store.events import Events
from evergreen.store.metrics import Metrics

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def wiring() -> tuple[Settings, Buckets, Events]:
    """The settings, the buckets, and the event bus."""
    settings = Settings.read(os.environ)
    return settings, Buckets.of(settings), Events.connect(settings.stack)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Take in a file of outcomes, or measure what all of them say of the predictions."""
    if event.get("detail-type") == "Object Created":
        return received(event["detail"]["object"]["key"], context)
    return measured(event, context)


def received(key: str, context: Any) -> dict[str, Any] | None:
    """Take in the file under a key; what became of it is told as its summary tells it."""
    _, buckets, _ = wiring()
    schema = described(buckets)
    left = context.get_remaining_time_in_millis
    found = take_in(buckets.data, buckets.logs, schema, key, lambda: left() / 1_000)
    if found is None:
        return None
    logger.info("outcomes", extra=asdict(found))
    return asdict(found)


def described(buckets: Buckets) -> Schema:
    """Return the champion's schema or, before the first model, what that will be trained with."""
    try:
        return buckets.registry.champion(Reference.load).schema
    except NoModelError:
        return Schema.parse(buckets.data.get(keys.TRAINING_SCHEMA)[0])


def measured(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Measure; where another run is at it, that one's answer will do."""
    settings, buckets, events = wiring()
    now = datetime.fromisoformat(event["time"]) if "time" in event else datetime.now(UTC)
    measuring = Measuring(
        data=buckets.data,
        logs=buckets.logs,
        registry=buckets.registry,
        horizon=settings.outcome_horizon,
        announce=events.publish,
    )
    try:
        found, champion = measuring.run(now, context.aws_request_id)
    except NoModelError as error:
        return {"status": "no_model", "detail": str(error)}
    except BusyError as error:
        return {"status": "busy", "detail": str(error)}
    Metrics("measure", settings.stack).publish(**found.metrics(champion))
    logger.info("performance", extra=found.as_dict())
    return {"status": "measured", **found.as_dict()}
