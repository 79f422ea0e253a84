"""Who is on a call list is noted, and what became of them tells what contacting them did."""

import gzip
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.jobs.files.campaigns import keep
from evergreen.jobs.outcomes.campaign_effects import Campaigns
from evergreen.jobs.outcomes.joining import MATCHED
from evergreen.jobs.outcomes.told import Table
from evergreen.models.model import Model
from evergreen.statistics.campaign import effect
from evergreen.store import keys
from evergreen.store.s3 import Bucket
from evergreen.store.times import microseconds

from .in_memory import bucket
from .test_call_list import AT, add, begun, valued

MADE = datetime.fromisoformat(AT)
NOW = MADE + timedelta(days=20)
HORIZON = timedelta(days=30)
DAY = timedelta(days=1)


def lines(logs: Bucket, upload: str = "u") -> list[dict[str, Any]]:
    content = logs.get(keys.campaign(MADE, upload))[0]
    return [orjson.loads(line) for line in gzip.decompress(content).splitlines()]


def test_who_is_listed_is_noted_best_first(model: Model) -> None:
    calls, logs = begun(valued(model, limit=30)), bucket()
    add(calls, [float(n) for n in range(50)], [*range(50)], 0)
    keep(logs, calls, "u", AT)
    listed = [*calls.calls()]
    assert lines(logs) == [
        {
            "identity": f"{49 - place:016x}",
            "at": AT,
            "contact": call.contact,
            "churn_probability": 0.5,
            "expected_value": 49.0 - place,
            "model_version": model.version,
        }
        for place, call in enumerate(listed)
    ]
    assert len({call.contact for call in listed}) == 2
    first = logs.get(keys.campaign(MADE, "u"))
    keep(logs, calls, "u", AT)
    assert logs.get(keys.campaign(MADE, "u")) == first


def test_nobody_on_a_list_is_no_campaign(model: Model) -> None:
    logs = bucket()
    keep(logs, begun(valued(model)), "u", AT)
    assert [*logs.list("")] == []


def put(logs: Bucket, upload: str, members: dict[int, bool], at: datetime = MADE) -> None:
    told = [
        {"identity": f"{who:016x}", "at": at.isoformat(), "contact": contact}
        for who, contact in members.items()
    ]
    content = gzip.compress(b"\n".join(map(orjson.dumps, told)))
    logs.put(keys.campaign(at, upload), content)


def matched(*told: tuple[int, datetime, bool]) -> Table:
    table = np.zeros(len(told), MATCHED)
    for row, (who, observed, churned) in zip(table, told, strict=True):
        row["identity"], row["observed"] = who, microseconds(observed)
        row["received"], row["churned"] = microseconds(observed), churned
    return table


def read(logs: Bucket) -> Campaigns:
    return Campaigns(logs, MADE - DAY, NOW, HORIZON)


def test_the_latest_outcome_within_the_horizon_counts() -> None:
    logs = bucket()
    put(logs, "u", {1: True, 2: True, 3: True, 4: False, 5: False, 6: True, 2**64 - 1: False})
    campaigns = read(logs)
    campaigns.take(
        matched(
            (1, MADE + DAY, True),
            (1, MADE + 2 * DAY, False),
            (2, MADE, True),  # not after
            (3, MADE + HORIZON, True),
            (4, MADE + HORIZON + DAY, True),  # too late
            (5, MADE + DAY, False),
            (7, MADE + DAY, True),  # on no list
            (2**64 - 1, MADE + DAY, True),
        )
    )
    (told,) = campaigns.told([], MADE - DAY)
    assert told == {
        **{"upload": "u", "at": AT, "contacted": 2, "control": 2},
        **{"contacted_left": 0.5, "control_left": 0.5, "effect": asdict(effect(1, 2, 1, 2))},
    }


outcomes = st.tuples(st.integers(0, 5), st.integers(1, 40), st.booleans())


@given(st.lists(outcomes, max_size=12, unique_by=lambda told: told[:2]), st.data())
def test_it_does_not_matter_in_how_many_turns_outcomes_come(
    told: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    logs = bucket()
    put(logs, "u", {who: who % 2 == 0 for who in range(6)})
    together, apart = read(logs), read(logs)
    rows = [(who, MADE + days * DAY, churned) for who, days, churned in told]
    together.take(matched(*rows))
    for row in data.draw(st.permutations(rows)):
        apart.take(matched(row))
    assert together.told([], MADE) == apart.told([], MADE)


def test_a_group_of_whom_nothing_is_known_has_no_share() -> None:
    logs = bucket()
    put(logs, "u", {1: True, 2: False})
    campaigns = read(logs)
    campaigns.take(matched((1, MADE + DAY, True)))
    (told,) = campaigns.told([], MADE)
    assert (told["contacted_left"], told["control_left"], told["effect"]) == (1.0, None, None)


def test_campaigns_come_the_latest_first_and_older_ones_stay() -> None:
    logs = bucket()
    put(logs, "a", {1: True})
    put(logs, "b", {1: True}, MADE + DAY)
    gone = {"upload": "gone", "at": (MADE - 5 * DAY).isoformat(), "contacted": 9}
    again = {"upload": "a", "at": AT, "contacted": 9}
    taken_back = {"upload": "c", "at": AT, "contacted": 9}
    told = read(logs).told([gone, again, taken_back], MADE - DAY)
    assert [each["upload"] for each in told] == ["b", "a", "gone"]
    assert (told[1]["contacted"], told[2]) == (0, gone)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="not packed"),
        pytest.param(gzip.compress(b"{}"), id="no campaign"),
        pytest.param(gzip.compress(b"[]\n"), id="no object"),
        pytest.param(gzip.compress(b"x")[:-3], id="cut short"),
    ],
)
def test_a_list_that_can_not_be_read_is_passed_over(content: bytes) -> None:
    logs = bucket()
    logs.put(keys.campaign(datetime(2026, 1, 2, tzinfo=UTC), "u"), content)
    assert read(logs).told([], MADE) == []
