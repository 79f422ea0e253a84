"""After the demo: what became of customers, as the API, the buckets and the model know it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from evergreen.jobs.answering import ids
from evergreen.store import keys
from evergreen.store.registry import Registry
from local.demo.source import to_json
from local.demo.story import CHANGED, OUTCOMES, Story

from .conftest import Deployed, eventually

pytestmark = pytest.mark.usefixtures("told")


def performance(deployed: Deployed) -> dict[str, Any]:
    deployed.invoke("measure", {})
    answer = deployed.api("GET", "/performance")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def learned(deployed: Deployed) -> list[str]:
    return [e.key for e in deployed.bucket("data").list(f"{keys.TRAINING}outcomes-")]


def test_the_better_model_has_learned_from_outcomes_alone(deployed: Deployed) -> None:
    *_, second, first = Registry(deployed.bucket("model")).manifests()
    new = second.sources.keys() - first.sources.keys()
    assert new
    assert new <= set(learned(deployed))


def test_every_outcome_found_its_prediction(deployed: Deployed) -> None:
    document = performance(deployed)
    assert document["outcomes"]["matched"] >= CHANGED
    first = [w for w in document["weeks"] if w["measured"]][-1]
    measured, expected = first["measured"], first["expected"]
    assert measured["customers"] >= CHANGED
    assert measured["roc_auc"]["low"] < measured["roc_auc"]["value"] < measured["roc_auc"]["high"]
    # the customers had changed, and the model of the time did not know
    assert measured["log_loss"]["low"] > expected["log_loss"]


def test_a_file_of_outcomes_is_taken_whole_and_an_event_twice_is_once(deployed: Deployed) -> None:
    data, logs = deployed.bucket("data"), deployed.bucket("log")
    summary = json.loads(data.get(keys.outcomes_summary(OUTCOMES))[0])
    assert summary["accepted"] == CHANGED // 2
    before = sorted((e.key, e.etag) for e in logs.list(keys.OUTCOMES))
    bucket = {"name": data.name}
    event = {"detail": {"bucket": bucket, "object": {"key": OUTCOMES}}}
    deployed.invoke("measure", {**event, "detail-type": "Object Created", "source": "aws.s3"})
    assert sorted((e.key, e.etag) for e in logs.list(keys.OUTCOMES)) == before


def test_the_same_outcomes_again_change_nothing_and_late_ones_are_welcome(
    deployed: Deployed, told: Story
) -> None:
    customers = to_json(told.source.ordinary(20, seed=78), told.source.schema)
    answers = deployed.api("POST", "/predict/batch", customers).json()["predictions"]
    outcomes = [{"prediction_id": a["prediction_id"], "churned": False} for a in answers]
    before = performance(deployed)["outcomes"]["matched"]
    for _ in range(2):
        answer = deployed.api("POST", "/outcomes", outcomes)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 20)
    matched = eventually(lambda: performance(deployed)["outcomes"]["matched"] - before)
    assert matched == 20
    assert performance(deployed)["outcomes"]["matched"] - before == 20


def test_an_outcome_of_nobody_is_counted_and_named(deployed: Deployed) -> None:
    before = performance(deployed)["outcomes"]["unmatched"]
    (nobody,) = ids.new(1)
    answer = deployed.api("POST", "/outcomes", [{"prediction_id": nobody, "churned": True}])
    assert answer.status_code == 202
    found = eventually(
        lambda: (now := performance(deployed)["outcomes"]) and now["unmatched"] > before and now
    )
    assert found["unmatched"] == before + 1
    assert 1 <= len(found["examples"]) <= 5
    assert before or found["examples"] == [nobody]


def test_an_outcome_that_says_nothing_is_refused_by_its_place(deployed: Deployed) -> None:
    (known,) = ids.new(1)
    wrong = [{"prediction_id": known, "churned": True}, {"prediction_id": "17", "churned": "?"}]
    answer = deployed.api("POST", "/outcomes", wrong)
    assert answer.status_code == 422
    assert {error["index"] for error in answer.json()["errors"]} == {1}


def test_the_latest_drift_report_is_there_for_programs_and_for_people(deployed: Deployed) -> None:
    before = datetime.now(UTC)
    deployed.invoke("drift", {})
    report = deployed.api("GET", "/drift").json()
    assert report["report_version"] == 1
    assert datetime.fromisoformat(report["checked_at"]) >= before
    page = deployed.api("GET", "/drift", accept="text/html")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.startswith("<!doctype html>")
    assert len(page.content) < 400_000
