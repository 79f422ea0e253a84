from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from evergreen.artifact import Artifact
from evergreen.registry import Pointer, Registry
from evergreen.s3 import Bucket


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


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
    return Registry(models)


@pytest.fixture
def promoted(registry: Registry, version: Artifact) -> Pointer:
    """The pointer to a version that was published and promoted."""
    registry.publish(version.manifest, version.files)
    return registry.promote(version.manifest.version, seen=None, reason="the first model")


def another(version: Artifact, name: str) -> Artifact:
    """The same files as another version."""
    return Artifact(replace(version.manifest, version=name), version.files)
