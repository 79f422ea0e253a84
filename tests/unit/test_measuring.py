"""The measurement: what the document says, when weeks are left as they were, and what is told."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergreen.customers.outcomes import Outcome
from evergreen.customers.schema import Schema
from evergreen.errors import BusyError, ConflictError, NoModelError, NotFoundError
from evergreen.jobs.outcomes import measuring
from evergreen.jobs.outcomes.measuring import Measurement, Measuring
from evergreen.models.artifact import Artifact, sha256
from evergreen.models.model import Model
from evergreen.statistics.estimation import estimate
from evergreen.statistics.performance import measure
from evergreen.store import keys, lock, outcomes
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from local.demo.source import to_json

from .in_memory import bucket

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday, of week 12
DAY = timedelta(days=1)
HORIZON = 30 * DAY


@dataclass
class World:
    """A deployment with a champion, whose log is in the test's hands."""

    model: Model
    version: Artifact
    data: Bucket = field(default_factory=bucket)
    logs: Bucket = field(default_factory=bucket)
    models: Bucket = field(default_factory=bucket)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        registry = Registry(self.models, clock=lambda: NOW - 300 * DAY)
        registry.publish(self.version.manifest, self.version.files)
        registry.promote(self.version.manifest.version, seen=None, reason="the first model")

    @property
    def name(self) -> str:
        return self.version.manifest.version

    def run(self, now: datetime = NOW, request: str = "") -> Measurement:
        told = self.told
        registry = Registry(self.models)
        world = Measuring(self.data, self.logs, registry, HORIZON, lambda *e: told.append(e))
        found, champion = world.run(now, request)
        assert champion == self.name
        return found

    def predict(self, records: Sequence[dict[str, Any]], cut: Sequence[int] = ()) -> None:
        objects: dict[str, list[bytes]] = {}
        for place, record in enumerate(records):
            hour = datetime.fromisoformat(record["predicted_at"])
            name = f"{keys.inference_hour(hour)}{cut[place % len(cut)] if cut else 0}"
            objects.setdefault(name, []).append(orjson.dumps(record))
        for key, lines in objects.items():
            self.logs.put(key, gzip.compress(b"\n".join(lines), 1))

    def tell(self, told: Sequence[Outcome], cut: Sequence[int] = (), at: datetime = NOW) -> None:
        parts: dict[int, list[Outcome]] = {}
        for place, one in enumerate(told):
            parts.setdefault(cut[place % len(cut)] if cut else 0, []).append(one)
        for number, some in parts.items():
            outcomes.write(self.logs, at, f"{next(self.numbers)}-{number}", some)


@pytest.fixture
def world(model: Model, version: Artifact) -> World:
    return World(model, version)


def records(
    model: Model, rows: int, at: datetime, seed: int = 3, first: int = 0
) -> tuple[list[dict[str, Any]], np.ndarray[Any, Any]]:
    """Answer customers at one time; return the records, and who of them left."""
    frame = customers(rows, seed=seed)
    churned, _ = model.schema.labels(frame[model.schema.target].tolist())
    given = to_json(frame, model.schema)
    for number, customer in enumerate(given):
        customer["customer_id"] = f"C{first + number}"
    matrix, _ = model.schema.encode_rows(given)
    scores = np.round(model.probabilities(matrix), 6)
    found = [
        {
            "prediction_id": f"{seed:08x}-0000-4000-8000-{first + number:012x}",
            "predicted_at": (at + timedelta(seconds=number)).isoformat(),
            "model_version": model.version,
            "churn_probability": float(score),
            "customer": customer,
        }
        for number, (customer, score) in enumerate(zip(given, scores, strict=True))
    ]
    return found, churned


def outcome(record: dict[str, Any], churned: bool, at: datetime = NOW, **more: Any) -> Outcome:
    """Tell of the customer of a record, by its key."""
    time = at.isoformat(timespec="microseconds")
    key = {"customer_id": record["customer"]["customer_id"]}
    told: Any = {"received_at": time, "observed_at": time, "churned": bool(churned)}
    return told | ({} if "prediction_id" in more else {"key": key}) | more


