"""Outcomes in their bucket: every one is read once, however many objects they lie in."""

import gzip
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.outcomes import Outcome
from evergreen.store import keys, outcomes
from evergreen.store.s3 import Bucket

from .in_memory import InMemory, bucket

DAY = datetime(2026, 3, 18, 12, tzinfo=UTC)
MANY = 150
"""More objects than are got one by one."""


@pytest.fixture
def logs() -> Bucket:
    return bucket()


def told(*numbers: int) -> list[Outcome]:
    return [
        {
            "received_at": DAY.isoformat(),
            "observed_at": DAY.isoformat(),
            "churned": number % 2 == 0,
            "prediction_id": str(number),
        }
        for number in numbers
    ]


def tell(logs: Bucket, numbers: Sequence[int], day: datetime = DAY) -> None:
    """Tell of one customer at a time."""
    for number in numbers:
        outcomes.write(logs, day, f"{number:05}", told(number))


def read(logs: Bucket, days: int = 1) -> Counter[str]:
    found = outcomes.read(logs, DAY, DAY + timedelta(days=days - 1))
    return Counter(outcome["prediction_id"] for some in found for outcome in some)


def objects(logs: Bucket) -> dict[str, bytes]:
    client: Any = logs.s3
    assert isinstance(client, InMemory)
    return client.objects  # type: ignore[return-value]


def got(logs: Bucket, look: Callable[[], object]) -> list[str]:
    """Return the keys of what was got from the bucket meanwhile."""
    client: Any = logs.s3
    client.read.clear()
    look()
    return list(client.read)


def test_what_many_objects_hold_is_read_at_once(logs: Bucket) -> None:
    tell(logs, range(MANY))
    assert len(got(logs, lambda: read(logs))) == MANY
    assert got(logs, lambda: read(logs)) == [keys.outcomes_index(DAY)]
    tell(logs, range(MANY, MANY + 10))
    assert len(got(logs, lambda: read(logs))) == 1 + 10
    assert read(logs) == Counter(map(str, range(MANY + 10)))
    (some,) = outcomes.read(logs, DAY, DAY)
    assert len(some) == MANY + 10


def test_few_objects_and_large_ones_are_kept_once(logs: Bucket) -> None:
    tell(logs, range(10))
    assert read(logs).total() == 10
    assert not [key for key in objects(logs) if key.startswith(keys.INDEX)]
    large = [{**one, "prediction_id": f"{one['prediction_id']:0>20000}"} for one in told(*range(9))]
    noise = bytes(range(256)) * 400
    outcomes.write(logs, DAY, "large", large)  # type: ignore[arg-type]
    key = keys.outcomes(DAY, "large")
    objects(logs)[key] = gzip.compress(gzip.decompress(objects(logs)[key]) + noise, 0)
    tell(logs, range(10, MANY))
    assert read(logs).total() == MANY + 9
    lines = gzip.decompress(objects(logs)[keys.outcomes_index(DAY)]).splitlines()
    assert len(lines) == MANY
    assert got(logs, lambda: read(logs)) == [keys.outcomes_index(DAY), key]


def test_each_day_has_an_index_of_its_own(logs: Bucket) -> None:
    tell(logs, range(MANY))
    tell(logs, range(MANY, 2 * MANY), DAY + timedelta(days=1))
    for _ in range(2):
        assert read(logs, days=2) == Counter(map(str, range(2 * MANY)))
    assert read(logs, days=1).total() == MANY


def test_what_was_withdrawn_is_neither_read_nor_kept(logs: Bucket) -> None:
    tell(logs, range(MANY))
    read(logs)
    outcomes.withdraw(logs, DAY, "0000")  # the first ten
    assert read(logs) == Counter(map(str, range(10, MANY)))
    kept = gzip.decompress(objects(logs)[keys.outcomes_index(DAY)]).splitlines()
    assert [orjson.loads(line)[2] for line in kept] == [told(n) for n in range(10, MANY)]
    assert got(logs, lambda: read(logs)) == [keys.outcomes_index(DAY)]
    outcomes.withdraw(logs, DAY, "00")
    assert not read(logs)
    assert not gzip.decompress(objects(logs)[keys.outcomes_index(DAY)])


def test_an_object_that_was_written_over_is_read_again(logs: Bucket) -> None:
    tell(logs, range(MANY))
    read(logs)
    outcomes.withdraw(logs, DAY, "00007")
    outcomes.write(logs, DAY, "00007", told(7_000))
    for _ in range(2):
        assert read(logs) == Counter(map(str, {*range(MANY), 7_000} - {7}))


@pytest.mark.parametrize("spoil", [lambda old: old[: len(old) // 2], lambda _: b"no index"])
def test_an_index_that_is_cut_or_foreign_is_made_anew(
    logs: Bucket, spoil: Callable[[bytes], bytes]
) -> None:
    tell(logs, range(MANY))
    read(logs)
    sound = objects(logs)[keys.outcomes_index(DAY)]
    objects(logs)[keys.outcomes_index(DAY)] = spoil(sound)
    assert read(logs) == Counter(map(str, range(MANY)))
    assert got(logs, lambda: read(logs)) == [keys.outcomes_index(DAY)]
    assert read(logs) == Counter(map(str, range(MANY)))


def test_what_is_withdrawn_while_it_is_read_is_passed_over() -> None:
    class Withdrawn(InMemory):
        def get_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
            if Key.endswith("00003.jsonl.gz"):
                self.delete_object(Bucket, Key)
            return super().get_object(Bucket, Key, **_)

    logs = Bucket(Withdrawn({}), "in-memory")  # type: ignore[arg-type]
    for count in (10, MANY):
        tell(logs, range(count))
        assert read(logs) == Counter(map(str, {*range(count)} - {3}))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("tell"), st.integers(0, 400), st.integers(1, 120)),
            st.tuples(st.just("withdraw"), st.integers(0, 40), st.just(0)),
            st.tuples(st.just("read"), st.just(0), st.just(0)),
            st.tuples(st.just("leave"), st.just(0), st.just(0)),
            st.tuples(st.just("spoil"), st.integers(0, 2_000), st.just(0)),
        ),
        max_size=12,
    )
)
def test_all_that_is_there_is_read_once_whatever_came_before(
    steps: list[tuple[str, int, int]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcomes, "_AT_ONCE", 50)  # so that one can stop while it reads a day
        take(steps)


def take(steps: list[tuple[str, int, int]]) -> None:
    logs, there = bucket(), set[int]()
    for what, number, count in steps:
        if what == "tell":
            tell(logs, range(number, number + count))
            there |= {*range(number, number + count)}
        elif what == "withdraw":
            outcomes.withdraw(logs, DAY, f"{number:04}")
            there -= {*range(10 * number, 10 * number + 10)}
        elif what == "read":
            assert read(logs) == Counter(map(str, there))
        elif what == "leave":  # a process that was killed while it read
            next(outcomes.read(logs, DAY, DAY), None)
        elif content := objects(logs).get(keys.outcomes_index(DAY)):
            objects(logs)[keys.outcomes_index(DAY)] = content[:number]
    assert read(logs) == read(logs) == Counter(map(str, there))
