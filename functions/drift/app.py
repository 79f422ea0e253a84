"""DriftFunction: have the customers changed? Runs on a schedule and tells who listens."""

import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from evergreen.errors import NoModelError
from evergreen.jobs.monitoring import Check, check
from evergreen.settings import Settings
from evergreen.statistics.drift import Thresholds
from evergreen.store import keys, s3
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def wiring() -> tuple[Settings, Registry, Bucket, Any]:
    """The settings, the registry, the log bucket and the event bus."""
    settings = Settings.read(os.environ)
    client = s3.client()
    registry = Registry(Bucket(client, settings.model_bucket))
    return settings, registry, Bucket(client, settings.log_bucket), boto3.client("events")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Check the latest predictions, keep the report, and say so where the customers drifted."""
    settings, registry, logs, bus = wiring()
    now = datetime.fromisoformat(event["time"]) if "time" in event else datetime.now(UTC)
    thresholds = Thresholds(
        alpha=settings.drift_alpha,
        effect_floor=settings.drift_effect_floor,
        share=settings.drift_share,
        min_rows=settings.drift_min_rows,
    )
    try:
        found = check(registry, logs, thresholds, settings.drift_window, now)
    except NoModelError as error:
        return {"verdict": "no_model", "detail": str(error)}
    key = keys.drift_report(now)
    report = {"checked_at": now.isoformat(), "model_version": found.model_version}
    report |= found.report.as_dict()
    logs.put(key, json.dumps(report, indent=2).encode())
    measure(found)
    if found.report.verdict == "drift":
        announce(bus, found, logs.name, key)
    return report | {"report": f"s3://{logs.name}/{key}"}


def measure(found: Check) -> None:
    """Publish the drifted share as a metric."""
    with single_metric(
        name="DriftedShare",
        unit=MetricUnit.NoUnit,
        value=found.report.drifted_share,
        namespace="Evergreen",
    ) as metric:
        metric.add_dimension("service", "drift")


def announce(bus: Any, found: Check, bucket: str, key: str) -> None:
    """Send "Drift Detected"; a bus that does not take it is an error, and the check is repeated."""
    detail = {
        "model_version": found.model_version,
        "drifted": found.report.drifted,
        "report": {"bucket": bucket, "key": key},
    }
    entry = {"Source": "evergreen", "DetailType": "Drift Detected", "Detail": json.dumps(detail)}
    answer = bus.put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge did not take the event: {answer['Entries'][0]}")
