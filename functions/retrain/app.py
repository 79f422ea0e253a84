"""RetrainFunction: train, compare, promote; invoked by drift, labelled uploads and a schedule."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from telling import numbers, tell

from evergreen.jobs.learning.occasion import Trigger
from evergreen.jobs.learning.retraining import Retraining
from evergreen.settings import Settings
from evergreen.store.buckets import Buckets
from evergreen.store.events import Events
from evergreen.store.metrics import Metrics

TRIGGERS: dict[str, Trigger] = {
    "Drift Detected": "drift",
    "Labels Uploaded": "upload",
    "Scheduled Event": "upload",  # learns from uploads that a cool-down left waiting
}

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def wiring() -> tuple[Retraining, Events]:
    """What retraining needs of the buckets and the settings, and the event bus."""
    settings = Settings.read(os.environ)
    buckets = Buckets.of(settings)
    retraining = Retraining(
        data=buckets.data,
        registry=buckets.registry,
        cooldown=settings.retrain_cooldown,
        thresholds=settings.drift_thresholds,
    )
    return retraining, Events.connect(settings.stack)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Run one training, if there is reason to; an event of no known type asks for one by hand.

    Uploads come by a queue, many at once, and become one event, whose retries and failures are
    those of every other.
    """
    retraining, events = wiring()
    if uploads := event.get("Records"):
        events.publish("Labels Uploaded", {"files": len(uploads)})
        return {"files": len(uploads)}
    trigger = TRIGGERS.get(event.get("detail-type", ""), "manual")
    outcome = retraining.run(trigger, datetime.now(UTC), context.aws_request_id)
    logger.info("retraining", extra={"trigger": trigger, **outcome.as_dict()})
    Metrics("retrain", events.stack).publish(**numbers(outcome))
    tell(events, outcome, event.get("detail") or {})
    return outcome.as_dict()
