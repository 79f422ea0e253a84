"""The composition of the predictor, for Lambda (`app`) and for a server of its own (`server`)."""

import os
import time
from collections.abc import Sequence
from functools import cache

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from evergreen.errors import CorruptModelError, NoModelError
from evergreen.jobs.champion import Champion
from evergreen.settings import Settings
from evergreen.store import inference_log, patience
from evergreen.store.inference_log import Shipper
from evergreen.store.registry import Registry

logger = Logger(service="evergreen")  # all loggers of the package are below it


@cache
def champion() -> Champion:
    """The model that answers, and goes on answering while newer ones are looked for."""
    settings = Settings.read(os.environ)
    registry = patience.patient(settings)
    return Champion(registry, settings.model_refresh, clock=time.time, glance=glance)


@cache
def glance() -> Registry:
    """The way to newer models; a client of its own, so only made when it is first needed."""
    return patience.impatient(Settings.read(os.environ))


def preload() -> None:
    """Load the model, if there is one yet, rather than while the first customer waits."""
    glance()
    try:
        champion().model()
    except (NoModelError, CorruptModelError, BotoCoreError, ClientError) as error:
        logger.warning("started without a model, which every request looks for: %s", error)


@cache
def shipper() -> Shipper:
    """The way of predictions into the inference log."""
    settings = Settings.read(os.environ)
    return Shipper(inference_log.client(), settings.log_stream, keep_in_function_log)


def keep_in_function_log(lines: Sequence[bytes]) -> None:
    """Write records that Firehose did not take where they can be found again, and count them."""
    for line in lines:
        logger.error("undelivered inference record", extra={"record": line.decode()})
    with single_metric(
        name="UndeliveredRecords", unit=MetricUnit.Count, value=len(lines), namespace="Evergreen"
    ) as metric:
        metric.add_dimension("service", "predict")
        metric.add_dimension("stack", os.environ.get("EVERGREEN_STACK", ""))
