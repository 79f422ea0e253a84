"""What the tests of all kinds share: labelled customers, and a model version trained on them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from evergreen.customers.schema import Schema
from evergreen.jobs.learning.cohort import Cohort
from evergreen.jobs.learning.history import History
from evergreen.models import artifact, training
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.model import Model
from evergreen.models.training import Labelled, Trained
from local.demo.customers import customers
from local.demo.stack import ROOT

SCHEMA = ROOT / "local/schemas/customers.json"

# On a busy machine an example may take as long as it likes, and so may its making.
settings.register_profile(
    "evergreen",
    parent=settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("evergreen")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Keep each worker to one core: threads that wait for each other cost more than they give."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema(json.loads(SCHEMA.read_bytes()))


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return customers(1_000, seed=1)


@pytest.fixture(scope="session")
def cohort(schema: Schema, frame: pd.DataFrame) -> Cohort:
    return History.of({"history": frame}).cohort(schema)


@pytest.fixture(scope="session")
def labelled(cohort: Cohort) -> Labelled:
    return cohort.labelled


@pytest.fixture(scope="session")
def trained(schema: Schema, labelled: Labelled) -> Trained:
    return training.train(schema, labelled)


@pytest.fixture(scope="session")
def version(schema: Schema, cohort: Cohort, trained: Trained) -> Artifact:
    """A complete version, as training makes it."""
    known = {artifact.CUSTOMERS: cohort.known.to_bytes()}
    files = training.version_files(schema, cohort.labelled, trained, known)
    manifest = Manifest(
        version="20260101T000000Z-0123abcd",
        created="2026-01-01T00:00:00+00:00",
        parent=None,
        trigger="manual",
        fingerprint="0123abcd",
        sources={},
        libraries={},
        decision={"promoted": True, "reason": "the first model", "comparison": None},
        files={name: artifact.sha256(content) for name, content in files.items()},
    )
    return Artifact(manifest, files)


@pytest.fixture(scope="session")
def model(version: Artifact) -> Model:
    return Model.load(version)


@pytest.fixture
def published(version: Artifact, tmp_path: Path) -> Path:
    """A folder that holds the files of the version."""
    for name, content in version.files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "manifest.json").write_bytes(version.manifest.to_bytes())
    return tmp_path