def test_nothing_is_measured_where_nothing_was_promoted() -> None:
    with pytest.raises(NoModelError):
        Measuring(bucket(), bucket(), Registry(bucket()), HORIZON).run(NOW)


def test_an_empty_log_is_an_empty_document(world: World) -> None:
    found = world.run()
    assert found.document == json.loads(world.logs.get(keys.PERFORMANCE)[0])
    assert found.document == {
        "performance_version": 1,
        "measured_at": NOW.isoformat(),
        "horizon_days": 30,
        "outcomes": {
            **{"received": 0, "matched": 0, "unmatched": 0, "examples": [], "contradictions": 0}
        },
        "weeks": [],
        "campaigns": [],
        "decay": None,
        "announced": [],
    }


def test_a_week_is_measured_on_those_who_have_an_outcome_and_estimated_for_the_others(
    world: World,
) -> None:
    made, churned = records(world.model, 400, NOW - 8 * DAY)
    world.predict(made)
    world.tell([outcome(r, c) for r, c in zip(made[:250], churned[:250], strict=True)])
    (week,) = world.run().document["weeks"]
    scores = np.array([record["churn_probability"] for record in made])
    held_out = json.loads(world.version.files["metrics.json"])["held_out"]
    assert week["measured"] == measure(churned[:250], scores[:250])
    wanted = estimate(scores[250:])
    assert week["estimated"] == pytest.approx(wanted)
    assert {name: week[name] for name in ("model_version", "week", "start")} == {
        **{"model_version": world.name, "week": "2026-W11", "start": "2026-03-09"}
    }
    assert (week["customers"], week["labelled"]) == (400, 250)
    assert week["expected"] == {n: held_out[n] for n in ("roc_auc", "log_loss", "brier")}


def test_few_outcomes_measure_nothing(world: World) -> None:
    made, churned = records(world.model, 400, NOW - 8 * DAY)
    world.predict(made)
    world.tell([outcome(r, c) for r, c in zip(made[:99], churned[:99], strict=True)])
    (week,) = world.run().document["weeks"]
    assert (week["labelled"], week["measured"]) == (99, None)
    stayed = [r for r, left in zip(made, churned, strict=True) if not left]
    world.tell([outcome(record, False) for record in stayed])
    (week,) = world.run().document["weeks"]
    assert week["labelled"] > 200
    assert (week["measured"] is None) == (churned[:99].sum() < 10)


def test_a_customer_counts_once_a_week_by_the_latest_prediction(world: World) -> None:
    made, _ = records(world.model, 50, NOW - 8 * DAY)
    again = [
        record | {"predicted_at": (NOW - 7 * DAY).isoformat(), "prediction_id": f"again-{n}"}
        for n, record in enumerate(made)
    ]
    other = [record | {"model_version": "gone", "prediction_id": f"{n}"} for n, record in
             enumerate(made)]  # fmt: skip
    world.predict([*made, *again, *other])
    weeks = world.run().document["weeks"]
    assert {week["model_version"]: week["customers"] for week in weeks} == {
        world.name: 50,
        "gone": 50,
    }
    assert [week["expected"]["log_loss"] for week in weeks if week["model_version"] == "gone"] == [
        None
    ]


def test_weeks_of_which_no_outcome_can_come_stay_as_they_were(world: World) -> None:
    made, churned = records(world.model, 300, NOW - 2 * DAY)
    world.predict(made)
    world.tell([outcome(r, c) for r, c in zip(made, churned, strict=True)])
    (before,) = world.run().document["weeks"]
    for name in list(world.logs.list("")):
        if name.key.startswith((keys.INFERENCE, keys.INDEX, keys.OUTCOMES)):
            world.logs.delete(name.key)
    assert world.run(NOW + HORIZON + 14 * DAY).document["weeks"] == [before]
    assert world.run(NOW + 900 * DAY).document["weeks"] == []


