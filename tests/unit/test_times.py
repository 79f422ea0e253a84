from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.store.times import is_time, microseconds, microseconds_of, time_of

moments = st.datetimes(
    datetime(1, 1, 2),
    datetime(9999, 12, 30),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-9.5))]),
)


@given(moments)
def test_a_time_is_a_whole_number_and_back(moment: datetime) -> None:
    assert time_of(microseconds(moment)) == moment
    assert microseconds_of(moment.isoformat()) == microseconds(moment)
    assert microseconds(moment + timedelta(microseconds=1)) == microseconds(moment) + 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-05-31T12:00:00Z", True),
        ("2026-05-31T12:00:00.5+02:00", True),
        ("2026-05-31T12:00:00", False),
        ("2026-05-31", False),
        ("noon", False),
        ("", False),
        (None, False),
        (1_780_000_000, False),
        ([], False),
    ],
)
def test_a_time_has_a_zone(value: object, *, expected: bool) -> None:
    assert is_time(value) is expected
