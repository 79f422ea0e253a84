"""DriftFunction: have the customers changed? Runs on a schedule and tells who listens."""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from evergreen.errors import NoModelError
from evergreen.jobs.monitoring import Check, check
from evergreen.jobs.publishing import publish
from evergreen.settings import Settings
from evergreen.store.buckets import Buckets
from evergreen.store.events import Events
from evergreen.store.metrics import Metrics

KINDS = 20  # so many are told in the event, which is to stay small; the report has all

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def wiring() -> tuple[Settings, Buckets, Events]:
    """The settings, the buckets, and the event bus."""
    settings = Settings.read(os.environ)
    return settings, Buckets.of(settings), Events.connect(settings.stack)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Check the latest predictions, keep the report, and say so where the customers drifted."""
    settings, buckets, events = wiring()
    now = datetime.fromisoformat(event["time"]) if "time" in event else datetime.now(UTC)
    try:
        found = check(
            buckets.registry,
            buckets.logs,
            settings.drift_thresholds,
            settings.drift_window,
            settings.drift_max_window,
            now,
        )
    except NoModelError as error:
        return {"verdict": "no_model", "detail": str(error)}
    key = publish(buckets.logs, found)
    measure(found, settings.stack, now)
    if found.report.verdict == "drift":
        announce(events, found, buckets.logs.name, key)
    return {**found.as_dict(), "report": f"s3://{buckets.logs.name}/{key}"}


def measure(found: Check, stack: str, now: datetime) -> None:
    """Publish how old the champion is, in days, and what was found of the customers."""
    trained = datetime.strptime(found.model_version.split("-")[0], "%Y%m%dT%H%M%S%z")
    Metrics("drift", stack).publish(
        ModelAge=(now - trained) / timedelta(days=1),
        Customers=found.report.customers,
        DriftedShare=found.report.drifted_share,
        PredictedChurn=found.predicted_churn,
    )


def announce(events: Events, found: Check, bucket: str, key: str) -> None:
    """Send "Drift Detected"; where the bus does not take it the check fails, and is repeated."""
    detail = {
        "model_version": found.model_version,
        "drifted": found.report.drifted,
        "kinds": found.kinds[:KINDS],
        "report": {"bucket": bucket, "key": key},
    }
    events.publish("Drift Detected", detail)