def test_weeks_that_are_measured_again_are_not_kept_beside(world: World) -> None:
    made, _ = records(world.model, 300, NOW - 2 * DAY)
    world.predict(made)
    first = world.run().document["weeks"]
    assert world.run(NOW + DAY).document["weeks"] == first


def test_an_outcome_may_be_older_than_the_first_week(world: World) -> None:
    made, _ = records(world.model, 1, NOW - 60 * DAY)
    world.predict(made)
    world.tell([outcome(made[0], True, NOW - 35 * DAY)], at=NOW - 35 * DAY)
    found = world.run().document
    assert (found["outcomes"]["matched"], found["weeks"]) == (1, [])


def test_outcomes_without_a_prediction_are_named(world: World) -> None:
    made, _ = records(world.model, 10, NOW - 2 * DAY)
    world.predict(made[:2])
    strangers = [outcome(record, True) for record in made[2:9]]
    strangers += [outcome(made[9], True, prediction_id=made[9]["prediction_id"])]
    world.tell([*strangers, outcome(made[0], True), outcome(made[0], False)])
    told = world.run().document["outcomes"]
    assert (told["received"], told["matched"], told["unmatched"]) == (10, 2, 8)
    assert told["contradictions"] == 1
    assert len(told["examples"]) == 5
    named = {f"C{n}" for n in range(2, 9)} | {made[9]["prediction_id"]}
    assert {*told["examples"]} <= named


def decayed(world: World, at: datetime = NOW - 8 * DAY, seed: int = 3) -> None:
    """Let customers leave who were to stay, and the others stay."""
    made, churned = records(world.model, 300, at, seed=seed, first=seed * 1_000)
    world.predict(made)
    world.tell([outcome(r, not c) for r, c in zip(made, churned, strict=True)])


def test_decay_is_told_once_for_a_version_and_week(world: World) -> None:
    decayed(world)
    found = world.run()
    assert found.document["decay"]["seen"]
    assert found.document["decay"]["basis"] == "outcomes"
    assert world.told == [("Performance Decayed", found.document["decay"])]
    assert found.metrics(world.name)["Decayed"] == 1
    world.run(NOW + DAY)
    assert len(world.told) == 1
    for entry in list(world.logs.list(keys.OUTCOMES)):
        world.logs.delete(entry.key)
    assert not world.run(NOW + DAY).document["decay"]["seen"]
    decayed(world)
    world.run(NOW + DAY)
    assert len(world.told) == 1
    decayed(world, NOW - timedelta(hours=3), seed=4)
    world.run(NOW + DAY)
    assert [told["week"] for _, told in world.told] == ["2026-W11", "2026-W12"]


def test_a_model_that_is_right_has_not_decayed(world: World) -> None:
    made, churned = records(world.model, 600, NOW - 8 * DAY)
    world.predict(made)
    world.tell([outcome(r, c) for r, c in zip(made, churned, strict=True)])
    found = world.run()
    decay = found.document["decay"]
    assert not decay["seen"]
    assert "not surely worse" in decay["reason"]
    assert world.told == []
    metrics = found.metrics(world.name)
    assert metrics["Decayed"] == 0
    assert metrics["MeasuredLogLoss"] == decay["measured"]


def test_a_week_is_not_judged_by_the_first_outcomes_that_come(world: World) -> None:
    made, churned = records(world.model, 400, NOW - 8 * DAY)
    world.predict(made)
    world.tell([outcome(r, not c) for r, c in zip(made[:190], churned[:190], strict=True)])
    found = world.run().document
    assert found["weeks"][0]["measured"]
    assert found["decay"]["basis"] == "estimate"
    assert not found["decay"]["seen"]


def test_decay_is_seen_before_outcomes_come(world: World) -> None:
    made, churned = records(world.model, 400, NOW - 15 * DAY)
    world.predict(made)
    world.tell([outcome(r, c) for r, c in zip(made, churned, strict=True)])
    unsure, _ = records(world.model, 400, NOW - 8 * DAY, seed=5, first=5_000)
    world.predict([record | {"churn_probability": 0.5} for record in unsure])
    found = world.run()
    decay = found.document["decay"]
    assert (decay["seen"], decay["basis"], decay["week"]) == (True, "estimate", "2026-W11")
    assert decay["measured"] == pytest.approx(np.log(2))
    assert found.metrics(world.name)["EstimatedLogLoss"] == pytest.approx(np.log(2))


