"""`evergreen status`, `performance` and `retrain`."""

import io
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from rich.console import Console

from evergreen.cli import output
from evergreen.cli.deployment import Deployment
from evergreen.models.artifact import Artifact
from evergreen.store import aws, keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from evergreen.store.set_aside import SetAside

from .commands import Predictor, Shell, ShellOn, predictor, record, shell_on
from .conftest import NOW, another

__all__ = ["predictor", "shell_on"]

WEEK: dict[str, Any] = {
    "model_version": "20260101T000000Z-0123abcd",
    "week": "2026-W48",
    "start": "2026-11-23",
    "customers": 500,
    "labelled": 200,
    "measured": {
        "customers": 200,
        "churn_rate": 0.2,
        "mean_predicted": 0.21,
        **{
            name: {"value": value, "low": value - 0.01, "high": value + 0.01}
            for name, value in (("roc_auc", 0.81), ("log_loss", 0.4), ("brier", 0.1), ("ece", 0.02))
        },
    },
    "estimated": {"customers": 300, "roc_auc": 0.8, "log_loss": 0.41, "brier": 0.1},
    "expected": {"roc_auc": 0.83, "log_loss": 0.39, "brier": 0.1},
}
MEASURED: dict[str, Any] = {
    "performance_version": 1,
    "measured_at": "2026-11-26T00:00:00+00:00",
    "horizon_days": 90,
    "outcomes": {
        "received": 1_200,
        "matched": 1_150,
        "unmatched": 50,
        "examples": [],
        "contradictions": 2,
    },
    "weeks": [WEEK, {**WEEK, "week": "2026-W47", "measured": None, "labelled": 3}],
    "campaigns": [
        {
            "upload": "may",
            "at": "2026-05-01T00:00:00+00:00",
            "contacted": 90,
            "control": 10,
            "contacted_left": 0.1,
            "control_left": 0.2,
            "effect": {"value": -0.1, "low": -0.2, "high": 0.0},
        }
    ],
    "decay": {
        "seen": True,
        "model_version": WEEK["model_version"],
        "week": "2026-W48",
        "metric": "log_loss",
        "measured": 0.4,
        "expected": 0.39,
        "reason": "log loss is 0.400, expected 0.390",
    },
}


@pytest.fixture
def shell(shell_on: ShellOn, predictor: Predictor, logs: Bucket, data: Bucket) -> Shell:
    return shell_on(
        LogBucket=logs.name,
        DataBucket=data.name,
        FailureQueueUrl=boto3.client("sqs").create_queue(QueueName="failures")["QueueUrl"],
        RetrainFunction="evergreen-retrain",
    )


def test_a_fresh_stack_has_nothing_to_tell(shell: Shell) -> None:
    assert shell.json("status") == {
        "stack": "evergreen",
        "champion": None,
        "drift": None,
        "performance": None,
        "queues": {"failures": 0, "undelivered_last_hour": 0, "undelivered_objects": 0},
        "waits": {"versions": [], "sources": [], "refused": []},
    }
    said = shell("status")
    for part in ("none: nothing has been trained yet", "no check yet", "nothing measured", "empty"):
        assert part in said


def test_status_shows_what_serves_how_it_does_and_what_waits(
    shell: Shell,
    predictor: Predictor,
    registry: Registry,
    version: Artifact,
    promoted: Pointer,
    logs: Bucket,
    data: Bucket,
) -> None:
    waiting = replace(
        another(version, "20260102T000000Z-0123abcd").manifest,
        parent=version.manifest.version,
        decision={"promoted": False, "waits": True, "reason": "the schema is another"},
    )
    registry.publish(waiting, version.files)
    SetAside(registry.bucket).add("training/c.csv", '"c"', "suspicious", NOW)
    report = {
        "checked_at": datetime.now(UTC).isoformat(),
        "verdict": "drift",
        "customers": 1_234,
        "drifted_share": 0.4,
        "columns": [{"name": "region", "drifted": True}, {"name": "contract", "drifted": False}],
        "model_version": version.manifest.version,
    }
    logs.put(keys.DRIFT_LATEST, json.dumps(report).encode())
    logs.put(keys.PERFORMANCE, json.dumps(MEASURED).encode())
    logs.put("undelivered/format/1", b"x")
    data.put("rejected/training/d.csv.reason.txt", b"it is empty")
    queue = shell.outputs["FailureQueueUrl"]
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="failed")
    predictor.keeps(record(1, datetime.now(UTC) - timedelta(seconds=1)))
    told = shell.json("status")
    assert told["champion"]["version"] == version.manifest.version
    assert told["champion"]["serves_since"] == promoted.move.moved_at
    columns = report.pop("columns")
    assert told["drift"] == {**report, "drifted": [columns[0]["name"]]}  # type: ignore[index]
    assert told["performance"] == WEEK
    assert told["queues"] == {
        "failures": 1,
        "undelivered_last_hour": 1,
        "undelivered_objects": 1,
    }
    assert told["waits"]["versions"] == [
        {"version": waiting.version, "reason": "the schema is another"}
    ]
    assert [source["key"] for source in told["waits"]["sources"]] == ["training/c.csv"]
    assert told["waits"]["refused"] == [
        {
            "key": "training/d.csv",
            "explained": f"s3://{data.name}/rejected/training/d.csv.reason.txt",
        }
    ]
    said = shell("status")
    for part in (
        f"{version.manifest.version}, trained",
        "promoted: the first model",
        "drift, 1,234 customers, just now",
        "2026-W48: roc_auc 0.810 (0.800–0.820)",  # noqa: RUF001
        "evergreen log replay --since 1h",
        f"waits: {waiting.version}",
        "the schema is another (`evergreen models promote`)",
        "suspicious (`evergreen sources release`)",
    ):
        assert part in said


