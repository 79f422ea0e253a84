"""The drift check: which predictions it reads, and that it says the same when it is repeated."""

import gzip
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from evergreen.errors import CorruptModelError, NoModelError
from evergreen.jobs.monitoring import Check, check
from evergreen.jobs.prediction import predict, records
from evergreen.models import artifact
from evergreen.models.artifact import Artifact
from evergreen.models.model import Model
from evergreen.statistics.drift import SCORE, Thresholds
from evergreen.store import inference_log, keys
from evergreen.store.inference_log import Record
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from local.demo.source import to_json

from .conftest import another

NOW = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)
DAY = timedelta(days=1)
Predict = Callable[..., None]


@pytest.fixture
def predictions(logs: Bucket, model: Model) -> Predict:
    """Answer customers and put the records into the log as Firehose does."""

    def put(
        rows: int, *, shift: float = 0, seed: int = 2, ago: timedelta = timedelta(), parts: int = 1
    ) -> None:
        given = to_json(customers(rows, seed=seed, shift=shift), model.schema)
        at = NOW - ago
        lines: Sequence[Record] = [
            record | {"predicted_at": at.isoformat()}
            for record in records(predict(model, given), given)
        ]
        for part in range(parts):
            content = b"\n".join(map(orjson.dumps, lines[part::parts]))
            logs.put(f"{keys.inference_hour(at)}{at:%M%S.%f}-{shift}-{seed}-{part}", content)

    return put


def checked(registry: Registry, logs: Bucket, window: timedelta = DAY) -> Check:
    return check(registry, logs, Thresholds(), window, NOW)


def test_without_a_champion_there_is_nothing_to_compare_with(
    registry: Registry, logs: Bucket
) -> None:
    with pytest.raises(NoModelError):
        checked(registry, logs)


@pytest.mark.usefixtures("promoted")
def test_an_empty_log_is_too_few_rows(registry: Registry, logs: Bucket) -> None:
    found = checked(registry, logs)
    assert (found.report.verdict, found.report.rows) == ("too_few_rows", 0)


def test_customers_like_those_that_were_learned_from_have_not_drifted(
    registry: Registry, logs: Bucket, promoted: Pointer, predictions: Predict
) -> None:
    predictions(1_000)
    found = checked(registry, logs)
    assert found.model_version == promoted.version
    assert (found.report.verdict, found.report.drifted) == ("no_drift", ())
    assert SCORE in [column.name for column in found.report.columns]


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
    predictions(300, shift=1, ago=timedelta(hours=24, seconds=1))
    predictions(250, ago=timedelta(hours=24))
    predictions(270, seed=3)
    assert checked(registry, logs).report.rows == 520
    assert checked(registry, logs, timedelta(hours=2)).report.rows == 270
    assert checked(registry, logs, timedelta(hours=25)).report.rows == 820


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
    assert checked(registry, logs).report.rows == 300


def test_the_answers_of_another_version_say_nothing_of_the_champions(
    registry: Registry, logs: Bucket, promoted: Pointer, version: Artifact, predictions: Predict
) -> None:
    predictions(500)
    registry.publish(another(version, "b").manifest, version.files)
    registry.promote("b", seen=promoted, reason="newer")
    found = checked(registry, logs)
    assert (found.model_version, found.report.rows) == ("b", 500)
    assert SCORE not in [column.name for column in found.report.columns]


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
    assert (found.model_version, found.report.rows) == (promoted.version, 500)
    assert f"b: {artifact.BASELINE} is not the file that was published" in caplog.text
    registry.bucket.put(keys.model_file(promoted.version, artifact.BASELINE), b"nonsense")
    with pytest.raises(CorruptModelError, match="refused"):
        checked(registry, logs)


@pytest.mark.usefixtures("promoted")
def test_customers_of_another_kind_are_told_by_the_fields_in_which_they_differ(
    registry: Registry, logs: Bucket, predictions: Predict
) -> None:
    predictions(1_000, shift=1)
    report = checked(registry, logs).report
    assert report.verdict == "drift"
    assert {"contract", "monthly_fee", "tenure_months"} <= set(report.drifted)
    assert not {"region", "payment_method", "has_app"} & set(report.drifted)
    drifted = [c for c in report.columns if c.drifted and c.name != SCORE]
    assert report.drifted_importance == pytest.approx(np.sum([c.importance for c in drifted]))


@pytest.mark.usefixtures("promoted")
def test_records_are_read_in_the_order_of_their_hours(logs: Bucket, predictions: Predict) -> None:
    for hours in (3, 1, 2):
        predictions(10, ago=timedelta(hours=hours))
    times = [found[0]["predicted_at"] for found in inference_log.read(logs, DAY, NOW)]
    assert times == sorted(times)
    assert len(times) == 3