def test_what_is_at_stake_is_measured_as_well(world: World, version: Artifact) -> None:
    document = json.loads(version.files["schema.json"])
    document["target"]["value"] = {
        **{"worth": "monthly_fee", "offer": 10, "contact": 1, "acceptance": 0.3}
    }
    valued = replace(world.model, schema=Schema(document))
    made, churned = records(world.model, 300, NOW - 8 * DAY)
    matrix, _ = valued.schema.encode_rows([record["customer"] for record in made])
    value = valued.schema.campaign.value
    assert value
    amounts = value.amounts(matrix, valued.typical.tolist())
    other = World(world.model, changed(version, "schema.json", json.dumps(document).encode()))
    other.predict(made)
    other.tell([outcome(r, c) for r, c in zip(made, churned, strict=True)])
    (week,) = other.run().document["weeks"]
    scores = np.array([record["churn_probability"] for record in made])
    assert week["measured"]["profit"] == pytest.approx(measure(churned, scores, amounts)["profit"])


def changed(version: Artifact, name: str, content: bytes) -> Artifact:
    files = {**version.files, name: content}
    digests = {**version.manifest.files, name: sha256(content)}
    return Artifact(replace(version.manifest, files=digests), files)


def test_two_runs_at_once_are_one(world: World) -> None:
    with (
        lock.hold(world.logs, keys.PERFORMANCE_LOCK, "other", timedelta(minutes=15)),
        pytest.raises(BusyError),
    ):
        world.run()
    with pytest.raises(NotFoundError):
        world.logs.get(keys.PERFORMANCE)


def test_a_run_that_took_too_long_writes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run()
    faster = world.logs.get(keys.PERFORMANCE)[0] + b"\n"
    read = measuring.Campaigns

    def meanwhile(*arguments: Any) -> Any:
        world.logs.put(keys.PERFORMANCE, faster)
        return read(*arguments)

    monkeypatch.setattr(measuring, "Campaigns", meanwhile)
    with pytest.raises(ConflictError):
        world.run()
    assert world.logs.get(keys.PERFORMANCE)[0] == faster


def test_a_document_of_another_kind_is_written_over(world: World) -> None:
    for spoilt in (b"{", b"[]", b'{"performance_version": 2, "weeks": 1}'):
        world.logs.put(keys.PERFORMANCE, spoilt)
        assert world.run().document["weeks"] == []


cuts = st.lists(st.integers(0, 3), min_size=1, max_size=9)


@given(cuts, cuts, st.permutations(range(60)), st.booleans())
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_split_of_log_and_outcomes_gives_the_same_document(
    model: Model,
    version: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    cut: list[int],
    other: list[int],
    order: list[int],
    in_steps: bool,
) -> None:
    monkeypatch.setattr(measuring, "LABELLED", 10)
    monkeypatch.setattr(measuring, "RARER", 3)
    story = [records(model, 30, NOW - days * DAY, seed=days) for days in (3, 9)]
    made = [record for some, _ in story for record in some]
    told = [
        outcome(record, left, NOW - days * DAY)
        for days, (some, lefts) in zip((2, 8), story, strict=True)
        for record, left in zip(some, lefts, strict=True)
    ]
    whole, split = World(model, version), World(model, version)
    whole.predict(made)
    whole.tell(told)
    wanted = whole.run().document
    assert any(week["measured"] for week in wanted["weeks"])
    mixed = [made[place] for place in order]
    if in_steps:  # an index is there, and grows
        split.predict(mixed[:20], cut)
        split.run(NOW - timedelta(hours=1))
    split.predict([*mixed, mixed[0]], cut)
    split.tell([told[place] for place in order], other)
    assert split.run().document == wanted
