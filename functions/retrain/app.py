"""RetrainFunction: train, compare, promote; invoked by drift, labelled uploads and a schedule."""

import os
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from evergreen.jobs.occasion import Trigger
from evergreen.jobs.retraining import Outcome, Retraining
from evergreen.settings import Settings
from evergreen.store.buckets import Buckets
from evergreen.store.events import Events

TRIGGERS: dict[str, Trigger] = {
    "Drift Detected": "drift",
    "Object Created": "upload",
    "Object Deleted": "upload",
    "Scheduled Event": "upload",  # learns from uploads that a cool-down left waiting
}
FILES = 100  # so many are told in an event, which is to stay small; the bucket says it of all

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
    """Run one training, if there is reason to; an event of no known type asks for one by hand."""
    retraining, events = wiring()
    trigger = TRIGGERS.get(event.get("detail-type", ""), "manual")
    outcome = retraining.run(trigger, datetime.now(UTC), context.aws_request_id)
    logger.info("retraining", extra={"trigger": trigger, **outcome.as_dict()})
    tell(events, outcome, event.get("detail") or {})
    return outcome.as_dict()


def tell(events: Events, outcome: Outcome, drift: dict[str, Any]) -> None:
    """Say that a model serves, or by event and metric what a person has to do."""
    if outcome.status == "promoted":
        events.publish("Model Promoted", {"model_version": outcome.version})
    if outcome.status == "labels_wanted":
        wanted = {name: drift.get(name) for name in ("model_version", "drifted", "kinds", "report")}
        events.publish("Labels Wanted", {"reason": outcome.reason, **wanted})
        count(events, "LabelsWanted")
    for kind, files in (("Set Aside", outcome.set_aside), ("Refused", outcome.refused)):
        if files:
            events.publish(f"Source {kind}", {"files": dict(islice(files.items(), FILES))})
            count(events, f"Sources{kind.replace(' ', '')}", len(files))
    if outcome.status == "waits":
        waiting = {"model_version": outcome.version, "reason": outcome.reason}
        events.publish("Promotion Wanted", waiting)
        count(events, "PromotionsWanted")


def count(events: Events, name: str, value: int = 1) -> None:
    """Publish a metric."""
    with single_metric(
        name=name, unit=MetricUnit.Count, value=value, namespace="Evergreen"
    ) as metric:
        metric.add_dimension("service", "retrain")
        metric.add_dimension("stack", events.stack)
