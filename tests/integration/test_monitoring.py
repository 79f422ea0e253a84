"""The drift check: whom it counts, how far back it looks, and that a repetition says the same."""

import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest

from evergreen.errors import CorruptModelError, NoModelError
from evergreen.jobs.answering.prediction import predict, records
from evergreen.jobs.drift import population
from evergreen.jobs.drift.monitoring import Check, check
from evergreen.jobs.files.scoring import Scoring
from evergreen.jobs.files.uploads import Uploads
from evergreen.models import artifact
from evergreen.models.artifact import Artifact
from evergreen.models.model import Model
from evergreen.settings import Thresholds
from evergreen.store import inference_log, keys
from evergreen.store.inference_log import Record
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from local.demo.source import to_json

from .conftest import another

NOW = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LONG_AGO = NOW - timedelta(days=100)
Predict = Callable[..., None]


@pytest.fixture
def registry(models: Bucket) -> Registry:
    """A registry whose champion took office long ago."""
    return Registry(models, clock=lambda: LONG_AGO)


@pytest.fixture
def predictions(logs: Bucket, model: Model) -> Predict:
    """Answer customers and put the records into the log as Firehose does.

    The members that are given by name are put over those of each record; `customer` over those of
    each customer, where None takes a member away.
    """

    def put(
        rows: int,
        *,
        shift: float = 0,
        seed: int = 2,
        ago: timedelta = timedelta(),
        late: timedelta = timedelta(),
        parts: int = 1,
        customer: dict[str, Any] | None = None,
        **members: object,
    ) -> None:
        given = to_json(customers(rows, seed=seed, shift=shift), model.schema)
        at = NOW - ago
        members = {"predicted_at": at.isoformat(), **members}
        lines: Sequence[Record] = [
            record | members | {"customer": changed(record["customer"], customer or {})}
            for record in records(model.schema, predict(model, given), given)
        ]
        for part in range(parts):
            content = b"\n".join(map(orjson.dumps, lines[part::parts]))
            name = f"{at:%d%H%M%S.%f}-{shift}-{seed}-{part}-{len(customer or ())}"
            logs.put(f"{keys.inference_hour(at + late)}{name}", content)

    return put


def changed(customer: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (customer | changes).items() if value is not None}


def checked(
    registry: Registry, logs: Bucket, window: timedelta = DAY, most: timedelta = 14 * DAY
) -> Check:
    return check(registry, logs, Thresholds(), window, most, NOW)


def test_without_a_champion_there_is_nothing_to_compare_with(
    registry: Registry, logs: Bucket
) -> None:
    with pytest.raises(NoModelError):
        checked(registry, logs)


@pytest.mark.usefixtures("promoted")
def test_an_empty_log_is_too_few_rows(registry: Registry, logs: Bucket) -> None:
    found = checked(registry, logs)
    assert (found.report.verdict, found.report.customers) == ("too_few_rows", 0)


def test_customers_like_those_that_were_learned_from_have_not_drifted(
    registry: Registry, logs: Bucket, promoted: Pointer, predictions: Predict
) -> None:
    predictions(1_000)
    found = checked(registry, logs)
    assert found.model_version == promoted.version
    assert (found.report.verdict, found.report.drifted) == ("no_drift", ())
    assert found.report.score
    assert (found.records, found.report.customers, found.kinds) == (1_000, 1_000, ())


