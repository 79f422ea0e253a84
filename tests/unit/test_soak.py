"""The books of `make soak`: what it tells of customers, and when it says that some is lost."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergreen.cli import schemas
from evergreen.customers.outcomes import Reader
from evergreen.jobs.outcomes.rows import Cells
from local.demo.source import SCHEMAS
from tests.soak.outcomes import Told, judge, judge_measured, table

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
ID = "0190e2b4-5f6a-4b3c-8d2e-1f2a3b4c5d6e"
BY_ID = Told("prediction_id", ID, True, "2026-05-31T11:00:00.000001+00:00")
BY_KEY = Told("customer_id", "C0100-000007", False, "2026-05-31T11:00:00.000002+00:00")
TOLD = [BY_ID, BY_KEY, BY_KEY._replace(churned=True), BY_ID._replace(churned=False)]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(schemas.read_schema(SCHEMAS / "customers.json"), NOW + timedelta(hours=1))


def test_what_is_sent_is_kept_as_it_is_told(reader: Reader) -> None:
    outcomes, problems = reader.objects([one.sent() for one in TOLD])
    assert not problems
    assert [Told.of(outcome) for outcome in outcomes] == TOLD


def test_what_a_file_says_is_kept_as_it_is_told_but_for_the_bad_rows(reader: Reader) -> None:
    (rows,) = Cells(io.BytesIO(table(TOLD, bad=3)), reader).batches()
    assert [Told.of(outcome) for outcome in rows.outcomes] == TOLD
    assert rows.refused == 3


@pytest.mark.parametrize(
    ("kept", "faults"),
    [
        (TOLD, []),
        (TOLD[::-1], []),
        (TOLD[1:], ["1 outcomes were accepted and never kept"]),
        ([*TOLD, BY_KEY], ["1 outcomes were not kept as often as accepted"]),
        ([*TOLD, BY_ID._replace(who="x")], ["1 outcomes were kept, and never accepted"]),
        ([], ["4 outcomes were accepted and never kept"]),
    ],
)
def test_every_accepted_outcome_must_be_kept_once(kept: list[Told], faults: list[str]) -> None:
    found = [*judge(TOLD, kept)]
    assert [fault.partition(", such as")[0] for fault in found] == faults


def counted(received: int, unmatched: int) -> dict[str, Any]:
    return {"received": received, "unmatched": unmatched, "examples": ["someone"]}


@pytest.mark.parametrize(
    ("counts", "unlogged", "faulty"),
    [
        (counted(4, 0), {}, False),
        (counted(3, 0), {}, True),
        (counted(5, 0), {}, True),
        (counted(4, 1), {}, True),
        (counted(4, 2), {ID: "another"}, False),
        (counted(4, 1), {ID: "another"}, True),
        (counted(4, 4), {ID: BY_KEY.who}, False),
        (counted(4, 1), {"another": BY_KEY.who}, False),
        (counted(4, 3), {"another": BY_KEY.who}, True),
    ],
)
def test_every_outcome_must_be_measured_and_find_a_prediction_where_that_is_logged(
    counts: dict[str, Any], unlogged: dict[str, str], *, faulty: bool
) -> None:
    assert bool([*judge_measured(TOLD * 2, counts, unlogged)]) == faulty
