"""The composition of the predictor, for Lambda (`app`) and for a server of its own (`server`)."""

import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from threading import Thread

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from evergreen.errors import CorruptModelError, NoModelError
from evergreen.jobs.answering.champion import Champion
from evergreen.settings import Settings
from evergreen.store import inference_log, patience
from evergreen.store.inference_log import Record, Shipper
from evergreen.store.metrics import UNDELIVERED, Metrics
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

RESTORE = 5  # seconds that a restore waits for a newer model; Lambda ends one that takes 10
REFUSED = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.CONTENT_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_CONTENT,
}

logger = Logger(service="evergreen")  # all loggers of the package are below it
counted = Counter({"ColdStarts": 1})  # since metrics were published; of a snapshot, in every copy


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
    """Make the clients and load the model, if there is one yet, before the first customer waits."""
    glance()
    shipper()
    try:
        champion().model()
    except (NoModelError, CorruptModelError, BotoCoreError, ClientError) as error:
        logger.warning("started without a model, which every request looks for: %s", error)


def renew() -> None:
    """Make one of the copies of a snapshot a process of its own, which serves the newest model.

    Nobody is at the other end of the connections that the snapshot has, and its retries would be
    those of all other copies. Where S3 is slow, the model of the snapshot answers.
    """
    random.seed()
    for client in (champion().registry.bucket.s3, glance().bucket.s3, shipper().firehose):
        client.close()  # its connections; the next call makes new ones
    look = Thread(target=preload, daemon=True)
    look.start()
    look.join(RESTORE)


@cache
def shipper() -> Shipper:
    """The way of predictions into the inference log."""
    settings = Settings.read(os.environ)
    return Shipper(inference_log.client(), settings.log_stream, keep_in_function_log)


@cache
def logs() -> Bucket:
    """The log bucket, which is reached as the versions are."""
    return Bucket(champion().registry.bucket.s3, Settings.read(os.environ).log_bucket)


def ship(records: Sequence[Record]) -> None:
    """Ship records, and count the customers whom they are of."""
    counted["Predictions"] += len(records)
    shipper().ship(records)


def keep_in_function_log(lines: Sequence[bytes]) -> None:
    """Write records that Firehose did not take where they can be found again, and count them."""
    for line in lines:
        logger.error(UNDELIVERED, extra={"record": line.decode()})
    counted["UndeliveredRecords"] += len(lines)


@cache
def metrics() -> Metrics:
    """The way of numbers to the dashboards."""
    return Metrics("predict", Settings.read(os.environ).stack)


def measure(status: int, seconds: float) -> None:
    """Publish what was counted until a request was answered.

    A cold start is told with the first prediction or refusal, so that a look at the function's
    health writes nothing.
    """
    counted["ValidationErrors"] += status in REFUSED
    values: dict[str, float] = {name: count for name, count in counted.items() if count}
    if values.keys() <= {"ColdStarts"}:
        return
    if "Predictions" in values:
        values["Latency"] = round(seconds * 1_000, 3)
    metrics().publish(**values)
    counted.clear()
