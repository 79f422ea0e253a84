"""The model bucket as the predictor reads it: its own seconds are numbered, and a customer waits.

A timeout of a client's holds for each read from a connection and each address that is tried, so
these are well below what a request may take.
"""

from typing import TYPE_CHECKING, Any

from botocore.config import Config

from evergreen.settings import Settings
from evergreen.store import s3
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def patient(settings: Settings) -> Registry:
    """Reach the versions while there is no model to answer with: worth half of a request's time."""
    return Registry(Bucket(_client(connect=1, read=4, tries=2), settings.model_bucket))


def impatient(settings: Settings) -> Registry:
    """Reach them while there is one, which can answer instead; the next look is due soon.

    Each look has a connection of its own: one that was kept since the look before has likely been
    closed, of which a function that slept meanwhile learns by an error.
    """
    client = _client(connect=0.25, read=0.75, tries=1)
    client.meta.events.register("before-send.s3", _close_afterwards)
    return Registry(Bucket(client, settings.model_bucket))


def _close_afterwards(request: Any, **_: Any) -> None:
    request.headers["Connection"] = "close"


def _client(*, connect: float, read: float, tries: int) -> "S3Client":
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    return s3.connect(config)
