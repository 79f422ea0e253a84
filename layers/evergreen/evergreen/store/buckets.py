"""The three buckets of a deployment, by the names in its settings."""

from dataclasses import dataclass
from typing import Self

from evergreen.settings import Settings
from evergreen.store import s3
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket


@dataclass(frozen=True, slots=True)
class Buckets:
    """Labelled history and uploads, model versions, and the inference log."""

    data: Bucket
    registry: Registry
    logs: Bucket

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Reach the buckets with one client; nothing is asked of S3 yet."""
        client = s3.client()
        return cls(
            data=Bucket(client, settings.data_bucket),
            registry=Registry(Bucket(client, settings.model_bucket)),
            logs=Bucket(client, settings.log_bucket),
        )
