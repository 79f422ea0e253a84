"""Predictions joined with outcomes, against the definition, however both are cut into objects."""

import gzip
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.identity import identities
from evergreen.customers.outcomes import Outcome
from evergreen.customers.schema import Schema
from evergreen.jobs.outcomes.joining import Join, Joined, monday
from evergreen.jobs.outcomes.told import NEVER, Table
from evergreen.store import keys, outcomes
from evergreen.store.predictions_index import PredictionsIndex, hashed
from evergreen.store.s3 import Bucket
from evergreen.store.times import DAY, microseconds, microseconds_of

from .in_memory import bucket

DOCUMENT: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "months", "type": "integer"},
        {"name": "churn", "type": "string", "constraints": {"enum": ["no", "yes"]}},
    ],
    "primaryKey": "id",
    "target": {"field": "churn", "positive": "yes"},
}
SCHEMA = Schema(DOCUMENT)
START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
FIRST = microseconds(START) // DAY
HORIZON = timedelta(days=3)
DAYS = 14


@dataclass(frozen=True)
class Prediction:
    id: str
    who: int
    at: datetime
    arrived: timedelta
    """How much later it came to the log."""
    version: str

    @property
    def record(self) -> bytes:
        return orjson.dumps(
            {
                "prediction_id": self.id,
                "predicted_at": self.at.isoformat(),
                "model_version": self.version,
                "churn_probability": 0.25,
                "customer": {"id": f"C{self.who}", "months": self.who},
            }
        )


def outcome(of: Prediction | int, seen: datetime, received: datetime, churned: bool) -> Outcome:
    told: Outcome = {
        "received_at": received.isoformat(timespec="microseconds"),
        "observed_at": seen.isoformat(timespec="microseconds"),
        "churned": churned,
    }
    if isinstance(of, Prediction):
        told["prediction_id"] = of.id
    else:
        told["key"] = {"id": f"C{of}"}
    return told


def log(logs: Bucket, predictions: Sequence[Prediction], objects: Sequence[int]) -> None:
    """Put predictions into the log, each into one of some objects of its hour of arrival."""
    contents: dict[str, list[bytes]] = {}
    for prediction, number in zip(predictions, objects, strict=True):
        hour = keys.inference_hour(prediction.at + prediction.arrived)
        contents.setdefault(f"{hour}{number}", []).append(prediction.record)
    for key, lines in contents.items():
        text = b"\n".join(lines)
        logs.put(key, gzip.compress(text) if key.endswith("1") else text)


def tell(logs: Bucket, told: Sequence[Outcome], objects: Sequence[int]) -> None:
    contents: dict[tuple[datetime, int], list[Outcome]] = {}
    for one, number in zip(told, objects, strict=True):
        day = datetime.fromisoformat(one["received_at"]).replace(hour=0, minute=0, second=0)
        contents.setdefault((day, number), []).append(one)
    for (day, number), some in contents.items():
        outcomes.write(logs, day, str(number), some)


def joined(logs: Bucket, most: int = 1_000, takers: Sequence[Any] = ()) -> Joined:
    index = PredictionsIndex(logs, SCHEMA)
    horizon = HORIZON // timedelta(microseconds=1)
    join = Join(index, SCHEMA, horizon, FIRST, FIRST + DAYS)
    until = START + timedelta(days=DAYS)
    return join.run(lambda: outcomes.read(logs, START, until), takers, most)


def shown(found: Joined) -> dict[tuple[str, int], dict[int, tuple[int, int | None, bool | None]]]:
    """Return the weeks as the definition makes them: by customer, when, seen when, who left."""

    def told(rows: Table) -> dict[int, tuple[int, int | None, bool | None]]:
        return {
            int(row["identity"]): (
                int(row["at"]),
                *((None, None) if row["observed"] == NEVER else (row["observed"], row["churned"])),
            )
            for row in rows
        }

    return {key: told(rows) for key, rows in found.weeks.items()}


