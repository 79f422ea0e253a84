"""The API from API Gateway's event to its answer, and from the answer to the inference log."""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

import boto3
import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.models import artifact
from evergreen.models.artifact import Artifact
from evergreen.store import inference_log, keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.source import to_json
from local.demo.stack import ROOT

from .test_handlers import MODULES, Context, event

STREAM = "evergreen-inference"
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def stream(logs: Bucket) -> str:
    role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]
    boto3.client("firehose").create_delivery_stream(
        DeliveryStreamName=STREAM,
        ExtendedS3DestinationConfiguration={
            "RoleARN": role["Arn"],
            "BucketARN": f"arn:aws:s3:::{logs.name}",
            "Prefix": keys.INFERENCE,
        },
    )
    return STREAM


@pytest.fixture
def app(
    data: Bucket, models: Bucket, logs: Bucket, stream: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    for name, bucket in (("DATA", data), ("MODEL", models), ("LOG", logs)):
        monkeypatch.setenv(f"EVERGREEN_{name}_BUCKET", bucket.name)
    monkeypatch.setenv("EVERGREEN_LOG_STREAM", stream)
    monkeypatch.setenv("EVERGREEN_MODEL_REFRESH_SECONDS", "0")
    monkeypatch.syspath_prepend(ROOT / "functions/predict")
    yield import_module("app")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def ask(app: ModuleType) -> Ask:
    """Send a request through the handler."""

    def send(method: str, path: str, body: str | None = None, **members: Any) -> dict[str, Any]:
        request = {"httpMethod": method, "path": path, "resource": path, "body": body}
        answer: dict[str, Any] = app.handler(event("api-health") | request | members, Context())
        return answer

    return send


def shipped(logs: Bucket) -> list[dict[str, Any]]:
    found = inference_log.read(logs, timedelta(hours=2), datetime.now(UTC))
    return [record for records in found for record in records]


@pytest.mark.usefixtures("promoted")
def test_what_was_answered_is_what_the_drift_check_will_read(
    ask: Ask, logs: Bucket, frame: pd.DataFrame, schema: Schema
) -> None:
    given = to_json(frame.head(3), schema)
    answer = ask("POST", "/predict/batch", json.dumps(given))
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    records = shipped(logs)
    assert [record["customer"] for record in records] == given
    for name in ("prediction_id", "churn_probability", "model_version"):
        answered = [prediction[name] for prediction in json.loads(answer["body"])["predictions"]]
        assert [record[name] for record in records] == answered


@pytest.mark.usefixtures("promoted")
def test_a_request_that_is_refused_leaves_no_record(ask: Ask, logs: Bucket) -> None:
    assert ask("POST", "/predict", "{}")["statusCode"] == 422
    assert shipped(logs) == []


@pytest.mark.usefixtures("promoted")
def test_a_body_in_base64_is_read(ask: Ask, frame: pd.DataFrame, schema: Schema) -> None:
    body = base64.b64encode(json.dumps(to_json(frame.head(1), schema)[0]).encode()).decode()
    assert ask("POST", "/predict", body, isBase64Encoded=True)["statusCode"] == 200


def test_a_fault_of_ours_is_a_problem_and_once_in_the_log_without_its_words(
    app: ModuleType,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    customer = "Ms Secret"

    def fail() -> None:
        try:
            raise KeyError(customer)
        except KeyError as error:
            raise RuntimeError(f"no number: {customer}") from error

    monkeypatch.setattr(app.champion(), "model", fail)
    answer = ask("GET", "/ready")
    assert answer["statusCode"] == 500
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert json.loads(answer["body"])["title"] == "Internal Server Error"
    assert "Traceback" not in answer["body"]
    written = capsys.readouterr().out
    assert customer not in answer["body"] + written + caplog.text
    (line,) = map(json.loads, written.splitlines())
    assert (line["level"], line["message"]) == ("ERROR", "a request failed: RuntimeError")
    cause, fault = line["exception"].split("\n\n")
    assert "in fail" in cause and cause.endswith("KeyError")
    assert "in ready" in fault and fault.endswith("RuntimeError")
    assert {record.name for record in caplog.records} <= {"evergreen.api"}


@pytest.mark.usefixtures("promoted")
def test_the_page_and_its_scripts_are_text(ask: Ask) -> None:
    for path in ("/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json"):
        answer = ask("GET", path)
        assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)


def test_a_new_model_is_served_and_described_without_a_restart(
    ask: Ask, registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    assert json.loads(ask("GET", "/ready")["body"])["model_version"] == promoted.version
    document = json.loads(version.files[artifact.SCHEMA])
    document["fields"][1]["description"] = "Months on the books"
    files = {**version.files, artifact.SCHEMA: json.dumps(document).encode()}
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    registry.publish(replace(version.manifest, version="newer", files=hashes), files)
    registry.promote("newer", seen=promoted, reason="described better")
    assert json.loads(ask("GET", "/ready")["body"])["model_version"] == "newer"
    described = json.loads(ask("GET", "/openapi.json")["body"])["components"]["schemas"]
    assert described["Customer"]["properties"]["tenure_months"]["description"] == (
        "Months on the books"
    )
    moves = json.loads(ask("GET", "/model")["body"])["promotions"]
    assert [move["version"] for move in moves] == ["newer", promoted.version]


@pytest.mark.usefixtures("promoted")
def test_head_and_what_is_not_allowed_are_answered_as_without_a_gateway(ask: Ask) -> None:
    for path in ("/health", "/ready"):
        assert ask("HEAD", path)["statusCode"] == 200
    refused = ask("DELETE", "/health")
    assert (refused["statusCode"], refused["headers"]["allow"]) == (405, "GET, HEAD")
    assert json.loads(refused["body"])["status"] == 405


PINGS: list[Any] = [
    {},
    {"warmup": True},
    [],
    None,
    "ping",
    {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    {"Records": []},
    {"requestContext": {}},
    {"httpMethod": "GET", "path": "/health"},
]


@pytest.mark.parametrize("ping", PINGS, ids=str)
def test_what_is_no_request_keeps_the_model_warm(
    app: ModuleType, models: Bucket, promoted: Pointer, ask: Ask, ping: Any
) -> None:
    assert app.handler(ping, Context()) == {"status": "ok"}
    models.delete(keys.model_file(promoted.version, artifact.ONNX))
    assert ask("GET", "/ready")["statusCode"] == 200


def test_a_ping_before_the_first_model_is_harmless(app: ModuleType) -> None:
    assert app.handler({"warmup": True}, Context()) == {"status": "ok"}


def test_a_request_in_the_second_format_is_answered(app: ModuleType) -> None:
    request = {
        "version": "2.0",
        "rawPath": "/health",
        "rawQueryString": "",
        "headers": {"host": "example.com"},
        "requestContext": {"http": {"method": "GET", "path": "/health", "sourceIp": "192.0.2.1"}},
    }
    assert app.handler(request, Context())["body"] == '{"status":"ok"}'


def test_a_version_whose_bucket_is_gone_is_no_model(ask: Ask) -> None:
    answer = ask("GET", "/model")
    assert answer["statusCode"] == 503
    assert "training/schema.json" in json.loads(answer["body"])["detail"]


def test_the_snapshot_holds_the_model(
    ask: Ask, app: ModuleType, models: Bucket, promoted: Pointer
) -> None:
    app.warm()
    models.delete(keys.model_file(promoted.version, artifact.ONNX))
    assert ask("GET", "/ready")["statusCode"] == 200
