"""What the loop must not fall for, and what must hold: files, schemas, people and accidents."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from evergreen.customers.schema import Schema
from evergreen.errors import InputError
from evergreen.jobs.answering.champion import Champion
from evergreen.jobs.drift.monitoring import check
from evergreen.jobs.learning.retraining import Outcome, Retraining
from evergreen.jobs.learning.stewardship import Stewardship
from evergreen.models import artifact
from evergreen.models.artifact import CHAMPION, Artifact
from evergreen.models.model import Model
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.store import keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from tests.simulations.gate import flipped, moved, shuffled

from .conftest import NOW, another, put_history, put_schema

LATER = NOW + timedelta(days=1)


@pytest.fixture
def retraining(data: Bucket, registry: Registry, learned: Pointer) -> Retraining:
    """A retraining after its first model, which has learned from 1,000 customers."""
    return Retraining(data, registry, cooldown=timedelta(hours=6), patience=timedelta())


@pytest.fixture
def steward(registry: Registry) -> Stewardship:
    return Stewardship(registry)


def roc_auc(registry: Registry, schema: Schema, **market: float) -> float:
    """How well the champion ranks 3,000 customers whom nobody has seen."""
    frame = customers(3_000, seed=99, **market)
    model = registry.champion(Model.load)
    matrix = model.schema.encode({n: frame[n].tolist() for n in frame}, len(frame)).matrix
    return float(roc_auc_score(frame["churned"] == "yes", model.probabilities(matrix)))


def etag(data: Bucket, name: str) -> str:
    (entry,) = data.list(f"{keys.TRAINING}{name}.csv")
    return entry.etag


@pytest.mark.parametrize("trigger", ["upload", "drift", "manual"])
def test_a_file_with_its_outcomes_swapped_is_set_aside_by_name_and_nothing_changes(
    retraining: Retraining, data: Bucket, schema: Schema, learned: Pointer, trigger: Any
) -> None:
    before = roc_auc(retraining.registry, schema)
    put_history(data, "swapped", flipped(1_500, 9, 1.0))
    outcome = retraining.run(trigger, LATER)
    assert outcome.status == "set_aside"
    reason = outcome.set_aside["training/swapped.csv"]
    assert reason.startswith("it contradicts what is known of customers: on its 1500 new")
    assert reason in outcome.reason
    assert retraining.registry.pointer() == learned
    assert roc_auc(retraining.registry, schema) == before
    again = retraining.run("upload", LATER + timedelta(days=1))
    assert (again.status, again.set_aside) == ("skipped", {})


def test_outcomes_that_slipped_to_other_rows_are_set_aside(
    retraining: Retraining, data: Bucket
) -> None:
    put_history(data, "shuffled", shuffled(1_500, 9))
    assert "nothing that is known" in retraining.run("upload", LATER).reason


def test_good_files_are_learned_from_beside_a_bad_one(
    retraining: Retraining, data: Bucket, schema: Schema
) -> None:
    put_history(data, "good", customers(2_000, seed=5))
    put_history(data, "swapped", flipped(1_500, 9, 1.0))
    outcome = retraining.run("upload", LATER)
    assert outcome.status == "promoted"
    assert outcome.set_aside.keys() == {"training/swapped.csv"}
    learned_from = retraining.registry.manifest(str(outcome.version)).sources
    assert set(learned_from) == {
        keys.TRAINING_SCHEMA,
        "training/history.csv",
        "training/good.csv",
    }
    assert roc_auc(retraining.registry, schema) > 0.82


def test_a_changed_market_is_news_and_no_contradiction(
    retraining: Retraining, data: Bucket, schema: Schema
) -> None:
    before = roc_auc(retraining.registry, schema, shift=1.0)
    put_history(data, "new", customers(1_500, seed=9, shift=1.0))
    outcome = retraining.run("upload", LATER)
    assert (outcome.status, outcome.set_aside) == ("promoted", {})
    # the old model ranks them at about 0.72, a new one at about 0.86
    assert roc_auc(retraining.registry, schema, shift=1.0) > before + 0.08


def test_that_twice_as_many_leave_of_the_same_kind_is_for_a_person_to_believe(
    retraining: Retraining, data: Bucket, steward: Stewardship, learned: Pointer
) -> None:
    put_history(data, "crisis", moved(2_000, 9, 1.4))
    outcome = retraining.run("upload", LATER)
    assert outcome.status == "waits"
    assert "either the world has changed or the new outcomes are wrong" in outcome.reason
    assert retraining.registry.pointer() == learned
    later = retraining.run("upload", LATER + timedelta(days=1))
    assert (later.status, later.version) == ("waits", outcome.version)  # told again, not trained
    steward.promote(str(outcome.version), "prices went up")
    assert retraining.registry.pointer().version == outcome.version


def test_what_was_rolled_back_stays_back_until_it_is_released(
    retraining: Retraining, data: Bucket, schema: Schema, learned: Pointer, steward: Stewardship
) -> None:
    registry = retraining.registry
    put_history(data, "pilot", customers(1_500, seed=9, shift=1.0))
    assert retraining.run("drift", LATER).status == "promoted"
    move = steward.roll_back("it was a pilot")
    assert (move.version, move.kind, move.reason) == (
        learned.version,
        "rollback",
        "it was a pilot",
    )
    (entry,) = steward.set_aside.entries()
    assert (entry.key, entry.etag) == ("training/pilot.csv", etag(data, "pilot"))
    assert "it was a pilot" in entry.reason

    for days, trigger in enumerate(("upload", "drift", "upload", "manual"), start=2):
        retraining.run(trigger, NOW + timedelta(days=days))  # type: ignore[arg-type]
        assert registry.pointer().version == learned.version
    put_history(data, "later", customers(1_100, seed=5))
    put_history(data, "pilot-again", customers(1_500, seed=9, shift=1.0))  # by another name
    outcome = retraining.run("upload", NOW + timedelta(days=9))
    assert "training/later.csv" in registry.manifest(str(outcome.version)).sources
    assert not {"training/pilot.csv", "training/pilot-again.csv"} & set(
        registry.manifest(str(outcome.version)).sources
    )

    steward.release("training/pilot.csv", "it was not")
    released = retraining.run("manual", NOW + timedelta(days=10))
    assert "training/pilot.csv" in registry.manifest(str(released.version)).sources


def test_a_pointer_that_was_moved_back_by_hand_is_a_rollback_too(
    retraining: Retraining, data: Bucket, learned: Pointer, steward: Stewardship
) -> None:
    registry = retraining.registry
    put_history(data, "pilot", customers(1_500, seed=9, shift=1.0))
    assert retraining.run("drift", LATER).status == "promoted"
    moved = registry.promote(learned.version, seen=registry.pointer(), reason="by hand")
    assert moved.move.kind == "rollback"
    put_history(data, "later", customers(1_100, seed=5))
    outcome = retraining.run("upload", NOW + timedelta(days=3))
    (entry,) = steward.set_aside.entries()
    assert (entry.key, entry.held) == ("training/pilot.csv", True)
    assert "by hand" in entry.reason
    sources = registry.manifest(str(outcome.version)).sources
    assert "training/later.csv" in sources
    assert "training/pilot.csv" not in sources
    steward.release("training/pilot.csv", "it was right")
    retraining.run("upload", NOW + timedelta(days=4))
    (entry,) = steward.set_aside.entries()
    assert not entry.held  # what a person released is not set aside by the same rollback


def test_a_broken_champion_is_not_replaced_by_one_that_was_rolled_back(
    retraining: Retraining, data: Bucket, learned: Pointer, steward: Stewardship
) -> None:
    registry = retraining.registry
    put_history(data, "pilot", customers(1_500, seed=9, shift=1.0))
    retraining.run("drift", LATER)
    steward.roll_back("it was a pilot")
    assert [*registry.succession(registry.pointer())] == [learned.version]


def test_a_rollback_goes_back_over_several_versions(
    registry: Registry, version: Artifact, promoted: Pointer, steward: Stewardship
) -> None:
    seen = promoted
    for name, more in (("b", {"training/b.csv": "b"}), ("c", {"training/c.csv": "c"})):
        manifest = replace(another(version, name).manifest, sources=more)
        registry.publish(manifest, version.files)
        seen = registry.promote(name, seen=seen, reason="better")
    steward.roll_back("all of it", to=promoted.version)
    assert {entry.key for entry in steward.set_aside.entries()} == {
        "training/b.csv",
        "training/c.csv",
    }
    with pytest.raises(InputError, match="serves already"):
        steward.roll_back("again", to=promoted.version)
    with pytest.raises(InputError, match="no version before"):
        steward.roll_back("again")
    with pytest.raises(InputError, match="d never served"):
        steward.roll_back("to nowhere", to="d")


@pytest.fixture
def three(registry: Registry, version: Artifact, promoted: Pointer) -> list[Pointer]:
    """Three versions that served one after the other, each of which knew one file more."""
    pointers = [promoted]
    for name in "bc":
        manifest = another(version, name).manifest
        known = {f"training/{each}.csv": each for each in "bc" if each <= name}
        registry.publish(replace(manifest, sources=known), version.files)
        pointers.append(registry.promote(name, seen=pointers[-1], reason="better"))
    return pointers


def held(steward: Stewardship) -> set[str]:
    return {entry.key for entry in steward.set_aside.entries() if entry.held}


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not noted"])
def test_a_rollback_that_is_said_again_for_the_same_reason_is_the_same_rollback(
    registry: Registry, three: list[Pointer], steward: Stewardship, noted: bool
) -> None:
    move = steward.roll_back("it was wrong")
    if not noted:
        registry.bucket.delete(move.key)
    for to in (None, "b"):
        assert steward.roll_back("it was wrong", to) == move
    assert registry.pointer().move == move
    assert next(registry.history()) == move
    assert held(steward) == {"training/c.csv"}
    steward.release("training/c.csv", "it is right")
    steward.roll_back("it was wrong")
    assert held(steward) == set()
    assert steward.roll_back("that was wrong, too").version == three[0].version


def test_a_rollback_after_another_promotion_is_a_new_one_whatever_its_reason(
    registry: Registry, three: list[Pointer], steward: Stewardship
) -> None:
    steward.roll_back("it was wrong")
    steward.promote("c", "it was right")
    assert steward.roll_back("it was wrong").previous == "c"
    assert len([*registry.history()]) == 6


def test_a_rollback_is_one_also_where_it_goes_to_what_was_taken_back_before(
    registry: Registry, three: list[Pointer], steward: Stewardship
) -> None:
    steward.roll_back("b was wrong, too", to=three[0].version)
    steward.promote("c", "it was right")
    steward.roll_back("it was wrong after all", to="b")
    assert registry.pointer().move.kind == "rollback"
    assert [*registry.succession(registry.pointer())] == ["b", three[0].version]


def test_a_promotion_that_is_said_again_for_the_same_reason_is_the_same_promotion(
    registry: Registry, three: list[Pointer], steward: Stewardship
) -> None:
    steward.roll_back("it was wrong")
    move = steward.promote("c", "it was right")
    registry.bucket.delete(move.key)
    steward.set_aside.add("training/c.csv", "c", "so that there is something to do", NOW)
    assert steward.promote("c", "it was right") == move
    assert next(registry.history()) == move
    assert held(steward) == set()


def test_a_rollback_sets_aside_what_it_goes_back_from_though_that_was_never_noted(
    registry: Registry, three: list[Pointer], steward: Stewardship
) -> None:
    registry.bucket.delete(three[-1].move.key)
    steward.roll_back("it was wrong")
    assert held(steward) == {"training/c.csv"}


def test_a_training_notes_the_move_that_its_mover_could_not(
    retraining: Retraining, learned: Pointer
) -> None:
    registry = retraining.registry
    registry.bucket.delete(learned.move.key)
    assert retraining.run("upload", LATER).status == "skipped"
    assert [*registry.history()] == [learned.move]


def test_what_is_not_set_aside_can_not_be_released(
    registry: Registry, steward: Stewardship
) -> None:
    steward.set_aside.add("training/a.csv", '"1"', "wrong", NOW)
    with pytest.raises(InputError, match=r"training/b\.csv is not set aside; training/a\.csv is"):
        steward.release("training/b.csv", "right")


def test_a_note_that_somebody_spoilt_still_holds_its_file(steward: Stewardship) -> None:
    steward.set_aside.add("training/a.csv", '"1"', "wrong", NOW)
    steward.set_aside.bucket.put(keys.set_aside('"1"'), b"nonsense")
    (entry,) = steward.set_aside.entries()
    assert (entry.etag, entry.held) == ('"1"', True)
    steward.release('"1"', "it is right")
    (entry,) = steward.set_aside.entries()
    assert not entry.held


def test_a_file_that_is_taken_away_is_news(
    retraining: Retraining, data: Bucket, learned: Pointer
) -> None:
    put_history(data, "bad", customers(1_500, seed=9, shift=1.0))
    promoted = retraining.run("drift", LATER)
    assert promoted.status == "promoted"
    data.delete(f"{keys.TRAINING}bad.csv")
    outcome = retraining.run("upload", LATER + timedelta(days=1))
    assert "nothing new" not in outcome.reason
    manifest = retraining.registry.manifest(str(outcome.version))
    assert "training/bad.csv" not in manifest.sources
    assert manifest.parent == promoted.version


def test_a_file_that_was_written_over_is_judged_by_its_new_rows(
    retraining: Retraining, data: Bucket, frame: pd.DataFrame
) -> None:
    new = customers(1_500, seed=9, shift=1.0)
    put_history(data, "history", pd.concat([frame, new]))
    outcome = retraining.run("drift", LATER)
    assert outcome.status == "promoted"
    decision = retraining.registry.manifest(str(outcome.version)).decision
    assert 240 <= decision["comparison"]["customers"] <= 360  # a fifth of the 1,500 new ones


def test_more_of_the_same_is_learned_from_when_it_is_much(
    retraining: Retraining, data: Bucket
) -> None:
    put_history(data, "few", customers(300, seed=5))
    outcome = retraining.run("upload", LATER)
    assert (outcome.status, outcome.reason[:18]) == ("skipped", "the champion holds")
    reads: list[str] = []
    original = Bucket.get

    def get(self: Bucket, key: str) -> Any:
        reads.append(key)
        return original(self, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bucket, "get", get)
        again = retraining.run("upload", LATER + timedelta(hours=1))
    assert again.reason == outcome.reason
    assert not [key for key in reads if key.startswith(keys.TRAINING)]  # looked up, not read anew
    put_history(data, "more", customers(800, seed=6))
    assert retraining.run("upload", LATER + timedelta(days=1)).version is not None


def test_a_field_that_becomes_required_waits_for_a_person_and_an_optional_one_does_not(
    retraining: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame, steward: Stewardship
) -> None:
    new = customers(1_500, seed=9, shift=1.0)
    visits = [str(n % 7) for n in range(len(new))]
    put_history(data, "history", frame.assign(visits="1"))
    put_history(data, "new", new.assign(visits=visits))
    field = {"name": "visits", "type": "integer"}
    put_schema(data, schema, field | {"constraints": {"required": True}})
    outcome = retraining.run("drift", LATER)
    assert outcome.status == "waits"
    assert "visits" in outcome.reason
    assert retraining.run("drift", LATER).version == outcome.version
    assert steward.promote(str(outcome.version), "clients are ready").version == outcome.version


def test_drift_without_labelled_history_of_it_asks_for_some(
    retraining: Retraining, learned: Pointer
) -> None:
    outcome = retraining.run("drift", LATER)
    assert outcome.status == "labels_wanted"
    assert "labelled history of them is wanted" in outcome.reason
    assert retraining.run("upload", LATER).status == "skipped"


def test_drift_goes_on_asking_where_too_few_came_since_a_challenger_was_kept(
    retraining: Retraining, data: Bucket, steward: Stewardship
) -> None:
    put_history(data, "few", flipped(300, 9, 1.0))
    assert retraining.run("drift", LATER).status == "set_aside"
    steward.release("training/few.csv", "so that something is kept")
    assert retraining.run("drift", LATER).status == "kept"
    assert retraining.run("drift", LATER + timedelta(days=1)).status == "labels_wanted"
    put_history(data, "fewer", customers(50, seed=6))
    for days in (2, 3):  # looked at, and then looked up
        outcome = retraining.run("drift", LATER + timedelta(days=days))
        assert outcome.status == "labels_wanted"
        assert outcome.reason == (
            "a challenger of 300 new customers was kept; the next waits for 1000 more"
        )


def test_what_was_learned_is_no_drift(
    retraining: Retraining, data: Bucket, logs: Bucket, registry: Registry
) -> None:
    """The new regime, a third or a half of all history, is the reference after its promotion."""
    import orjson

    from evergreen.jobs.answering.prediction import predict, records
    from local.demo.source import to_json

    def log(rows: int, seed: int, at: Any) -> None:
        model = registry.champion(Model.load)
        given = to_json(customers(rows, seed=seed, shift=1.0), model.schema)
        lines = [
            r | {"predicted_at": at.isoformat()}
            for r in records(model.schema, predict(model, given), given)
        ]
        logs.put(f"{keys.inference_hour(at)}{seed}", b"\n".join(map(orjson.dumps, lines)))

    def verdict(at: Any) -> str:
        day = timedelta(days=1)
        return check(registry, logs, Thresholds(), day, 14 * day, at).report.verdict

    at = NOW + timedelta(hours=1)
    log(1_000, 60, at)
    assert verdict(at) == "drift"
    put_history(data, "new", customers(1_000, seed=9, shift=1.0))
    assert retraining.run("drift", at).status == "promoted"
    log(1_000, 61, at)
    assert verdict(at) == "no_drift"


def test_two_trainings_within_a_second_are_two_versions(
    retraining: Retraining, learned: Pointer
) -> None:
    first = retraining.run("manual", LATER)
    second = retraining.run("manual", LATER + timedelta(milliseconds=1))
    assert "another training is running" not in second.reason
    assert len({first.version, second.version, learned.version}) == 3


def test_a_training_by_hand_on_the_same_data_is_no_better(
    retraining: Retraining, learned: Pointer
) -> None:
    outcome = retraining.run("manual", LATER)
    assert outcome.status == "kept"
    assert "learned from nothing newer" in outcome.reason


def test_a_challenger_lost_to_a_moved_pointer_is_made_again(
    retraining: Retraining, data: Bucket, version: Artifact, learned: Pointer
) -> None:
    class Meddled(Registry):
        def publish(self, manifest: Any, files: Any) -> None:
            super().publish(manifest, files)
            self.promote(learned.version, seen=self.pointer(), reason="by hand")

    put_history(data, "new", customers(1_500, seed=9, shift=1.0))
    meddled = Meddled(retraining.registry.bucket, retraining.registry.clock)
    lost = replace(retraining, registry=meddled).run("drift", LATER)
    assert (lost.status, "not promoted" in lost.reason) == ("kept", True)
    # the champion is the same version, so the challenger was judged against it and is promoted
    assert retraining.run("upload", LATER + timedelta(days=1)).status == "promoted"


@pytest.mark.parametrize("file", artifact.CHAMPION)
def test_predictor_drift_check_and_gate_take_the_same_version_for_the_champion(
    registry: Registry, version: Artifact, promoted: Pointer, logs: Bucket, file: str
) -> None:
    registry.publish(another(version, "b").manifest, version.files)
    registry.promote("b", seen=promoted, reason="better")
    registry.bucket.put(keys.model_file("b", file), b"nonsense")
    served = Champion(registry, timedelta(seconds=60), lambda: 0.0).model().version
    day = timedelta(days=1)
    checked = check(registry, logs, Thresholds(), day, day, NOW).model_version
    compared = registry.champion(Reference.load).version
    assert served == checked == compared == promoted.version


def test_one_in_a_thousand_leaves_and_it_trains_all_the_same(
    data: Bucket, registry: Registry, schema: Schema
) -> None:
    frame = customers(30_000, seed=3)
    stays = np.random.default_rng(0).permutation(len(frame))[60:]
    frame["churned"] = "yes"
    frame.loc[stays, "churned"] = "no"
    put_schema(data, schema)
    put_history(data, "rare", frame.head(20_000))
    retraining = Retraining(data, registry, timedelta(0), patience=timedelta())
    assert retraining.run("upload", NOW).status == "promoted"
    put_history(data, "more", frame.tail(10_000))
    outcome: Outcome = retraining.run("upload", LATER)
    assert outcome.reason


def test_the_first_model_is_served_with_what_was_counted_of_its_history(
    data: Bucket, registry: Registry, schema: Schema, frame: pd.DataFrame
) -> None:
    put_schema(data, schema)
    put_history(data, "january", frame)
    put_history(data, "february", frame)  # the whole list again, as a monthly export is
    outcome = Retraining(data, registry, timedelta(0)).run("upload", NOW)
    manifest = registry.manifest(str(outcome.version))
    assert manifest.history["rows"] == 2_000
    assert manifest.history["customers"] == manifest.history["fresh"] == 1_000
    assert Model.load(registry.fetch(manifest.version, CHAMPION))