def by_definition(predictions: Sequence[Prediction], told: Sequence[Outcome]) -> dict[str, Any]:
    """Join as the contract has it: each prediction with each outcome."""
    distinct = {
        (one.get("prediction_id", ""), str(one.get("key")), one["observed_at"], one["churned"]): one
        for one in sorted(told, key=lambda one: one["received_at"])
    }
    of: dict[str, list[Outcome]] = {p.id: [] for p in predictions}
    matched = 0
    for one in distinct.values():
        seen = datetime.fromisoformat(one["observed_at"])
        mine = [
            p
            for p in predictions
            if one.get("prediction_id") == p.id
            or (one.get("key") == {"id": f"C{p.who}"} and p.at < seen and seen - p.at <= HORIZON)
        ]
        matched += bool(mine)
        for prediction in mine:
            of[prediction.id].append(one)
    weeks: dict[tuple[str, int], dict[int, Any]] = {}
    for p in sorted(predictions, key=lambda p: (p.at, hashed(p.id))):
        number = microseconds(p.at) // DAY
        if FIRST <= number <= FIRST + DAYS:
            best = max(
                of[p.id],
                key=lambda o: (o["observed_at"], o["received_at"], o["churned"]),
                default=None,
            )
            (who,) = identities(SCHEMA, {"id": [f"C{p.who}"]}, 1).tolist()
            weeks.setdefault((p.version, monday(number)), {})[who] = (
                microseconds(p.at),
                microseconds_of(best["observed_at"]) if best else None,
                best["churned"] if best else None,
            )
    at_once: dict[tuple[str, str, str], set[bool]] = {}
    for one in told:
        key = (one.get("prediction_id", ""), str(one.get("key")), one["observed_at"])
        at_once.setdefault(key, set()).add(one["churned"])
    return {
        "received": len(distinct),
        "matched": matched,
        "contradictions": sum(len(both) == 2 for both in at_once.values()),
        "weeks": weeks,
    }


# few customers and few times, so that there are many coincidences
hours = st.integers(0, DAYS * 24 - 1)
times = st.builds(lambda hour: START + timedelta(hours=hour), hours)
predicted = st.builds(
    Prediction,
    id=st.uuids().map(str),
    who=st.integers(0, 3),
    at=st.builds(lambda at, before: at - before, times, st.sampled_from([timedelta(), HORIZON])),
    arrived=st.sampled_from([timedelta(), timedelta(minutes=59), timedelta(days=2)]),
    version=st.sampled_from(["a", "b"]),
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Prediction], list[Outcome]]:
    predictions = draw(st.lists(predicted, max_size=12))
    stranger = Prediction(str(uuid.UUID(int=1)), 9, START, timedelta(), "a")
    of = st.one_of(st.integers(0, 4), st.sampled_from([*predictions, stranger]))
    told = draw(
        st.lists(st.builds(outcome, of, times, st.sampled_from([START, START + HORIZON]),
                           st.booleans()), max_size=12)
    )  # fmt: skip
    return predictions, told


cuts = st.lists(st.integers(0, 2), min_size=30, max_size=30)


@given(stories(), cuts, cuts, st.sampled_from([1, 3, 1_000]))
@settings(max_examples=60)
def test_every_prediction_gets_the_outcome_that_holds(
    story: tuple[list[Prediction], list[Outcome]], cut: list[int], other: list[int], most: int
) -> None:
    predictions, told = story
    logs = bucket()
    log(logs, predictions, cut[: len(predictions)])
    tell(logs, told, other[: len(told)])
    found, wanted = joined(logs, most), by_definition(predictions, told)
    assert (found.received, found.matched, found.contradictions) == (
        wanted["received"],
        wanted["matched"],
        wanted["contradictions"],
    )
    assert shown(found) == wanted["weeks"]
    assert len(found.unmatched) <= min(5, found.received - found.matched)
    assert bool(found.unmatched) == (found.received > found.matched)
