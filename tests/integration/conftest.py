import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import boto3
import pandas as pd
import pytest
from aws_lambda_powertools import Logger
from moto import mock_aws

from evergreen.customers.schema import Schema
from evergreen.jobs.learning.history import Sources
from evergreen.models.artifact import Artifact, version_name
from evergreen.store import keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""When the champion of the fixture `learned` was trained, and every champion promoted."""


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


class CurrentOutput:
    """The standard output as it is when something is written to it."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture(autouse=True)
def log() -> None:
    """Let the functions' log, which is set up once, follow each test's own output."""
    log = logging.getLogger("evergreen")
    if not log.handlers:
        Logger(service="evergreen")
    for handler in log.handlers:
        handler.stream = CurrentOutput()  # type: ignore[attr-defined]


def bucket(name: str, *, versioned: bool = True) -> Bucket:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return Bucket(s3, name)


@pytest.fixture
def data() -> Bucket:
    return bucket("evergreen-data")


@pytest.fixture
def models() -> Bucket:
    return bucket("evergreen-models")


@pytest.fixture
def logs() -> Bucket:
    return bucket("evergreen-logs", versioned=False)


@pytest.fixture
def registry(models: Bucket) -> Registry:
    ticks = count()
    return Registry(models, clock=lambda: NOW + timedelta(microseconds=next(ticks)))


@pytest.fixture
def promoted(registry: Registry, version: Artifact) -> Pointer:
    """The pointer to a version that was published and promoted."""
    registry.publish(version.manifest, version.files)
    return registry.promote(version.manifest.version, seen=None, reason="the first model")


def put_history(data: Bucket, name: str, frame: pd.DataFrame) -> None:
    data.put(f"{keys.TRAINING}{name}.csv", frame.to_csv(index=False).encode(), "text/csv")


def put_schema(data: Bucket, schema: Schema, *more: dict[str, object]) -> None:
    document = {**schema.document, "fields": [*schema.document["fields"], *more]}
    data.put(keys.TRAINING_SCHEMA, json.dumps(document).encode())


@pytest.fixture
def in_bucket(data: Bucket, schema: Schema, frame: pd.DataFrame) -> Sources:
    """Labelled history in the bucket."""
    put_schema(data, schema)
    put_history(data, "history", frame)
    return Sources.find(data)


@pytest.fixture
def learned(registry: Registry, version: Artifact, in_bucket: Sources) -> Pointer:
    """The champion, as an upload's training on the history in the bucket left it."""
    manifest = replace(
        version.manifest,
        version=version_name(NOW, in_bucket.fingerprint),
        created=NOW.isoformat(),
        trigger="upload",
        fingerprint=in_bucket.fingerprint,
        sources=dict(in_bucket.etags),
    )
    registry.publish(manifest, version.files)
    return registry.promote(manifest.version, seen=None, reason="the first model")


def another(version: Artifact, name: str) -> Artifact:
    """The same files as another version."""
    return Artifact(replace(version.manifest, version=name), version.files)
