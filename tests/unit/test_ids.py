"""Ids of predictions and requests are UUIDs: new ones in order, repeated ones for ever the same."""

from uuid import RFC_4122, UUID

import pytest

from evergreen.jobs.answering import ids


@pytest.mark.parametrize("count", [0, 1, 1_000, 4_096, 4_097, 10_000])
def test_new_ones_are_in_order(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_790_000_000_123_456_789)
    made = ids.new(count)
    parsed = [UUID(each) for each in made]
    assert made == sorted(set(made)) == [*map(str, parsed)]
    assert {(each.version, each.variant) for each in parsed} <= {(7, RFC_4122)}
    whens = [each.int >> 80 for each in parsed]
    assert whens == [1_790_000_000_123 + place // 4_096 for place in range(count)]


def test_repeated_ones_are_those_of_all_releases() -> None:
    made = ids.repeated("key", b"[{}]", 2)
    assert made == [
        "99b68b97-7ee0-851c-880c-4ffaba799f2f",
        "ef378596-b345-88aa-b2df-8ec0fe04b1b6",
    ]
    assert {(UUID(each).version, UUID(each).variant) for each in made} == {(8, RFC_4122)}
