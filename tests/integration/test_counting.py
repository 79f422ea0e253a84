"""A log that is checked in parts: the same report as in one go, however it is cut up."""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergreen.errors import NoModelError, NotFoundError
from evergreen.jobs.answering.prediction import predict, records
from evergreen.jobs.drift import population
from evergreen.jobs.drift.counting import Counting, Round
from evergreen.jobs.drift.monitoring import Check, check, reference
from evergreen.jobs.drift.population import Population, starts
from evergreen.models.model import Model
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.store import decoding, keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from local.demo.source import to_json

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
THRESHOLDS = Thresholds()
SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def registry(models: Bucket) -> Registry:
    return Registry(models, clock=lambda: NOW - 100 * DAY)


@pytest.fixture
def lines(model: Model) -> list[bytes]:
    """Records of three days: customers who come again, with and without a key, of two versions."""
    given = to_json(customers(500, seed=2, shift=0.4), model.schema)
    found = records(model.schema, predict(model, given), given)
    rng = np.random.default_rng(1)
    made = []
    for index, (record, hours) in enumerate(zip(found, rng.uniform(0, 70, 500), strict=True)):
        customer = dict(record["customer"])
        if index % 3 == 0:
            customer["customer_id"] = f"C{index % 40}"
        if index % 50 == 0:
            del customer["customer_id"]
        at = NOW - HOUR * float(hours) if index % 7 else NOW - DAY
        changed = {"predicted_at": at.isoformat(), "customer": customer}
        version = {"model_version": "gone"} if index % 11 == 0 else {}
        made.append(orjson.dumps(record | changed | version))
    odd = [b"", b"{}", b"\xff", b"[1]", b'{"customer": {}}', made[0][:-9], b"\0" * 20]
    return [*made, *made[:60], *odd]


