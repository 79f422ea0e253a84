"""A verdict in its context: all features at once, by level, since when, and the window before."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import numpy as np
import pytest

from evergreen.jobs.drift import monitoring
from evergreen.jobs.drift.monitoring import Check, against, check
from evergreen.jobs.drift.publishing import publish
from evergreen.models import artifact, reference_sample
from evergreen.models.artifact import Artifact, sha256
from evergreen.models.model import Model
from evergreen.settings import Thresholds
from evergreen.statistics.drift import Verdict
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from local.demo.source import to_json
from local.demo.stack import ROOT

from . import predicted

NOW = datetime(2026, 1, 12, 3, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = 24 * HOUR
PUBLISHED = json.loads((ROOT / "infra/drift-report.schema.json").read_bytes())


@pytest.fixture
def registry(models: Bucket) -> Registry:
    return Registry(models, clock=lambda: NOW - 100 * DAY)


def checked(registry: Registry, logs: Bucket, at: datetime = NOW) -> Check:
    found = check(registry, logs, Thresholds(), DAY, DAY, at)
    publish(logs, found)
    return found


def promote(registry: Registry, version: Artifact, **files: bytes | None) -> None:
    """Promote a version with some files in place of its own, or without."""
    given = {**version.files, **{name.replace("_", "."): body for name, body in files.items()}}
    kept = {name: content for name, content in given.items() if content is not None}
    names = {name: sha256(content) for name, content in kept.items()}
    manifest = replace(version.manifest, files=names)
    registry.publish(manifest, kept)
    registry.promote(manifest.version, seen=None, reason="the first model")


@pytest.mark.usefixtures("promoted")
def test_the_report_says_all_that_was_found(registry: Registry, logs: Bucket, model: Model) -> None:
    predicted.put(logs, model, NOW - HOUR, 500, shift=1)
    checked(registry, logs)
    report = json.loads(logs.get(keys.DRIFT_LATEST)[0])
    jsonschema.validate(report, PUBLISHED)
    assert report["report_version"] == 1
    assert report["checked_at"] == report["window_end"] == NOW.isoformat()
    assert (report["verdict"], report["since"]) == ("drift", NOW.isoformat())
    assert report["joint"]["drifted"]
    assert report["joint"]["auc"] > 0.6
    assert report["segments"] is None
    (entry,) = report["history"]
    assert entry == {
        **{"checked_at": NOW.isoformat(), "verdict": "drift", "customers": 500},
        **{name: report[name] for name in ("drifted_share", "predicted_churn", "model_version")},
    }
    columns = {column["name"]: column for column in report["columns"]}
    assert columns["contract"]["since"] == NOW.isoformat()
    assert columns["contract"]["unseen"] == {"before": 0, "now": 0}
    assert columns["contract"]["distribution"][0]["label"] == "monthly"
    assert all(column["previous_effect"] is None for column in columns.values())
    for column in (*columns.values(), report["score"]):
        assert len(column["distribution"]) <= 12
        for side in ("before", "now"):
            assert sum(bar[side] for bar in column["distribution"]) == pytest.approx(1)


@pytest.mark.usefixtures("promoted")
def test_since_and_the_effect_against_the_window_before(
    registry: Registry, logs: Bucket, model: Model
) -> None:
    """Customers change once and stay so: it is drift from then on, and soon no news any more."""
    shifts = {0: 0.0, 1: 1.0, 2: 1.0}
    for day, shift in shifts.items():
        predicted.put(logs, model, NOW + day * DAY - HOUR, 500, shift=shift, seed=day + 2)
    found = [checked(registry, logs, NOW + day * DAY) for day in shifts]
    first, second, third = (one.as_dict() for one in found)
    assert [one["verdict"] for one in (first, second, third)] == ["no_drift", "drift", "drift"]
    assert [one["since"] for one in (first, second, third)] == [
        *(None, second["checked_at"], second["checked_at"]),
    ]
    now, later = (
        next(column for column in one["columns"] if column["name"] == "contract")
        for one in (second, third)
    )
    assert now["since"] == later["since"] == second["checked_at"]
    assert now["previous_effect"] == pytest.approx(now["effect"], abs=0.05)
    assert later["previous_effect"] < 0.1 < later["effect"]
    assert third["score"]["previous_effect"] < 0.1
    assert [one["verdict"] for one in third["history"]] == ["no_drift", "drift", "drift"]
    again = checked(registry, logs, NOW + DAY)
    assert again.as_dict() == second  # repeated after a later one


@pytest.mark.parametrize("spoilt", [None, b"", b"no counts"])
@pytest.mark.usefixtures("promoted")
def test_without_the_counts_of_the_window_before_there_is_no_effect_against_it(
    registry: Registry, logs: Bucket, model: Model, spoilt: bytes | None
) -> None:
    for day in (0, 1):
        predicted.put(logs, model, NOW + day * DAY - HOUR, 300, seed=day)
    checked(registry, logs)
    if spoilt is None:
        logs.delete(keys.drift_counts(NOW))
    else:
        logs.put(keys.drift_counts(NOW), spoilt)
    assert checked(registry, logs, NOW + DAY).previous_effects == {}


@pytest.mark.usefixtures("promoted")
def test_a_window_that_overlaps_is_not_the_window_before(
    registry: Registry, logs: Bucket, model: Model
) -> None:
    predicted.put(logs, model, NOW - HOUR, 300)
    checked(registry, logs)
    assert checked(registry, logs, NOW + HOUR).previous_effects == {}


@pytest.mark.usefixtures("promoted")
def test_of_too_few_customers_nothing_is_said(
    registry: Registry, logs: Bucket, model: Model
) -> None:
    predicted.put(logs, model, NOW - HOUR, 150)
    checked(registry, logs)
    report = json.loads(logs.get(keys.DRIFT_LATEST)[0])
    jsonschema.validate(report, PUBLISHED)
    said = ("columns", "score", "joint", "segments", "since")
    assert [report[name] for name in said] == [[], None, None, None, None]
    assert [one["verdict"] for one in report["history"]] == ["too_few_rows"]


@pytest.mark.usefixtures("promoted")
def test_any_customers_are_judged_as_those_of_the_log_are(
    registry: Registry, logs: Bucket, model: Model
) -> None:
    predicted.put(logs, model, NOW - HOUR, 500, shift=0.5)
    found = checked(registry, logs).found
    champion = monitoring.reference(registry)
    rows = to_json(customers(500, seed=2, shift=0.5), model.schema)
    matrix = champion.schema.encode_rows(rows).matrix
    other = against(champion, matrix, champion.probabilities(matrix), Thresholds())
    assert replace(other, joint=None) == replace(found, joint=None)
    assert other.joint
    assert other.joint.drifted
    assert other.as_dict().keys() == found.as_dict().keys()


def test_levels_are_judged_where_the_schema_says_by_what(
    registry: Registry, logs: Bucket, version: Artifact, model: Model
) -> None:
    schema = json.loads(version.files[artifact.SCHEMA]) | {"segments": "contract"}
    promote(registry, version, schema_json=json.dumps(schema).encode())
    predicted.put(logs, model, NOW - HOUR, 2_000)
    found = checked(registry, logs)
    jsonschema.validate(json.loads(logs.get(keys.DRIFT_LATEST)[0]), PUBLISHED)
    segments = found.as_dict()["segments"]
    assert segments["field"] == "contract"
    level = segments["levels"][0]
    assert level["label"] == "monthly"
    assert level.keys() == {
        *("label", "customers", "share_before", "share_now", "verdict", "drifted"),
    }
    assert level["share_before"] == pytest.approx(level["share_now"], abs=0.05)
    assert {one["verdict"] for one in segments["levels"]} <= {"no_drift", "too_few_rows"}


@pytest.mark.parametrize("sample", [None, b"no arrays"])
def test_a_version_without_a_sample_is_judged_feature_by_feature(
    registry: Registry,
    logs: Bucket,
    version: Artifact,
    model: Model,
    sample: bytes | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    promote(registry, version, sample_npz=sample)
    predicted.put(logs, model, NOW - HOUR, 300)
    found = checked(registry, logs).as_dict()
    verdict: Verdict = "no_drift"
    assert (found["verdict"], found["joint"], found["segments"]) == (verdict, None, None)
    told = [record.getMessage() for record in caplog.records if "sample" in record.getMessage()]
    assert len(told) == (sample is not None)


def test_a_sample_that_is_not_what_was_published_is_passed_over(
    registry: Registry, version: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    promote(registry, version)
    other = reference_sample.to_bytes(np.zeros((300, 14), np.float32))
    name = version.manifest.version
    registry.bucket.put(keys.model_file(name, artifact.SAMPLE), other)
    assert artifact.SAMPLE not in monitoring.reference(registry).files
    assert f"{name} has no sample that can be used" in caplog.text


def test_a_version_keeps_a_sample_of_whom_it_was_chosen_for(version: Artifact) -> None:
    sample = reference_sample.parse(version.files[artifact.SAMPLE])
    assert sample.dtype == np.float32
    assert 200 <= len(sample) <= reference_sample.MOST_ROWS
    wide: Any = np.zeros((6_000, 400), np.float32)
    assert reference_sample.of(wide).shape == (2_500, 400)
