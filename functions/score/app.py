"""ScoreFunction: a file put under `incoming/` becomes predictions under `scored/`."""

import os
import time
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from aws_lambda_powertools import Logger

from evergreen.jobs.answering.champion import Champion
from evergreen.jobs.files.parts import PartScoring
from evergreen.jobs.files.scoring import Scoring
from evergreen.jobs.files.summary import Summary
from evergreen.jobs.files.uploads import Uploads
from evergreen.models.model import Model
from evergreen.settings import Settings
from evergreen.store.buckets import Buckets
from evergreen.store.events import Events
from evergreen.store.machine import Machine
from evergreen.store.metrics import Metrics

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def wiring() -> tuple[Uploads, PartScoring, Events]:
    """What becomes of uploads, and of parts of them; and the event bus."""
    settings = Settings.read(os.environ)
    buckets = Buckets.of(settings)
    champion = Champion(buckets.registry, settings.model_refresh, clock=time.time)
    in_parts = PartScoring(
        buckets.data,
        buckets.logs,
        load=lru_cache(1)(lambda version: buckets.registry.load(version, Model.load)),
        machine=Machine.connect(settings.score_machine),
        part_bytes=settings.score_part_bytes,
    )
    uploads = Uploads(
        buckets.data,
        champion.model,
        now=lambda: datetime.now(UTC),
        whole=Scoring(buckets.data, buckets.logs),
        in_parts=in_parts if settings.score_machine else None,
    )
    return uploads, in_parts, Events.connect(settings.stack)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Score an upload, a part of one, or see to those that have waited for the first model."""
    uploads, in_parts, events = wiring()
    if event.get("join"):
        return told(in_parts.join(event["job"]), events.stack)
    if "part" in event:
        in_parts.part(event["job"], int(event["part"]), int(event["start"]), int(event["end"]))
        return None
    if event.get("detail-type") == "Model Promoted":
        uploads.wake(lambda key: events.publish("Score Wanted", {"object": {"key": key}}))
        return None
    key = event["detail"]["object"]["key"]
    summary = uploads.score(key, lambda: context.get_remaining_time_in_millis() / 1_000)
    return told(summary, events.stack)


def told(summary: Summary | None, stack: str) -> dict[str, Any] | None:
    """Return a summary as the function answers it, and tell of it in the log and by metrics."""
    if summary is None:
        return None
    logger.info("an upload", extra=summary.to_dict())
    Metrics("score", stack).publish(
        RowsScored=summary.scored or None, RowsRejected=summary.rejected or None
    )
    return summary.to_dict()
