"""What others are told of an outcome: by events, and in numbers."""

from itertools import islice
from typing import Any

from evergreen.jobs.learning.retraining import Outcome, Status
from evergreen.store.events import Events

FILES = 100  # so many are told in an event, which is to stay small; the bucket says it of all
COUNTED: dict[Status, str] = {
    "promoted": "Promotions",
    "waits": "PromotionsWanted",
    "labels_wanted": "LabelsWanted",
}


def tell(events: Events, outcome: Outcome, drift: dict[str, Any]) -> None:
    """Say that a model serves, or what a person has to do."""
    if outcome.status == "promoted":
        events.publish("Model Promoted", {"model_version": outcome.version})
    if outcome.status == "labels_wanted":
        wanted = {name: drift.get(name) for name in ("model_version", "drifted", "kinds", "report")}
        events.publish("Labels Wanted", {"reason": outcome.reason, **wanted})
    for kind, files in (("Set Aside", outcome.set_aside), ("Refused", outcome.refused)):
        if files:
            events.publish(f"Source {kind}", {"files": dict(islice(files.items(), FILES))})
    if outcome.status == "waits":
        waiting = {"model_version": outcome.version, "reason": outcome.reason}
        events.publish("Promotion Wanted", waiting)


def numbers(outcome: Outcome) -> dict[str, float | None]:
    """Return the metrics of an outcome; None where there is nothing to measure."""
    found: dict[str, float | None] = {
        "SourcesSetAside": len(outcome.set_aside) or None,
        "SourcesRefused": len(outcome.refused) or None,
    }
    if outcome.status in COUNTED:
        found[COUNTED[outcome.status]] = 1
    if outcome.metrics:
        compared = outcome.comparison or {}
        found |= {
            "Trainings": 1,
            "HeldOutLogLoss": outcome.metrics["log_loss"],
            "ChampionLogLoss": compared.get("rival_log_loss"),
            "ChallengerLogLoss": compared.get("challenger_log_loss"),
        }
    return found