def test_what_was_replayed_is_no_longer_undelivered(shell: Shell, predictor: Predictor) -> None:
    predictor.keeps(record(1, datetime.now(UTC) - timedelta(minutes=1)))
    assert shell.json("status")["queues"]["undelivered_last_hour"] == 1
    assert shell.json("log", "replay", "--since", "1h")["written"] == 1
    assert shell.json("status")["queues"]["undelivered_last_hour"] == 0


def test_performance_is_shown_week_by_week(shell: Shell, logs: Bucket) -> None:
    assert shell.json("performance") is None
    assert "evergreen outcomes put" in shell("performance")
    logs.put(keys.PERFORMANCE, json.dumps(MEASURED).encode())
    assert shell.json("performance") == MEASURED
    said = shell("performance")
    assert "0.810 (0.800–0.820)" in said  # noqa: RUF001
    assert "[0.800]" in said  # estimated
    assert "effect -0.100 (-0.200 to 0.000)" in said
    assert "1,200 received, 50 of nobody" in said
    assert "it decays: log loss is 0.400" in shell.error


def answering(monkeypatch: pytest.MonkeyPatch, kind: str, answer: object, **more: str) -> Stubber:
    """Let Lambda answer one invocation of the retraining function."""
    client = boto3.client("lambda")
    stub = Stubber(client)
    content = json.dumps(answer).encode()
    payload = StreamingBody(io.BytesIO(content), len(content))
    event = json.dumps({"detail-type": "Asked For By Hand"})
    expected = {"FunctionName": "evergreen-retrain", "Payload": event}
    if kind == "Event":
        expected["InvocationType"] = kind
    stub.add_response("invoke", {"StatusCode": 200, "Payload": payload, **more}, expected)
    monkeypatch.setattr(aws, "client", lambda service, config=None: client)
    return stub


OUTCOME: Mapping[str, Any] = {
    "status": "waits",
    "reason": "the schema is another",
    "version": "20260102T000000Z-0123abcd",
    "set_aside": {"training/c.csv": "suspicious"},
    "refused": {},
}


def test_a_training_is_asked_for(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, "Event", None):
        assert shell.json("retrain") == {"status": "asked"}


def test_a_training_is_waited_for_and_its_outcome_is_shown(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(monkeypatch, "RequestResponse", OUTCOME):
        assert shell.json("retrain", "--wait") == OUTCOME
    with answering(monkeypatch, "RequestResponse", OUTCOME):
        said = shell("retrain", "--wait")
    for part in ("waits", "the schema is another", "set aside: training/c.csv: suspicious"):
        assert part in said


def test_a_training_that_fails_ends_with_1(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = {"errorType": "BusyError", "errorMessage": "another training is running"}
    with answering(monkeypatch, "RequestResponse", failure, FunctionError="Unhandled"):
        shell("retrain", "--wait", code=1)
    assert "BusyError: another training is running" in shell.error


def test_the_settings_of_a_function_are_those_of_the_stack(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        **{f"EVERGREEN_{name}": "x" for name in ("DATA_BUCKET", "MODEL_BUCKET", "LOG_BUCKET")},
        "EVERGREEN_LOG_STREAM": "x",
        "EVERGREEN_DRIFT_ALPHA": "0.5",
    }
    client = boto3.client("lambda")
    stub = Stubber(client)
    stub.add_response(
        "get_function_configuration",
        {"Environment": {"Variables": variables}},
        {"FunctionName": "evergreen-drift"},
    )
    monkeypatch.setattr(aws, "client", lambda service: client)
    found = Deployment("evergreen", {"DriftFunction": "evergreen-drift"})
    with stub:
        assert found.settings("DriftFunction").drift_thresholds.alpha == 0.5


@pytest.mark.parametrize(
    ("terminal", "seconds", "shown"), [(True, 0.0, True), (True, 60.0, False), (False, 0.0, False)]
)
def test_what_takes_long_is_shown_where_somebody_looks(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, seconds: float, shown: bool
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(output, "complaints", Console(file=said, force_terminal=terminal))
    monkeypatch.setattr(output, "_PATIENCE", seconds)
    with output.busy("Reading") as tell:
        tell("Counting")
        time.sleep(0.3)
    assert ("Counting" in said.getvalue()) is shown
