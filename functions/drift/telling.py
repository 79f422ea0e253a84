"""What others are told of a drift check: by an event, and in numbers."""

from datetime import datetime, timedelta

from evergreen.jobs.drift.monitoring import Check
from evergreen.store.events import Events
from evergreen.store.metrics import Metrics

KINDS = 20  # so many are told in the event, which is to stay small; the report has all


def measure(found: Check, stack: str) -> None:
    """Publish how old the champion is, in days, and what was found of the customers."""
    trained = datetime.strptime(found.model_version.split("-")[0], "%Y%m%dT%H%M%S%z")
    Metrics("drift", stack).publish(
        ModelAge=(found.window_end - trained) / timedelta(days=1),
        Customers=found.report.customers,
        DriftedShare=found.report.drifted_share,
        PredictedChurn=found.predicted_churn,
    )


def announce(events: Events, found: Check, bucket: str, key: str) -> None:
    """Send "Drift Detected"; where the bus does not take it the check fails, and is repeated."""
    if found.report.verdict != "drift":
        return
    detail = {
        "model_version": found.model_version,
        "drifted": found.report.drifted,
        "kinds": found.kinds[:KINDS],
        "report": {"bucket": bucket, "key": key},
    }
    events.publish("Drift Detected", detail)