@pytest.mark.usefixtures("promoted")
def test_the_verdict_does_not_depend_on_how_the_log_is_cut_up(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(600, shift=0.5)
    whole = checked(registry, logs)
    for entry in logs.list(keys.INFERENCE):
        logs.delete(entry.key)
    predictions(600, shift=0.5, parts=37)
    assert checked(registry, logs) == whole


@pytest.mark.usefixtures("promoted")
def test_only_the_window_counts(registry: Registry, logs: Bucket, predictions: Predict) -> None:
    predictions(300, seed=4, shift=1, ago=timedelta(hours=24, seconds=1))
    predictions(250, ago=timedelta(hours=24))
    predictions(270, seed=3)
    found = checked(registry, logs)
    assert (found.records, found.report.customers) == (520, 520)
    assert (found.window_start, found.window_end) == (NOW - DAY, NOW)
    assert checked(registry, logs, timedelta(hours=2)).report.customers == 270
    assert checked(registry, logs, timedelta(hours=25)).report.customers == 820


@pytest.mark.usefixtures("promoted")
def test_one_customer_who_is_asked_for_a_thousand_times_is_one_customer(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(2_000)
    for part in range(10):
        them = {"customer_id": "C42"}
        predictions(100, seed=7, shift=1, ago=part * timedelta(minutes=20), customer=them)
    found = checked(registry, logs)
    assert (found.records, found.report.customers) == (3_000, 2_001)
    assert (found.report.verdict, found.report.drifted) == ("no_drift", ())


@pytest.mark.usefixtures("promoted")
def test_a_few_customers_who_are_asked_for_every_hour_stay_a_few(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    for hours in range(0, 40):
        predictions(50, shift=1, ago=timedelta(hours=hours))
    found = checked(registry, logs)
    assert (found.report.verdict, found.report.customers) == ("too_few_rows", 50)
    assert (found.records, found.window_start) == (40 * 50, NOW - 14 * DAY)


@pytest.mark.usefixtures("promoted")
def test_a_customer_counts_by_the_latest_record_however_the_key_is_written(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(300, seed=3)
    for hours, (key, region) in enumerate((("0042", "north"), ("42", "west"), (42, "east"))):
        member = {"customer_id": key, "region": region}
        predictions(1, seed=5, ago=timedelta(hours=hours), customer=member)
    before = checked(registry, logs)
    assert (before.records, before.report.customers) == (303, 301)
    predictions(1, seed=5, ago=HOUR / 2, customer={"customer_id": "42", "region": "west"})
    assert replace(checked(registry, logs), records=303) == before  # 0042 is younger still


@pytest.mark.usefixtures("promoted")
def test_customers_without_a_key_who_are_alike_are_one(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    for hours in range(4):
        predictions(250, ago=timedelta(hours=hours), customer={"customer_id": None})
    found = checked(registry, logs)
    assert (found.records, found.report.customers) == (1_000, 250)


@pytest.mark.usefixtures("promoted")
def test_repeated_customers_count_the_same_however_the_log_is_cut_up(
    registry: Registry, logs: Bucket, predictions: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most in (100_000, 200):
        monkeypatch.setattr(population, "MOST", most)
        found = []
        for parts in (1, 7):
            for entry in logs.list(keys.INFERENCE):
                logs.delete(entry.key)
            predictions(400, ago=timedelta(hours=2), parts=parts, prediction_id="a")
            predictions(300, ago=timedelta(hours=2), parts=parts, prediction_id="b", shift=1)
            predictions(300, ago=timedelta(hours=3), parts=parts, prediction_id="c", seed=9)
            found.append(checked(registry, logs))
        assert found[0] == found[1]
        assert found[0].records == 1_000
        assert (found[0].sampled == 1, found[0].report.customers <= most) == (most > 200, True)


@pytest.mark.usefixtures("promoted")
def test_the_window_grows_until_there_are_enough_customers(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    for days in range(6):
        predictions(90, seed=10 + days, ago=days * DAY + HOUR)
    found = checked(registry, logs)
    assert (found.report.customers, found.records) == (270, 270)
    assert found.window_start == NOW - 3 * DAY
    assert found == checked(registry, logs, 3 * DAY)
    bounded = checked(registry, logs, most=1.5 * DAY)
    assert (bounded.report.verdict, bounded.window_start) == ("too_few_rows", NOW - 1.5 * DAY)


@pytest.mark.usefixtures("promoted")
def test_a_record_that_arrived_days_late_counts_once_the_window_reaches_it(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(150, seed=3, ago=HOUR)
    predictions(100, seed=4, ago=1.5 * DAY, late=1.4 * DAY)
    found = checked(registry, logs)
    assert (found.report.customers, found.records) == (250, 250)
    assert found.window_start == NOW - 2 * DAY


@pytest.mark.usefixtures("promoted")
def test_an_object_that_was_begun_in_the_hour_before_is_read(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(300, ago=timedelta(hours=23, minutes=59), late=-HOUR)
    assert checked(registry, logs).report.customers == 300


def test_what_was_predicted_before_the_champion_took_office_does_not_count(
    registry: Registry, logs: Bucket, promoted: Pointer, version: Artifact, predictions: Predict
) -> None:
    predictions(1_000, shift=1, ago=timedelta(hours=5))
    assert checked(registry, logs).report.verdict == "drift"
    office = NOW - timedelta(hours=4)
    registry.publish(another(version, "b").manifest, version.files)
    replace(registry, clock=lambda: office).promote("b", seen=promoted, reason="newer")
    found = checked(registry, logs)
    assert (found.report.verdict, found.report.customers, found.records) == ("too_few_rows", 0, 0)
    assert found.window_start == office
    predictions(300, seed=3, ago=timedelta(hours=3))
    assert checked(registry, logs).report.verdict == "no_drift"


def test_before_the_champion_took_office_there_is_no_window(
    registry: Registry, logs: Bucket, predictions: Predict, version: Artifact
) -> None:
    predictions(300, ago=HOUR)
    registry.publish(version.manifest, version.files)
    late = replace(registry, clock=lambda: NOW + DAY)
    late.promote(version.manifest.version, seen=None, reason="the first model")
    found = checked(registry, logs)
    assert (found.report.verdict, found.window_start, found.window_end) == (
        "too_few_rows",
        NOW,
        NOW,
    )


def older(version: Artifact, name: str, without: str) -> Artifact:
    """A version that did not know one of the features."""
    document = json.loads(version.files[artifact.SCHEMA])
    document["fields"] = [field for field in document["fields"] if field["name"] != without]
    content = json.dumps(document).encode()
    hashes = {**version.manifest.files, artifact.SCHEMA: artifact.sha256(content)}
    manifest = replace(version.manifest, version=name, files=hashes)
    return Artifact(manifest, {**version.files, artifact.SCHEMA: content})


@pytest.mark.usefixtures("promoted")
def test_a_feature_that_the_records_own_model_did_not_know_is_not_missing(
    registry: Registry, logs: Bucket, version: Artifact, predictions: Predict
) -> None:
    unaware = older(version, "unaware", "satisfaction")
    registry.publish(unaware.manifest, unaware.files)
    predictions(600, customer={"satisfaction": None}, model_version="unaware")
    predictions(300, seed=3)
    found = checked(registry, logs)
    assert (found.report.verdict, found.report.drifted) == ("no_drift", ())
    (satisfaction,) = (c for c in found.report.columns if c.name == "satisfaction")
    assert satisfaction.missing
    # 15 % of customers have none; of 300 that is to within four standard errors
    assert satisfaction.missing.now == pytest.approx(0.15, abs=0.08)


@pytest.mark.usefixtures("promoted")
@pytest.mark.parametrize("members", [{}, {"model_version": "gone"}])
def test_a_feature_that_a_client_left_out_is_missing(
    registry: Registry, logs: Bucket, predictions: Predict, members: dict[str, str]
) -> None:
    predictions(600, customer={"satisfaction": None}, **members)
    found = checked(registry, logs)
    assert found.report.drifted == ("satisfaction",)
    assert found.kinds[0].startswith("satisfaction missing: 100 % of customers, ")


@pytest.mark.usefixtures("promoted")
def test_a_check_that_is_repeated_later_says_the_same(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(500)
    first = checked(registry, logs)
    predictions(500, shift=1, ago=-timedelta(minutes=5))
    predictions(500, shift=1, ago=-timedelta(hours=5))
    assert checked(registry, logs) == first


@pytest.mark.usefixtures("promoted")
def test_records_of_customers_whose_fields_have_changed_are_read_all_the_same(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(500)
    (entry,) = logs.list(keys.INFERENCE)
    content = logs.get(entry.key)[0]
    content = content.replace(b'"contract":', b'"agreement":').replace(b'"north"', b'"abroad"')
    logs.put(entry.key, content)
    report = checked(registry, logs).report
    assert {"contract", "region"} <= set(report.drifted)


def test_what_is_no_record_costs_no_check(
    registry: Registry, logs: Bucket, promoted: Pointer, predictions: Predict
) -> None:
    predictions(300)
    good = {
        "predicted_at": NOW.isoformat(),
        "model_version": promoted.version,
        "churn_probability": 0.5,
        "customer": {},
    }
    for member, value in (
        ("predicted_at", 5),
        ("predicted_at", None),
        ("predicted_at", "yesterday"),
        ("predicted_at", "2026-01-02T03:00:00"),
        ("customer", None),
        ("customer", [1]),
        ("churn_probability", "much"),
        ("churn_probability", None),
    ):
        key = f"{keys.inference_hour(NOW)}{member}-{value}"
        logs.put(key, orjson.dumps(good | {member: value}))
    whole = gzip.compress(orjson.dumps(good))
    for name, content in (("cut", whole[:-9]), ("foreign", b"\x1f\x8bno"), ("bad", whole[:20] * 2)):
        logs.put(f"{keys.inference_hour(NOW)}{name}", content)
    assert checked(registry, logs).report.customers == 300


def test_the_answers_of_another_version_say_nothing_of_the_champions(
    registry: Registry, logs: Bucket, promoted: Pointer, version: Artifact, predictions: Predict
) -> None:
    predictions(500)
    registry.publish(another(version, "b").manifest, version.files)
    registry.promote("b", seen=promoted, reason="newer")
    found = checked(registry, logs)
    assert (found.model_version, found.report.customers) == ("b", 500)
    assert found.report.score is None


def test_a_baseline_that_was_changed_is_not_compared_with_but_the_one_before(
    registry: Registry,
    logs: Bucket,
    promoted: Pointer,
    version: Artifact,
    predictions: Predict,
    caplog: pytest.LogCaptureFixture,
) -> None:
    predictions(500)
    registry.publish(another(version, "b").manifest, version.files)
    registry.promote("b", seen=promoted, reason="newer")
    registry.bucket.put(keys.model_file("b", artifact.BASELINE), b"nonsense")
    found = checked(registry, logs)
    assert (found.model_version, found.report.customers) == (promoted.version, 500)
    assert f"b: {artifact.BASELINE} is not the file that was published" in caplog.text
    registry.bucket.put(keys.model_file(promoted.version, artifact.BASELINE), b"nonsense")
    with pytest.raises(CorruptModelError, match="refused"):
        checked(registry, logs)


@pytest.mark.usefixtures("promoted")
def test_customers_of_another_kind_are_told_by_the_fields_in_which_they_differ(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(1_000, shift=1)
    found = checked(registry, logs)
    report = found.report
    assert report.verdict == "drift"
    told = json.loads(json.dumps(found.as_dict()))
    assert (told["verdict"], told["customers"], told["records"]) == ("drift", 1_000, 1_000)
    assert any(kind.startswith("contract = monthly: 9") for kind in told["kinds"])
    assert {"contract", "monthly_fee", "tenure_months"} <= set(report.drifted)
    assert not {"region", "payment_method", "has_app"} & set(report.drifted)
    drifted = [c for c in report.columns if c.drifted]
    assert report.drifted_importance == pytest.approx(np.sum([c.importance for c in drifted]))


@pytest.mark.usefixtures("promoted")
def test_records_are_read_in_the_order_of_their_hours(logs: Bucket, predictions: Predict) -> None:
    for hours in (3, 1, 2):
        predictions(10, ago=timedelta(hours=hours))
    times = [found[0]["predicted_at"] for found in inference_log.read(logs, DAY, NOW)]
    assert times == sorted(times)
    assert len(times) == 3


@pytest.mark.usefixtures("promoted")
@pytest.mark.parametrize("form", [{}, {"sep": ";", "encoding": "utf-16"}])
def test_customers_who_are_only_ever_scored_by_file_count(
    registry: Registry, logs: Bucket, data: Bucket, model: Model, form: dict[str, Any]
) -> None:
    file = io.BytesIO()
    shifted = customers(3_000, seed=5, shift=1).drop(columns="churned")
    if form:  # as a spreadsheet writes it
        shifted = shifted.assign(monthly_fee=shifted["monthly_fee"].str.replace(".", ","))
    shifted.to_csv(file, index=False, **form)
    data.put("incoming/march.csv", file.getvalue())
    uploads = Uploads(data, lambda: model, lambda: NOW - HOUR, Scoring(data, logs), None)
    summary = uploads.score("incoming/march.csv", lambda: 900.0)
    assert summary and (summary.scored, summary.rejected) == (3_000, 0)
    found = checked(registry, logs)
    assert (found.report.verdict, found.report.customers) == ("drift", 3_000)
    assert "monthly_fee" in found.report.drifted
