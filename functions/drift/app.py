"""DriftFunction: have the customers changed? Runs on a schedule and tells who listens."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from telling import announce, measure

from evergreen.errors import NoModelError
from evergreen.jobs.drift.counting import Counting, Round
from evergreen.jobs.drift.monitoring import Check
from evergreen.jobs.drift.publishing import publish
from evergreen.settings import Settings
from evergreen.store.buckets import Buckets
from evergreen.store.events import Events
from evergreen.store.machine import Machine

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def wiring() -> tuple[Settings, Buckets, Events]:
    """The settings, the buckets, and the event bus."""
    settings = Settings.read(os.environ)
    return settings, Buckets.of(settings), Events.connect(settings.stack)


@cache
def counting() -> Counting:
    """The check, by this function alone or in parts."""
    settings, buckets, _ = wiring()
    machine = Machine.connect(settings.drift_machine) if settings.drift_machine else None
    return Counting(
        registry=buckets.registry,
        logs=buckets.logs,
        thresholds=settings.drift_thresholds,
        window=settings.drift_window,
        max_window=settings.drift_max_window,
        machine=machine,
        part_bytes=settings.drift_part_bytes,
    )


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Check the latest predictions, or do what the state machine asks for a part of them."""
    if "job" in event:
        return of_a_job(event)
    now = datetime.fromisoformat(event["time"]) if "time" in event else datetime.now(UTC)
    try:
        found = counting().check(now)
    except NoModelError as error:
        return {"verdict": "no_model", "detail": str(error)}
    return {"verdict": "counting"} if found is None else {**found.as_dict(), **report(found)}


def of_a_job(event: dict[str, Any]) -> dict[str, Any]:
    """Count one part of a job's round, or put its rounds together."""
    of = Round(event["job"], int(event["round"]))
    if not event.get("merge"):
        counting().part(of, int(event["part"]))
        return {}
    found = counting().merge(of)
    if found is None:
        return {"verdict": "counting", "round": of.number + 1}
    return {"verdict": found.report.verdict, "round": of.number, **report(found)}


def report(found: Check) -> dict[str, Any]:
    """Keep the report, and say so where the customers drifted."""
    settings, buckets, events = wiring()
    key = publish(buckets.logs, found)
    measure(found, settings.stack)
    announce(events, found, buckets.logs.name, key)
    return {"report": f"s3://{buckets.logs.name}/{key}"}
