"""ScoreFunction: a CSV put under `incoming/` becomes predictions under `scored/`."""

import os
import time
from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from evergreen.jobs.champion import Champion
from evergreen.jobs.scoring import score_upload
from evergreen.settings import Settings
from evergreen.store.buckets import Buckets
from evergreen.store.s3 import Bucket

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def wiring() -> tuple[Bucket, Champion]:
    """The data bucket and the model that scores."""
    settings = Settings.read(os.environ)
    buckets = Buckets.of(settings)
    return buckets.data, Champion(buckets.registry, settings.model_refresh, clock=time.time)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Score the upload that an "Object Created" event names."""
    data, champion = wiring()
    summary = score_upload(data, event["detail"]["object"]["key"], champion.model())
    logger.info("scored an upload", extra=asdict(summary))
    return asdict(summary)
