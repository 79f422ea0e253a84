"""The series of checks: since when, for how long, and in whatever order they come."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.jobs.drift.trend import KEPT, SHOWN, Entry, Trend
from evergreen.settings import Thresholds
from evergreen.statistics.drift import ColumnDrift, Report, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def report(verdict: Verdict, *drifted: str) -> Report:
    columns = tuple(
        ColumnDrift(name, "ks", 0.5, 0.0, 0.0, 0.5, None, 0.1, ("values",), True)
        for name in drifted
    )
    return Report(verdict, 500, len(drifted) / 10, 0.0, Thresholds(), columns, None)


def series(*checks: tuple[Verdict, tuple[str, ...], str]) -> Trend:
    """One check an hour: verdict, drifted features, version."""
    trend = Trend()
    for hour, (verdict, drifted, version) in enumerate(checks):
        at = START + hour * HOUR
        trend = trend.add(trend.entry(at, version, report(verdict, *drifted), 0.2))
    return trend


def at(hour: int) -> str:
    return (START + hour * HOUR).isoformat()


def test_since_is_the_first_of_an_unbroken_series() -> None:
    trend = series(
        ("drift", ("a",), "v1"),
        ("no_drift", ("a",), "v1"),
        ("drift", ("a", "b"), "v1"),
        ("drift", ("b",), "v1"),
        ("drift", ("a", "b"), "v1"),
    )
    assert [entry.since for entry in trend.entries] == [at(0), None, at(2), at(2), at(2)]
    assert trend.entries[-1].drifted == {"a": at(4), "b": at(2)}


def test_a_check_that_says_nothing_breaks_no_series() -> None:
    trend = series(("drift", ("a",), "v1"), ("too_few_rows", (), "v1"), ("drift", ("a",), "v1"))
    assert [entry.since for entry in trend.entries] == [at(0), None, at(0)]
    assert trend.entries[-1].drifted == {"a": at(0)}


def test_another_version_begins_a_series_of_its_own() -> None:
    trend = series(("drift", ("a",), "v1"), ("drift", ("a",), "v2"), ("drift", ("a",), "v1"))
    assert [entry.since for entry in trend.entries] == [at(0), at(1), at(0)]


def test_a_series_goes_on_for_longer_than_its_checks_are_kept() -> None:
    hours = 2 * KEPT // HOUR
    trend = series(*[("drift", ("a",), "v1")] * hours)
    assert len(trend.entries) == KEPT // HOUR
    assert trend.entries[-1].since == at(0)
    assert trend.entries[-1].drifted == {"a": at(0)}


def test_a_repeated_check_takes_its_own_place() -> None:
    trend = series(("no_drift", (), "v1"), ("drift", ("a",), "v1"), ("drift", ("a",), "v1"))
    again = trend.entry(START + HOUR, "v1", report("drift", "a"), 0.2)
    assert trend.add(again) == trend


def test_a_report_shows_the_checks_until_its_own_and_the_gravest_of_many() -> None:
    checks: list[Any] = [("no_drift", (), "v1")] * 330
    checks[100] = ("drift", ("a",), "v1")
    shown = series(*checks).shown(START + 320 * HOUR)
    assert len(shown) <= SHOWN
    assert shown[-1]["checked_at"] == at(320)
    assert [one["checked_at"] for one in shown if one["verdict"] == "drift"] == [at(100)]
    assert shown == sorted(shown, key=lambda one: one["checked_at"])
    assert shown[0].keys() == {
        *("checked_at", "verdict", "customers", "drifted_share", "predicted_churn"),
        "model_version",
    }
    assert series(*checks[:3]).shown(START + 9 * HOUR)[-1]["checked_at"] == at(2)
    assert Trend().shown(START) == []


@pytest.mark.parametrize(
    "wrong", [{}, {"checked_at": "x"}, {"checked_at": "2026-01-01T00:00:00"}, {"drifted": ["a"]}]
)
def test_what_is_no_check_is_refused(wrong: dict[str, Any]) -> None:
    whole = {
        **{"checked_at": at(0), "model_version": "v1", "verdict": "drift", "customers": 1},
        **{"drifted_share": 0.1, "predicted_churn": None, "since": None, "drifted": {}},
    }
    assert Entry.parse(whole).time == START
    with pytest.raises((TypeError, ValueError)):
        Entry.parse(whole | wrong if wrong else {})


@given(st.lists(st.integers(0, 700), max_size=40), st.randoms())
def test_the_order_in_which_checks_are_kept_does_not_matter(hours: list[int], order: Any) -> None:
    entries = [
        Trend().entry(START + hour * HOUR, "v1", report("drift", "a"), 0.1) for hour in hours
    ]
    one, other = Trend(), Trend()
    for entry in entries:
        one = one.add(entry)
    order.shuffle(entries)
    for entry in entries:
        other = other.add(entry)
    assert one == other
    assert len(one.entries) == len({h for h in hours if h > max(hours) - KEPT // HOUR})
