"""What is kept of the log says what the log says, however that grows, changes and is checked."""

import gzip
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergreen.errors import NotFoundError
from evergreen.jobs.answering.prediction import predict, records
from evergreen.jobs.drift import pieces, population
from evergreen.jobs.drift.monitoring import check, reference
from evergreen.jobs.drift.pieces import KeptPieces
from evergreen.jobs.drift.population import Population, starts
from evergreen.models.model import Model
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket, Entry
from local.demo.customers import customers
from local.demo.source import to_json

NOW = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class Log:
    """The log bucket, in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.got: list[str] = []

    def list(self, prefix: str) -> Iterator[Entry]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                content = self.objects[key]
                yield Entry(key, hashlib.md5(content).hexdigest(), len(content), NOW)

    def get(self, key: str) -> tuple[bytes, str]:
        self.got.append(key)
        if key not in self.objects:
            raise NotFoundError(key)
        return self.objects[key], ""

    def put(self, key: str, content: bytes, content_type: str) -> None:
        self.objects[key] = content

    def kept(self) -> tuple[str, ...]:
        return tuple(entry.key for entry in self.list(keys.DRIFT_PIECES))


@pytest.fixture
def registry(models: Bucket) -> Registry:
    return Registry(models, clock=lambda: NOW - 100 * DAY)


@pytest.fixture
def told(model: Model) -> list[dict[str, Any]]:
    """Records of customers of whom many come again, some without a key, of several versions."""
    given = to_json(customers(300, seed=2, shift=0.4), model.schema)
    for index, customer in enumerate(given):
        customer["customer_id"] = f"C{index % 40}" if index % 3 == 0 else f"D{index}"
        if index % 50 == 0:
            del customer["customer_id"]
    found = records(model.schema, predict(model, given), given)
    for index, record in enumerate(found):
        record["model_version"] = ["gone", "lost", *[record["model_version"]] * 8][index % 10]
    return found


def put(log: Log, told: list[dict[str, Any]], at: datetime, ahead: timedelta, name: str) -> None:
    """Write an object as Firehose does; some of it was predicted later, or long ago."""
    lines = []
    for index, record in enumerate(told):
        moment = at + index * timedelta(seconds=7)
        moment = moment + ahead if index % 40 == 5 else moment
        moment = moment - 30 * HOUR if index % 40 == 6 else moment
        lines.append(orjson.dumps(record | {"predicted_at": moment.isoformat()}))
    log.objects[f"{keys.inference_hour(at)}{name}"] = gzip.compress(b"\n".join(lines), mtime=0)


def said(found: Population) -> tuple[Any, ...]:
    rows = found._latest.rows
    return (
        (found.start, found.records, found.customers, found.sampled, found.predicted_churn),
        (rows.tobytes(), found.matrix.tobytes(), found.known.tobytes()),
    )


def gathered(
    registry: Registry, champion: Reference, log: Any, now: datetime, *, keeping: bool, enough: int
) -> Population:
    found = Population(registry, champion, now, starts(now, DAY, 5 * DAY, NOW - 100 * DAY))
    kept = KeptPieces(log, champion.schema, population.MOST) if keeping else None
    found.gather(log, enough, kept)
    return found


step = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 70), st.integers(0, 59), st.integers(0, 8)),
    st.tuples(st.just("check"), st.integers(0, 5), st.integers(0, 59), st.sampled_from([0, 250])),
    st.tuples(st.just("spoil"), st.integers(0, 9), st.integers(0, 400), st.just(0)),
    st.tuples(st.just("lose"), st.integers(0, 9), st.just(0), st.just(0)),
)


@pytest.mark.usefixtures("promoted")
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(step, min_size=4, max_size=24),
    size=st.sampled_from([1, 2_000, 1 << 20]),
    most=st.sampled_from([100_000, 60, 7]),
    ahead=st.sampled_from([timedelta(), 3 * HOUR]),
)
def test_with_what_was_kept_a_check_finds_what_it_finds_without(
    registry: Registry,
    told: list[dict[str, Any]],
    steps: list[tuple[str, int, int, int]],
    size: int,
    most: int,
    ahead: timedelta,
) -> None:
    champion, log = reference(registry), Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "MOST", most)
        patch.setattr(pieces, "_SIZE", size)
        for number, (what, first, second, third) in enumerate([*steps, ("check", 0, 0, 0)]):
            kept = log.kept()
            if what == "put":
                at = NOW - first * HOUR + (second - 30) * MINUTE
                put(log, told[third * 30 :][:60], at, ahead, f"{second % 4}-{number % 3}")
            elif what == "check":
                now = NOW + first * HOUR + second * MINUTE
                with_, without = (
                    gathered(registry, champion, log, now, keeping=keeping, enough=third)
                    for keeping in (True, False)
                )
                assert said(with_) == said(without)
            elif kept and what == "spoil":
                key = kept[first % len(kept)]
                log.objects[key] = log.objects[key][:second]
            elif kept:
                del log.objects[kept[first % len(kept)]]


@pytest.mark.usefixtures("promoted")
def test_a_check_reads_only_what_is_new(
    registry: Registry, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    champion, log = reference(registry), Log()
    for hours in range(27):
        for number in range(3):
            at = NOW - hours * HOUR - number * 10 * MINUTE - timedelta(seconds=10)
            put(log, told[:5], at, timedelta(), f"{number}")
    monkeypatch.setattr(pieces, "_SIZE", 1)

    def read(now: datetime) -> set[str]:
        log.got.clear()
        gathered(registry, champion, log, now, keeping=True, enough=0)
        return {key[: pieces._HOUR] for key in log.got if key.startswith(keys.INFERENCE)}

    everything = {entry.key[: pieces._HOUR] for entry in log.list(keys.INFERENCE)}
    assert len(everything) == 27
    first = read(NOW)
    assert len(first) == 26  # the window's 24 hours, the one it cuts, and what may have come late
    again = read(NOW)
    # the hour that is not over, and those that hold records of before and after the window's start
    assert again == {keys.inference_hour(NOW - h * HOUR) for h in (0, 24)}
    assert read(NOW + HOUR) == {keys.inference_hour(NOW - h * HOUR) for h in (0, 23)}
    before = log.kept()
    put(log, told[:4], NOW - 5 * HOUR, timedelta(), "late")
    assert keys.inference_hour(NOW - 5 * HOUR) in read(NOW + HOUR)
    assert len(log.kept()) == len(before) + 1


@pytest.mark.usefixtures("promoted")
def test_what_was_predicted_later_than_now_is_not_forgotten(
    registry: Registry, told: list[dict[str, Any]]
) -> None:
    """As by a clock that is ahead: it counts when its time has come."""
    champion, log = reference(registry), Log()
    put(log, told[:100], NOW - 2 * HOUR, 3 * HOUR, "ahead")
    assert gathered(registry, champion, log, NOW, keeping=True, enough=0).records == 94
    assert not log.kept()
    later = gathered(registry, champion, log, NOW + 2 * HOUR, keeping=True, enough=0)
    assert later.records == 97  # three were made on the day before
    assert log.kept()


@pytest.mark.usefixtures("promoted")
def test_the_check_keeps_and_says_the_same_twice(
    registry: Registry, logs: Bucket, told: list[dict[str, Any]]
) -> None:
    for number, record in enumerate(told):
        record["predicted_at"] = (NOW - HOUR * (number / 30)).isoformat()
    for hour in range(10):
        some = b"\n".join(map(orjson.dumps, told[hour * 30 :][:30]))
        logs.put(f"{keys.inference_hour(NOW - hour * HOUR)}some", some)

    def found() -> Any:
        return check(registry, logs, Thresholds(), DAY, DAY, NOW)

    first = found()
    kept = {entry.key: entry.etag for entry in logs.list(keys.DRIFT_PIECES)}
    assert len(kept) == 9
    assert found() == first
    assert {entry.key: entry.etag for entry in logs.list(keys.DRIFT_PIECES)} == kept
    assert first.records == len(told)


def test_what_is_kept_is_what_was_gathered() -> None:
    dtype = np.dtype([("identity", np.uint64), ("features", np.float32, (3,))])
    rows = np.zeros(5, dtype)
    rows["features"] = np.nan
    one = pieces.Gathered(rows, 1, 7, 2, 3, ["a\n", "ü"])
    content = one.to_bytes()
    other = pieces.Gathered.parse(content, dtype)
    assert other
    assert other.rows.tobytes() == rows.tobytes()
    assert (other.halvings, other.records, other.versions) == (1, 7, ["a\n", "ü"])
    changed = np.dtype([("identity", np.uint64), ("features", np.float32, (2,))])
    assert pieces.Gathered.parse(content, changed) is None
    for size in range(len(content)):
        assert pieces.Gathered.parse(content[:size], dtype) is None
    for spoilt in (b"", b"\n", b"[]\n", b"{}\n", b"\xff\xfe\n", content + b"\0" * dtype.itemsize):
        assert pieces.Gathered.parse(spoilt, dtype) is None
