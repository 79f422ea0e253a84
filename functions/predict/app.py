"""PredictFunction: the HTTP API behind API Gateway."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from api import create_app
from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from mangum import Mangum
from snapshot_restore_py import register_before_snapshot

from evergreen import inference_log, s3
from evergreen.champion import Champion
from evergreen.errors import NoModelError
from evergreen.inference_log import Shipper
from evergreen.registry import Registry
from evergreen.s3 import Bucket
from evergreen.settings import Settings

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def champion() -> Champion:
    """The model that answers, and goes on answering while newer ones are looked for."""
    settings = Settings.read(os.environ)
    registry = Registry(Bucket(s3.client(), settings.model_bucket))
    return Champion(registry, settings.model_refresh, clock=time.time)


@cache
def adapter() -> Mangum:
    """The API, wired to the champion and the inference log."""
    settings = Settings.read(os.environ)
    shipper = Shipper(inference_log.client(), settings.log_stream, keep_in_function_log)
    return Mangum(
        create_app(champion(), shipper.ship),
        lifespan="off",
        text_mime_types=["text/", "application/json", "application/problem+json"],
    )


def keep_in_function_log(lines: Sequence[bytes]) -> None:
    """Write records that Firehose did not take where they can be found again, and count them."""
    for line in lines:
        logger.error("undelivered inference record", extra={"record": line.decode()})
    with single_metric(
        name="UndeliveredRecords", unit=MetricUnit.Count, value=len(lines), namespace="Evergreen"
    ) as metric:
        metric.add_dimension("service", "predict")


@register_before_snapshot  # type: ignore[untyped-decorator]
def warm() -> None:
    """Load the model into the snapshot that SnapStart restores from."""
    with suppress(NoModelError):  # the first deployment comes before the first model
        champion().model()
    adapter()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of API Gateway's."""
    return adapter()(event, context)
