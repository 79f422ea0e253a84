"""RetrainFunction: train, compare, promote; invoked by drift, labelled uploads and a schedule."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from evergreen.jobs.retraining import Retraining, Trigger
from evergreen.settings import Settings
from evergreen.store import s3
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

TRIGGERS: dict[str, Trigger] = {
    "Drift Detected": "drift",
    "Object Created": "upload",
    "Scheduled Event": "upload",  # learns from uploads that a cool-down left waiting
}

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def wiring() -> Retraining:
    """What retraining needs of the buckets and the settings."""
    settings = Settings.read(os.environ)
    client = s3.client()
    return Retraining(
        data=Bucket(client, settings.data_bucket),
        registry=Registry(Bucket(client, settings.model_bucket)),
        cooldown=settings.retrain_cooldown,
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Run one training, if there is reason to; an event of no known type asks for one by hand."""
    trigger = TRIGGERS.get(event.get("detail-type", ""), "manual")
    outcome = wiring().run(trigger, datetime.now(UTC))
    logger.info("retraining", extra={"trigger": trigger, **outcome.as_dict()})
    return outcome.as_dict()