class Log:
    """The log bucket, in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.name = "log"

    def list(self, prefix: str) -> Iterator[Any]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield Entry(key, len(self.objects[key]))

    def get(self, key: str) -> tuple[bytes, str]:
        return self.objects[key], ""


@dataclass
class Entry:
    key: str
    size: int


def put(log: Any, pieces: Sequence[Sequence[bytes]], packed: Sequence[bool]) -> None:
    """Put lines into objects of the last hours, gzipped or not, and a foreign one beside them."""
    for number, piece in enumerate(pieces):
        content = b"\n".join(piece)
        content = gzip.compress(content) if packed[number % len(packed)] else content
        key = f"{keys.inference_hour(NOW - HOUR * (number % 20))}{number:04}"
        log.objects[key] = content
    log.objects[f"{keys.inference_hour(NOW)}foreign"] = b"\x1f\x8bnothing"


def told(found: Population, champion: Reference) -> tuple[Any, ...]:
    rows = found._latest.rows
    return (
        (found.start, found.records, found.customers, found.sampled, found.predicted_churn),
        (rows.tobytes(), found.matrix.tobytes(), found.known.tobytes(), champion.version),
    )


@pytest.mark.usefixtures("promoted")
@settings(max_examples=25, suppress_health_check=SUPPRESSED)
@given(
    order=st.randoms(use_true_random=False),
    cuts=st.lists(st.integers(0, 567), max_size=9),
    packed=st.lists(st.booleans(), min_size=1, max_size=3),
    workers=st.integers(1, 4),
    most=st.sampled_from([100_000, 60, 7]),
    few=st.sampled_from([0, 16, 1_000]),
)
def test_any_split_over_objects_and_workers_says_the_same(
    registry: Registry,
    lines: list[bytes],
    order: Any,
    cuts: list[int],
    packed: list[bool],
    workers: int,
    most: int,
    few: int,
) -> None:
    champion = reference(registry)
    begins = starts(NOW, DAY, 14 * DAY, NOW - 100 * DAY)
    whole, cut = Log(), Log()
    put(whole, [lines], [False])
    shuffled = list(lines)
    order.shuffle(shuffled)
    edges = [0, *sorted(cuts), len(lines)]
    pieces = [shuffled[a:b] for a, b in pairwise(edges)]
    put(cut, pieces, packed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "MOST", most)

        def gathered(log: Any, objects: Sequence[str]) -> Population:
            found = Population(registry, champion, NOW, begins)
            found.add(log, objects)
            return found

        one = gathered(whole, list(whole.objects))
        patch.setattr(decoding, "_FEW", few)
        names = list(cut.objects)
        together = Population(registry, champion, NOW, begins)
        for worker in range(workers):
            together.merge(gathered(cut, names[worker::workers]).to_bytes())
        assert told(together, champion) == told(one, champion)
        while one.grow():
            together.grow()
            assert told(together, champion) == told(one, champion)


@dataclass
class Steps:
    """Stands for the state machine."""

    started: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def start(self, name: str, values: dict[str, Any]) -> None:
        if name not in [known for known, _ in self.started]:
            self.started.append((name, values))


@pytest.fixture
def counting(registry: Registry, logs: Bucket) -> Callable[..., Counting]:
    def make(part_bytes: int, **more: Any) -> Counting:
        machine: Any = Steps()
        values = {"window": DAY, "max_window": 14 * DAY} | more
        return Counting(
            registry, logs, THRESHOLDS, **values, machine=machine, part_bytes=part_bytes
        )

    return make


def run(counting: Counting) -> tuple[Check, int, int]:
    """Do what the machine does; return also how many rounds and parts there were."""
    assert counting.check(NOW) is None
    machine: Any = counting.machine
    ((_, values),) = machine.started
    number, parts = 0, 0
    while True:
        each = Round(values["job"], values["round"] + number)
        _, *listed = counting.logs.get(each.key("parts.csv"))[0].decode().split()
        for part in listed:
            counting.part(each, int(part))
        parts += len(listed)
        found = counting.merge(each)
        if found:
            return found, number + 1, parts
        number += 1


def ship(logs: Bucket, lines: Sequence[bytes], ago: timedelta, pieces: int) -> None:
    for piece in range(pieces):
        at = NOW - ago
        logs.put(f"{keys.inference_hour(at)}{at:%H}-{piece}", b"\n".join(lines[piece::pieces]))


@pytest.mark.usefixtures("promoted")
def test_in_parts_the_check_is_the_same(
    registry: Registry, logs: Bucket, lines: list[bytes], counting: Callable[..., Counting]
) -> None:
    for hours in range(4):
        ship(logs, lines[hours::4], HOUR * hours, 3)
    expected = check(registry, logs, THRESHOLDS, DAY, 14 * DAY, NOW)
    found, _, parts = run(counting(20_000))
    assert found == expected
    assert parts > 3
    assert found.records > 100


@pytest.mark.usefixtures("promoted")
def test_a_window_of_few_customers_grows_round_by_round(
    registry: Registry, logs: Bucket, model: Model, counting: Callable[..., Counting]
) -> None:
    for days in range(5):
        given = to_json(customers(60, seed=5 + days), model.schema)
        at = {"predicted_at": (NOW - days * DAY - HOUR).isoformat()}
        made = [orjson.dumps(r | at) for r in records(model.schema, predict(model, given), given)]
        ship(logs, made * 4, days * DAY + HOUR, 2)
    expected = check(registry, logs, THRESHOLDS, DAY, 14 * DAY, NOW)
    found, rounds, _ = run(counting(50_000))
    assert found == expected
    assert (rounds, found.report.customers, found.records) == (4, 240, 960)
    assert found.window_start == NOW - 4 * DAY


@pytest.mark.usefixtures("promoted")
def test_what_one_function_can_read_is_left_to_it(
    logs: Bucket, lines: list[bytes], counting: Callable[..., Counting]
) -> None:
    assert counting(1).check(NOW)  # nothing is there
    ship(logs, lines, HOUR, 3)
    size = sum(entry.size for entry in logs.list(keys.INFERENCE))
    assert counting(size).check(NOW)
    kept = {entry.key for entry in logs.list(keys.DRIFT_PIECES)}
    assert {entry.key for entry in logs.list(keys.DRIFT)} == kept
    assert counting(size - 1).check(NOW) is None
    for entry in [*logs.list(keys.INFERENCE), *logs.list(keys.DRIFT)]:
        logs.delete(entry.key)
    ship(logs, lines, 3 * DAY, 3)  # which it comes to only if the window grows
    assert counting(size // 8 + 1).check(NOW)
    assert counting(size // 9).check(NOW) is None


@pytest.mark.usefixtures("promoted")
def test_an_event_that_comes_twice_begins_one_job(
    logs: Bucket, lines: list[bytes], counting: Callable[..., Counting]
) -> None:
    ship(logs, lines, HOUR, 3)
    one = counting(1_000)
    assert one.check(NOW) is None
    before = {entry.key: entry.etag for entry in logs.list(keys.DRIFT)}
    ship(logs, lines, timedelta(), 2)
    assert one.check(NOW) is None
    assert {entry.key: entry.etag for entry in logs.list(keys.DRIFT)} == before
    machine: Any = one.machine
    assert machine.started == [
        ("20260102T033000Z", {"job": "drift/work/20260102T033000Z/", "round": 0})
    ]


def test_all_parts_compare_with_the_champion_of_the_beginning(
    registry: Registry,
    logs: Bucket,
    lines: list[bytes],
    promoted: Any,
    counting: Callable[..., Counting],
) -> None:
    ship(logs, lines, HOUR, 3)
    one = counting(1_000)
    assert one.check(NOW) is None
    later = replace(registry, clock=lambda: NOW)
    later.promote(promoted.version, seen=promoted, reason="again")
    each = Round("drift/work/20260102T033000Z/")
    with pytest.raises(NotFoundError, match="counts/0"):
        one.merge(each)
    for part in range(json.loads(logs.get(each.key("parts.json"))[0])):
        one.part(each, part)
    found = one.merge(each)
    assert found is None or found.records > 0


def test_without_a_champion_nothing_is_counted(counting: Callable[..., Counting]) -> None:
    with pytest.raises(NoModelError):
        counting(1).check(NOW)


def test_the_machine_asks_for_what_there_is() -> None:
    definition = json.loads((ROOT / "infra/drift.asl.json").read_text())
    states = definition["States"]
    reader = states["CountParts"]["ItemReader"]["Parameters"]["Key.$"]
    assert reader == "States.Format('{}{}/parts.csv', $.job, $.round)"
    assert Round("a/", 3).key("parts.csv") == "a/3/parts.csv"
    assert states["Done?"]["Choices"][0]["StringEquals"] == "counting"
