"""What a check writes: whatever fails in between, the repeated check completes it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import boto3
import pytest

from evergreen.errors import ConflictError
from evergreen.jobs.drift import trend
from evergreen.jobs.drift.monitoring import Check, check
from evergreen.jobs.drift.publishing import publish
from evergreen.models.model import Model
from evergreen.settings import Thresholds
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

from . import predicted

NOW = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATEST = (keys.DRIFT_LATEST, keys.DRIFT_LATEST_PAGE)


class CutError(Exception):
    """The connection to S3 is gone."""


@pytest.fixture
def registry(models: Bucket) -> Registry:
    return Registry(models, clock=lambda: NOW - timedelta(days=100))


@pytest.fixture
def found(registry: Registry, promoted: object, logs: Bucket, model: Model) -> Check:
    """A check that sees drift, as nobody has published it yet."""
    predicted.put(logs, model, NOW - HOUR, 300, shift=1, seed=3)
    return check(registry, logs, Thresholds(), 24 * HOUR, 24 * HOUR, NOW)


def at(found: Check, time: datetime) -> Check:
    """The same check, made at another time."""
    entry = replace(found.entry, checked_at=time.isoformat(), since=time.isoformat())
    return replace(found, window_end=time, entry=entry)


def written(logs: Bucket) -> dict[str, Any]:
    """All that checks have written but for what they keep; of counts that they are there."""
    listed = [entry.key for entry in logs.list(keys.DRIFT)]
    found = {key: logs.get(key)[0] for key in listed if not key.startswith(keys.DRIFT_PIECES)}
    return {key: b"" if key.endswith(".npz") else content for key, content in found.items()}


def cutting(logs: Bucket, event: str, number: int) -> tuple[Bucket, Iterator[int]]:
    """Reach the bucket by a connection that ends before or after so many calls take effect."""
    s3, calls = boto3.client("s3"), count()

    def cut(**_: object) -> None:
        if next(calls) == number:
            raise CutError

    s3.meta.events.register(f"{event}.s3", cut)
    return Bucket(s3, logs.name), calls


def test_a_check_leaves_report_counts_history_and_the_latest(found: Check, logs: Bucket) -> None:
    key = publish(logs, found)
    assert key == "drift/2026/01/02/20260102T033000Z.json"
    state = written(logs)
    beside = {key.replace(".json", suffix) for suffix in (".html", ".npz")}
    assert {*state} == {key, *beside, *LATEST, keys.DRIFT_HISTORY}
    for page in (key.replace(".json", ".html"), keys.DRIFT_LATEST_PAGE):
        head = logs.s3.head_object(Bucket=logs.name, Key=page)
        assert head["ContentType"] == "text/html; charset=utf-8"
    assert state[keys.DRIFT_LATEST] == state[key]
    (entry,) = json.loads(state[keys.DRIFT_HISTORY])
    assert (entry["verdict"], entry["since"]) == ("drift", NOW.isoformat())
    assert "contract" in entry["drifted"]


@pytest.mark.parametrize("event", ["before-call", "after-call"])
def test_a_repeated_check_completes_what_any_fault_cut_short(
    found: Check, logs: Bucket, event: str
) -> None:
    publish(logs, at(found, NOW - HOUR))
    before = {entry.key: logs.get(entry.key)[0] for entry in logs.list(keys.DRIFT)}
    publish(logs, found)
    whole = written(logs)
    for number in count():
        for entry in logs.list(keys.DRIFT):
            logs.delete(entry.key)
        for key, content in before.items():
            logs.put(key, content)
        cut, calls = cutting(logs, event, number)
        try:
            publish(cut, found)
            assert next(calls) <= number  # that many calls it does not make
            break
        except CutError:
            publish(logs, found)
            assert written(logs) == whole
    assert number > 6


def test_a_check_that_is_older_than_the_latest_does_not_replace_it(
    found: Check, logs: Bucket
) -> None:
    publish(logs, found)
    latest = [logs.get(key)[0] for key in LATEST]
    publish(logs, at(found, NOW - HOUR))
    assert [logs.get(key)[0] for key in LATEST] == latest
    entries = json.loads(logs.get(keys.DRIFT_HISTORY)[0])
    assert [entry["checked_at"] for entry in entries] == [
        *((NOW - HOUR).isoformat(), NOW.isoformat()),
    ]
    publish(logs, at(found, NOW + HOUR))
    assert json.loads(logs.get(keys.DRIFT_LATEST)[0])["checked_at"] == (NOW + HOUR).isoformat()


@pytest.mark.parametrize("spoilt", [b"", b"{", b"7", b'[{"checked_at": 1}]', b'{"checked_at": 1}'])
def test_what_cannot_be_read_is_told_and_begun_anew(
    found: Check, logs: Bucket, spoilt: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    publish(logs, at(found, NOW - HOUR))
    logs.put(keys.DRIFT_HISTORY, spoilt)
    logs.put(keys.DRIFT_LATEST, spoilt)
    publish(logs, found)
    assert [entry.time for entry in trend.read(logs).entries] == [NOW]
    assert logs.get(keys.DRIFT_LATEST)[0] == logs.get(keys.drift_report(NOW))[0]
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert f"{keys.DRIFT_HISTORY} can't be read" in told
    assert f"{keys.DRIFT_LATEST} can't be read" in told


def racing(logs: Bucket, key: str, other: Callable[[int], None], times: int) -> Bucket:
    """Reach the bucket where somebody else writes the object just before we do."""
    s3, calls = boto3.client("s3"), count()

    def first(params: dict[str, Any], **_: object) -> None:
        if params.get("url_path", "").endswith(key) and (number := next(calls)) < times:
            other(number)

    s3.meta.events.register("before-call.s3.PutObject", first)
    return Bucket(s3, logs.name)


@pytest.mark.parametrize("first_ever", [True, False])
def test_of_checks_that_end_at_once_none_is_lost(
    found: Check, logs: Bucket, first_ever: bool
) -> None:
    if not first_ever:
        publish(logs, at(found, NOW - 9 * HOUR))

    def other(number: int) -> None:
        trend.keep(logs, at(found, NOW - (number + 1) * HOUR).entry)

    publish(racing(logs, keys.DRIFT_HISTORY, other, 3), found)
    times = [entry.time for entry in trend.read(logs).entries]
    assert times[-4:] == [NOW - hours * HOUR for hours in (3, 2, 1, 0)]


def test_who_is_always_slower_than_others_fails_and_is_repeated(found: Check, logs: Bucket) -> None:
    def other(number: int) -> None:
        logs.put(keys.DRIFT_HISTORY, b"[%s]" % (b" " * number))

    with pytest.raises(ConflictError):
        publish(racing(logs, keys.DRIFT_HISTORY, other, 1_000), found)
    publish(logs, found)
    assert [entry.time for entry in trend.read(logs).entries] == [NOW]


@pytest.mark.parametrize("key", LATEST)
@pytest.mark.parametrize("hours", [-1, 1])
def test_the_later_of_two_checks_that_end_at_once_is_the_latest(
    found: Check, logs: Bucket, hours: int, key: str
) -> None:
    other = at(found, NOW + hours * HOUR)

    def faster(_: int) -> None:
        publish(logs, other)

    publish(racing(logs, key, faster, 1), found)
    latest = max(NOW, NOW + hours * HOUR)
    assert logs.get(keys.DRIFT_LATEST)[0] == logs.get(keys.drift_report(latest))[0]
    assert logs.get(keys.DRIFT_LATEST_PAGE)[0] == logs.get(keys.drift_page(latest))[0]


@pytest.mark.parametrize("content", [b"{", b"7", b"null", b'{"performance_version": 0}'])
def test_performance_that_cannot_be_read_is_not_shown(
    found: Check, logs: Bucket, content: bytes
) -> None:
    publish(logs, found)
    without = logs.get(keys.DRIFT_LATEST_PAGE)[0]
    logs.put(keys.PERFORMANCE, content)
    publish(logs, found)
    assert logs.get(keys.DRIFT_LATEST_PAGE)[0] == without
