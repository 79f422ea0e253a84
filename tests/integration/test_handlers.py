"""The functions, with the sample events that `sam local` is given as well."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.models.artifact import Artifact
from evergreen.store import keys, lock
from evergreen.store.events import Events
from evergreen.store.machine import Machine
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from local.demo.source import to_json
from local.demo.stack import ROOT
from tests.simulations.gate import flipped, moved

from .conftest import put_history

EVENTS = ROOT / "local/events"
MODULES = {path.stem for path in ROOT.glob("functions/*/*.py")}


class Context:
    function_name = "f"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000

    memory_limit_in_mb = 128
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    aws_request_id = "1"


def event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_bytes())
    return found


@pytest.fixture
def function(
    monkeypatch: pytest.MonkeyPatch, data: Bucket, models: Bucket, logs: Bucket
) -> Iterator[Callable[[str], ModuleType]]:
    """Import a function's app as Lambda does, in the environment of its template."""
    for name, value in (("DATA", data), ("MODEL", models), ("LOG", logs)):
        monkeypatch.setenv(f"EVERGREEN_{name}_BUCKET", value.name)
    monkeypatch.setenv("EVERGREEN_LOG_STREAM", "no-such-stream")
    monkeypatch.setenv("EVERGREEN_STACK", "ours")

    def load(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(ROOT / "functions" / name)
        return import_module("app")

    yield load
    for name in MODULES:
        sys.modules.pop(name, None)


def test_every_sample_event_is_used_here() -> None:
    assert {path.stem for path in EVENTS.glob("*.json")} == {
        *("api-health", "api-predict", "http-api-predict", "function-url-predict", "alb-predict"),
        *("upload", "labelled-uploads", "labels-uploaded"),
        *("schedule", "drift-detected", "model-promoted"),
    }
    used = Path(__file__).read_text()
    assert all(f'event("{path.stem}")' in used for path in EVENTS.glob("*.json"))


@pytest.mark.usefixtures("promoted")
def test_predict_answers_whatever_gateway_asks(function: Callable[[str], ModuleType]) -> None:
    handler = function("predict").handler
    for given in (
        event("api-predict"),
        event("http-api-predict"),
        event("function-url-predict"),
        event("alb-predict"),
    ):
        answer = handler(given, Context())
        assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
        assert 0 < json.loads(answer["body"])["churn_probability"] < 1


def test_predict_answers_a_request_of_api_gateway(function: Callable[[str], ModuleType]) -> None:
    answer = function("predict").handler(event("api-health"), Context())
    assert (answer["statusCode"], answer["body"]) == (200, '{"status":"ok"}')


@pytest.mark.usefixtures("promoted")
def test_where_firehose_is_down_the_answer_is_given_and_the_record_is_in_the_log(
    function: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    request = event("api-predict")
    customer = json.loads(request["body"])
    answer = function("predict").handler(request, Context())
    assert answer["statusCode"] == 200
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    (kept,) = (orjson.loads(line["record"]) for line in told if "record" in line)
    assert kept["customer"] == customer
    assert kept["prediction_id"] == json.loads(answer["body"])["prediction_id"]
    of = request["requestContext"]["requestId"]
    assert answer["headers"]["x-request-id"] == of
    assert [line["request_id"] for line in told if "record" in line] == [of]
    (metric,) = (line for line in told if "UndeliveredRecords" in line)
    assert metric["UndeliveredRecords"] == [1.0]


@pytest.mark.usefixtures("promoted")
def test_a_request_is_measured_in_one_line(
    function: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    handler = function("predict").handler
    assert handler(event("api-predict"), Context())["statusCode"] == 200
    (first,) = metrics(capsys, "_aws")
    assert (first["Predictions"], first["ColdStarts"], first["stack"]) == ([1], [1], "ours")
    assert 0 < first["Latency"][0] < 60_000
    assert handler(event("api-predict") | {"body": "[]"}, Context())["statusCode"] == 400
    (second,) = metrics(capsys, "_aws")
    assert second["ValidationErrors"] == [1]
    assert not {"Predictions", "ColdStarts"} & second.keys()
    assert handler(event("api-health"), Context())["statusCode"] == 200
    assert metrics(capsys, "_aws") == []


def test_an_error_is_text_and_not_base64(function: Callable[[str], ModuleType]) -> None:
    request = event("api-health") | {"path": "/ready", "resource": "/ready"}
    answer = function("predict").handler(request, Context())
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (503, False)
    assert json.loads(answer["body"])["status"] == 503


def test_the_snapshot_is_warm_where_there_is_a_model_and_made_where_there_is_none(
    function: Callable[[str], ModuleType],
    registry: Registry,
    version: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EVERGREEN_MODEL_BUCKET", "no-such-bucket")
    app = function("predict")
    app.warm()  # not even a bucket
    monkeypatch.setenv("EVERGREEN_MODEL_BUCKET", registry.bucket.name)
    app.champion.cache_clear()
    app.warm()
    registry.publish(version.manifest, version.files)
    registry.promote(version.manifest.version, seen=None, reason="first")
    app.warm()
    assert app.champion().model().version == version.manifest.version


@pytest.mark.usefixtures("promoted")
def test_score_answers_an_upload(
    function: Callable[[str], ModuleType],
    data: Bucket,
    frame: pd.DataFrame,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data.put("incoming/customers.csv", frame.to_csv(index=False).encode())
    summary = function("score").handler(event("upload"), Context())
    assert summary["scored"] == len(frame)
    (metric,) = metrics(capsys, "RowsScored")
    assert (metric["RowsScored"], metric["stack"]) == ([len(frame)], "ours")


def test_an_upload_before_the_first_model_waits_and_is_woken_by_it(
    function: Callable[[str], ModuleType],
    data: Bucket,
    registry: Registry,
    version: Artifact,
    frame: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Events, "publish", lambda _, *event: published.append(event))
    score = function("score").handler
    data.put("incoming/customers.csv", frame.to_csv(index=False).encode())
    assert score(event("upload"), Context())["status"] == "waiting"
    registry.publish(version.manifest, version.files)
    registry.promote(version.manifest.version, seen=None, reason="the first model")
    score(event("model-promoted"), Context())
    assert published == [("Score Wanted", {"object": {"key": "incoming/customers.csv"}})]
    assert score({"detail": published[0][1]}, Context())["scored"] == len(frame)


def log_predictions(
    logs: Bucket, schema: Schema, version: str, frame: pd.DataFrame, at: datetime
) -> None:
    rng = np.random.default_rng(0)
    records = [
        {
            "prediction_id": str(number),
            "predicted_at": at.isoformat(),
            "model_version": version,
            "churn_probability": float(rng.random()),
            "customer": customer,
        }
        for number, customer in enumerate(to_json(frame, schema))
    ]
    content = b"\n".join(orjson.dumps(record) for record in records)
    logs.put(f"{keys.inference_hour(at)}part", content)


def metrics(capsys: pytest.CaptureFixture[str], name: str) -> list[dict[str, Any]]:
    """The metrics of a name that were published."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    return [line for line in lines if name in line]


class FakeBus:
    def __init__(self, failed: int = 0) -> None:
        self.failed, self.entries = failed, []  # type: ignore[var-annotated]

    def put_events(self, Entries: list[Any]) -> dict[str, Any]:
        self.entries += Entries
        return {"FailedEntryCount": self.failed, "Entries": [{"ErrorCode": "InternalFailure"}]}


def wired_to(app: ModuleType, bus: FakeBus) -> ModuleType:
    settings, buckets, _ = app.wiring()
    events = Events(bus, settings.stack)  # type: ignore[arg-type]
    app.wiring = lambda: (settings, buckets, events)  # type: ignore[attr-defined]
    return app


AT = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
def registry(models: Bucket) -> Registry:
    """A registry whose champion took office before the drift checks of the sample event."""
    return Registry(models, clock=lambda: AT - timedelta(days=1))


def test_drift_is_reported_announced_and_measured(
    function: Callable[[str], ModuleType],
    logs: Bucket,
    schema: Schema,
    promoted: Pointer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_predictions(logs, schema, promoted.version, customers(500, seed=3, shift=1.0), AT)
    bus = FakeBus()
    report = wired_to(function("drift"), bus).handler(event("schedule"), Context())
    assert (report["verdict"], report["customers"], report["records"]) == ("drift", 500, 500)
    stored = json.loads(logs.get("drift/2026/01/02/20260102T030405Z.json")[0])
    assert stored["columns"] == json.loads(json.dumps(report["columns"]))
    (entry,) = bus.entries
    assert (entry["Source"], entry["DetailType"]) == ("evergreen", "Drift Detected")
    detail = json.loads(entry["Detail"])
    assert detail["stack"] == "ours"
    assert "contract" in detail["drifted"]
    assert any(kind.startswith("contract = monthly: ") for kind in detail["kinds"])
    assert detail["report"]["key"] == "drift/2026/01/02/20260102T030405Z.json"
    (metric,) = metrics(capsys, "DriftedShare")
    assert (metric["service"], metric["stack"]) == ("drift", "ours")
    assert metric["DriftedShare"] == [report["drifted_share"]]
    assert metric["Customers"] == [500]
    mean = np.random.default_rng(0).random(500).mean()  # of what `log_predictions` answered
    assert metric["PredictedChurn"] == pytest.approx([mean]) == [report["predicted_churn"]]


class FakeMachine:
    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []

    def start(self, name: str, values: dict[str, Any]) -> None:
        self.started.append(values)


def test_a_log_too_large_for_one_function_is_checked_in_parts(
    function: Callable[[str], ModuleType],
    logs: Bucket,
    schema: Schema,
    promoted: Pointer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # too few in the 24 hours before the check, which is at 03:04:05
    for rows, seed, minutes in ((100, 3, 0), (90, 4, 60), (310, 5, 24 * 60 - 1)):
        at, frame = AT - timedelta(minutes=minutes), customers(rows, seed=seed, shift=1.0)
        log_predictions(logs, schema, promoted.version, frame, at)
    machine, bus = FakeMachine(), FakeBus()
    monkeypatch.setattr(Machine, "connect", lambda _: machine)
    monkeypatch.setenv("EVERGREEN_DRIFT_MACHINE", "there is one")
    monkeypatch.setenv("EVERGREEN_DRIFT_PART_MEGABYTES", "0.01")
    handler = wired_to(function("drift"), bus).handler

    def counted(job: dict[str, Any]) -> tuple[int, Any]:
        table, _ = logs.get(f"{job['job']}{job['round']}/parts.csv")
        _, *parts = table.decode().split()
        for part in parts:
            assert handler(job | {"part": part}, Context()) == {}
        return len(parts), handler(job | {"merge": True}, Context())

    assert handler(event("schedule"), Context()) == {"verdict": "counting"}
    (job,) = machine.started
    assert counted(job) == (3, {"verdict": "counting", "round": 1})
    assert bus.entries == []
    key = "drift/2026/01/02/20260102T030405Z.json"
    said = {"verdict": "drift", "round": 1, "report": f"s3://{logs.name}/{key}"}
    assert counted(job | {"round": 1}) == (1, said)
    stored = json.loads(logs.get(key)[0])
    assert (stored["verdict"], stored["customers"], stored["records"]) == ("drift", 500, 500)
    (entry,) = bus.entries
    assert json.loads(entry["Detail"])["report"]["key"] == key
    (metric,) = metrics(capsys, "DriftedShare")
    assert metric["Customers"] == [500]


def test_no_drift_is_reported_and_not_announced(
    function: Callable[[str], ModuleType], logs: Bucket, schema: Schema, promoted: Pointer
) -> None:
    log_predictions(logs, schema, "another", customers(500, seed=3), AT)
    bus = FakeBus()
    report = wired_to(function("drift"), bus).handler(event("schedule"), Context())
    assert (report["verdict"], bus.entries) == ("no_drift", [])
    # another version's answers are no evidence of how this one's are distributed
    assert report["score"] is None


def test_too_few_customers_are_reported_and_not_measured(
    function: Callable[[str], ModuleType],
    logs: Bucket,
    schema: Schema,
    promoted: Pointer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_predictions(logs, schema, promoted.version, customers(199, seed=3, shift=1.0), AT)
    bus = FakeBus()
    report = wired_to(function("drift"), bus).handler(event("schedule"), Context())
    assert (report["verdict"], report["drifted_share"], bus.entries) == ("too_few_rows", None, [])
    assert list(logs.list(keys.DRIFT))
    assert "DriftedShare" not in capsys.readouterr().out


@pytest.mark.usefixtures("promoted")
def test_a_check_that_finds_nobody_measures_the_model_all_the_same(
    function: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    report = function("drift").handler(event("schedule"), Context())
    assert (report["customers"], report["predicted_churn"]) == (0, None)
    (metric,) = metrics(capsys, "ModelAge")
    assert metric["Customers"] == [0]
    assert not {"PredictedChurn", "DriftedShare"} & metric.keys()


def test_a_bus_that_does_not_take_the_event_is_an_error_and_so_the_check_is_repeated(
    function: Callable[[str], ModuleType], logs: Bucket, schema: Schema, promoted: Pointer
) -> None:
    log_predictions(logs, schema, promoted.version, customers(500, seed=3, shift=1.0), AT)
    app = wired_to(function("drift"), FakeBus(failed=1))
    with pytest.raises(RuntimeError, match="InternalFailure"):
        app.handler(event("schedule"), Context())


def test_a_check_before_the_first_model_is_no_error(
    function: Callable[[str], ModuleType],
) -> None:
    assert function("drift").handler(event("schedule"), Context())["verdict"] == "no_model"


@pytest.mark.parametrize(
    ("sample", "trigger"),
    [
        (event("labels-uploaded"), "upload"),
        (event("drift-detected"), "drift"),
        (event("schedule"), "upload"),
        ({}, "manual"),
    ],
)
def test_retrain_knows_what_asked_for_it(
    function: Callable[[str], ModuleType],
    data: Bucket,
    registry: Registry,
    schema: Schema,
    frame: pd.DataFrame,
    sample: dict[str, Any],
    trigger: str,
) -> None:
    data.put(keys.TRAINING_SCHEMA, json.dumps(schema.document).encode())
    data.put("training/history.csv", frame.to_csv(index=False).encode())
    outcome = function("retrain").handler(sample, Context())
    assert outcome["status"] == "promoted"
    assert registry.manifest(outcome["version"]).trigger == trigger


def test_labelled_files_that_come_together_are_one_event(
    function: Callable[[str], ModuleType], data: Bucket
) -> None:
    sample = event("labelled-uploads")
    bus = FakeBus()
    app = retrain_wired_to(function("retrain"), bus)
    assert app.handler({"Records": sample["Records"] * 300}, Context()) == {"files": 300}
    assert told(bus) == {"Labels Uploaded": {"stack": "ours", "files": 300}}
    assert not list(data.list(keys.TRAINING))


def told(bus: FakeBus) -> dict[str, Any]:
    """The one event that was sent, by its kind."""
    (entry,) = bus.entries
    return {entry["DetailType"]: json.loads(entry["Detail"])}


def retrain_wired_to(app: ModuleType, bus: FakeBus) -> ModuleType:
    retraining, connected = app.wiring()
    events = Events(bus, connected.stack)  # type: ignore[arg-type]
    app.wiring = lambda: (retraining, events)  # type: ignore[attr-defined]
    return app


def test_drift_without_new_labels_asks_for_them_by_the_kinds_of_customers(
    function: Callable[[str], ModuleType],
    learned: Pointer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sample = event("drift-detected")
    bus = FakeBus()
    app = retrain_wired_to(function("retrain"), bus)
    assert app.handler(sample, Context())["status"] == "labels_wanted"
    detail = told(bus)["Labels Wanted"]
    assert detail["kinds"] == sample["detail"]["kinds"]
    assert learned.version in detail["reason"]
    (metric,) = metrics(capsys, "LabelsWanted")
    assert (metric["stack"], metric["LabelsWanted"]) == ("ours", [1.0])


def test_a_suspicious_file_is_told_by_name(
    function: Callable[[str], ModuleType],
    data: Bucket,
    learned: Pointer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put_history(data, "swapped", flipped(1_500, 9, 1.0))
    bus = FakeBus()
    app = retrain_wired_to(function("retrain"), bus)
    assert app.handler({}, Context())["status"] == "set_aside"
    assert told(bus)["Source Set Aside"]["files"].keys() == {"training/swapped.csv"}
    (metric,) = metrics(capsys, "SourcesSetAside")
    assert metric["SourcesSetAside"] == [1.0]


def test_files_that_cannot_be_learned_from_are_told_by_name(
    function: Callable[[str], ModuleType],
    data: Bucket,
    learned: Pointer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("one", "two"):
        data.put(f"training/{name}.csv", b"a,b\n1,2\n")
    bus = FakeBus()
    app = retrain_wired_to(function("retrain"), bus)
    assert app.handler({}, Context())["status"] == "refused"
    files = told(bus)["Source Refused"]["files"]
    assert files.keys() == {"training/one.csv", "training/two.csv"}
    assert files["training/one.csv"].startswith("training/one.csv: the header lacks")
    (metric,) = metrics(capsys, "SourcesRefused")
    assert metric["SourcesRefused"] == [2.0]


def test_a_retry_goes_on_though_the_run_before_it_left_the_lock(
    function: Callable[[str], ModuleType], models: Bucket, learned: Pointer
) -> None:
    now = datetime.now(UTC)
    left = lock.Note(Context.aws_request_id, now, now + timedelta(minutes=15))
    models.put(keys.RETRAIN_LOCK, left.to_bytes())
    app = retrain_wired_to(function("retrain"), FakeBus())
    assert "nothing new" in app.handler(event("schedule"), Context())["reason"]


@pytest.mark.usefixtures("in_bucket")
def test_a_promotion_that_the_bus_did_not_take_is_told_by_the_retry(
    function: Callable[[str], ModuleType], models: Bucket
) -> None:
    app = function("retrain")
    with pytest.raises(RuntimeError, match="InternalFailure"):
        retrain_wired_to(app, FakeBus(failed=1)).handler(event("schedule"), Context())
    bus = FakeBus()
    outcome = retrain_wired_to(app, bus).handler(event("schedule"), Context())
    assert told(bus)["Model Promoted"] == {"stack": "ours", "model_version": outcome["version"]}
    assert Registry(models).pointer().version == outcome["version"]


def test_a_version_that_waits_for_a_person_is_told(
    function: Callable[[str], ModuleType],
    data: Bucket,
    registry: Registry,
    learned: Pointer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put_history(data, "crisis", moved(2_000, 9, 1.4))
    bus = FakeBus()
    outcome = retrain_wired_to(function("retrain"), bus).handler({}, Context())
    assert outcome["status"] == "waits"
    assert told(bus)["Promotion Wanted"] == {
        "stack": "ours",
        "model_version": outcome["version"],
        "reason": outcome["reason"],
    }
    (metric,) = metrics(capsys, "PromotionsWanted")
    compared = registry.manifest(outcome["version"]).decision["comparison"]
    assert metric["Trainings"] == [1]
    assert metric["HeldOutLogLoss"] == [outcome["metrics"]["log_loss"]]
    assert metric["ChampionLogLoss"] == [compared["rival_log_loss"]]
    assert metric["ChallengerLogLoss"] == [compared["challenger_log_loss"]]


def test_a_training_that_ends_as_it_should_tells_nobody(
    function: Callable[[str], ModuleType], learned: Pointer
) -> None:
    bus = FakeBus()
    app = retrain_wired_to(function("retrain"), bus)
    assert app.handler(event("schedule"), Context())["status"] == "skipped"
    assert bus.entries == []
