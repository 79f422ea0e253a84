"""What the functions publish: lines that CloudWatch takes, and every metric that there is."""

import json
import re
import time
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest

from evergreen.jobs.files.summary import Summary
from evergreen.jobs.learning.retraining import Outcome, Status
from evergreen.jobs.outcomes.measuring import Measurement
from evergreen.store.metrics import NAMESPACE, UNITS, Metrics, Service

from .test_monitoring_template import module

UNIT = re.compile(r"Count|Milliseconds|None")  # those of CloudWatch's that we have


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Read the metrics that were published, and hold each line to the format's specification."""
    found = []
    for line in map(json.loads, capsys.readouterr().out.splitlines()):
        if "_aws" not in line:
            continue
        assert isinstance(line["_aws"]["Timestamp"], int)
        assert abs(line["_aws"]["Timestamp"] / 1_000 - time.time()) < 60
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert (directive["Namespace"], directive["Dimensions"]) == (
            NAMESPACE,
            [["service", "stack"]],
        )
        assert isinstance(line["service"], str)
        assert line["stack"]
        assert 0 < len(directive["Metrics"]) <= 100
        for metric in directive["Metrics"]:
            assert UNIT.fullmatch(metric["Unit"])
            (value,) = line[metric["Name"]]
            assert type(value) in (int, float)
        named = [metric["Name"] for metric in directive["Metrics"]]
        assert line.keys() == {"_aws", "service", "stack", *named}
        found.append(line)
    return found


def names(capsys: pytest.CaptureFixture[str]) -> set[str]:
    return {name for line in lines(capsys) for name in line} - {"_aws", "service", "stack"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA_BUCKET", "MODEL_BUCKET", "LOG_BUCKET", "LOG_STREAM", "STACK"):
        monkeypatch.setenv(f"EVERGREEN_{name}", "ours")


def test_a_line_has_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    Metrics("drift", "ours").publish(ModelAge=np.float64(1.5), Customers=0, DriftedShare=None)
    (line,) = lines(capsys)
    assert (line["service"], line["stack"]) == ("drift", "ours")
    assert (line["ModelAge"], line["Customers"]) == ([1.5], [0])


def test_nothing_known_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    Metrics("drift", "ours").publish(ModelAge=None)
    assert capsys.readouterr().out == ""


def test_a_metric_that_nobody_shows_is_not_published() -> None:
    with pytest.raises(KeyError, match="Sunshine"):
        Metrics("drift", "ours").publish(Sunshine=1)


@pytest.fixture
def wiring() -> ModuleType:
    found = module("functions/predict/wiring.py")
    found.shipper = lambda: SimpleNamespace(ship=lambda _: None)  # type: ignore[attr-defined]
    return found


def test_predict_publishes_every_metric_of_its_own(
    wiring: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    wiring.ship([{}, {}])
    wiring.keep_in_function_log([b"{}"])
    wiring.measure(422, 0.0123456)
    (line,) = lines(capsys)
    told = {name: line[name] for name in UNITS["predict"]}
    assert told == {
        "Predictions": [2],
        "Latency": [12.346],
        "ColdStarts": [1],
        "ValidationErrors": [1],
        "UndeliveredRecords": [1],
    }


def test_a_request_is_measured_by_itself(
    wiring: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    wiring.measure(200, 0.01)  # of health
    assert names(capsys) == set()
    wiring.ship([{}])
    wiring.measure(200, 0.01)
    assert names(capsys) == {"ColdStarts", "Predictions", "Latency"}
    wiring.measure(400, 0.01)
    assert names(capsys) == {"ValidationErrors"}
    wiring.ship([{}])
    wiring.measure(200, 0.01)
    assert names(capsys) == {"Predictions", "Latency"}
    wiring.measure(200, 0.01)
    assert names(capsys) == set()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_refused_for_its_content_is_counted(
    wiring: ModuleType, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    wiring.measure(status, 0.01)
    assert "ValidationErrors" in names(capsys)


@pytest.mark.parametrize("status", [404, 405, 503])
def test_what_is_refused_for_something_else_is_not(
    wiring: ModuleType, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    wiring.measure(status, 0.01)
    assert "ValidationErrors" not in names(capsys)


def publish_score() -> None:
    app = module("functions/score/app.py")
    app.told(Summary("incoming/a.csv", "1", scored=3, rejected=2), "ours")


def publish_drift() -> None:
    report = SimpleNamespace(drifted_share=0.5, customers=7)
    version = "20260101T000000Z-0123abcd"
    found = SimpleNamespace(
        model_version=version, report=report, predicted_churn=0.2, window_end=datetime.now(UTC)
    )
    module("functions/drift/telling.py").measure(found, "ours")


def publish_measure() -> None:
    week = {
        "model_version": "v",
        "measured": {"roc_auc": {"value": 0.8}, "log_loss": {"value": 0.4}},
        "estimated": {"roc_auc": 0.8, "log_loss": 0.4},
    }
    document = {
        "outcomes": {"matched": 3, "unmatched": 1},
        "weeks": [week | {"model_version": "w"}, week],
        "decay": {"seen": True},
    }
    Metrics("measure", "ours").publish(**Measurement(document, {}).metrics("v"))


COMPARED = {"rival_log_loss": 0.4, "challenger_log_loss": 0.3}


def numbers(outcome: Outcome) -> dict[str, Any]:
    found = module("functions/retrain/telling.py").numbers(outcome)
    return {name: value for name, value in found.items() if value is not None}


def publish_retrain() -> None:
    files = {"training/a.csv": "a reason"}
    for status in get_args(Status):
        held_out = {"log_loss": 0.35}
        outcome = Outcome(status, "", "v", held_out, COMPARED, files, files)
        Metrics("retrain", "ours").publish(**numbers(outcome))


@pytest.mark.parametrize(
    ("service", "publish"),
    [
        ("score", publish_score),
        ("drift", publish_drift),
        ("measure", publish_measure),
        ("retrain", publish_retrain),
    ],
)
def test_a_function_publishes_every_metric_of_its_own(
    capsys: pytest.CaptureFixture[str], service: Service, publish: Any
) -> None:
    publish()
    found = lines(capsys)
    assert {line["service"] for line in found} == {service}
    assert {name for line in found for name in line} - {"_aws", "service", "stack"} == set(
        UNITS[service]
    )


def test_a_training_is_counted_with_its_losses() -> None:
    trained = Outcome("promoted", "better", "v", {"log_loss": 0.35}, COMPARED)
    assert numbers(trained) == {
        "Trainings": 1,
        "Promotions": 1,
        "HeldOutLogLoss": 0.35,
        "ChampionLogLoss": 0.4,
        "ChallengerLogLoss": 0.3,
    }


def test_the_first_model_is_compared_with_none() -> None:
    first = Outcome("promoted", "the first model", "v", {"log_loss": 0.35})
    assert numbers(first) == {"Trainings": 1, "Promotions": 1, "HeldOutLogLoss": 0.35}


def test_a_run_that_finds_nothing_to_do_measures_nothing() -> None:
    assert numbers(Outcome("skipped", "nothing new", "v")) == {}
