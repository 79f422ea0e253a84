"""The API from a gateway's event to its answer, and from the answer to the inference log."""

import base64
import gzip
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
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

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


Made = Callable[..., dict[str, Any]]


def rest(method: str, path: str, at: str = "", **members: Any) -> dict[str, Any]:
    """A request through a REST API, at a base path of its domain."""
    made = event("api-predict") | {"httpMethod": method, "path": at + path, "resource": path}
    context = made["requestContext"] | {"path": at + path, "httpMethod": method}
    return made | {"requestContext": context, "body": None} | members


def proxied(method: str, path: str, at: str = "", **members: Any) -> dict[str, Any]:
    """A request through a REST API of one route, for everything."""
    given = {"resource": "/{proxy+}", "pathParameters": {"proxy": path.removeprefix("/")}}
    return rest(method, path, at) | given | members


def first_format(method: str, path: str, at: str = "", **members: Any) -> dict[str, Any]:
    """A request through an HTTP API that is to use the first format."""
    return rest(method, at + path) | {"version": "1.0", "resource": "$default"} | members


def second_format(name: str, route: str) -> Made:
    def make(method: str, path: str, at: str = "", **members: Any) -> dict[str, Any]:
        made = event(name)
        http = made["requestContext"]["http"] | {"method": method, "path": at + path}
        key = route.format(method=method, path=path)
        given = {"rawPath": at + path, "routeKey": key, "requestContext": made["requestContext"]}
        made |= given | {"pathParameters": {"proxy": path.removeprefix("/")}, "body": None}
        made["requestContext"] |= {"http": http, "routeKey": key}
        return made | members

    return make


def balanced(method: str, path: str, at: str = "", **members: Any) -> dict[str, Any]:
    """A request through a load balancer."""
    return event("alb-predict") | {"httpMethod": method, "path": at + path, "body": ""} | members


def many_valued(method: str, path: str, at: str = "", **members: Any) -> dict[str, Any]:
    """A request through a load balancer whose target group wants lists."""
    made = balanced(method, path, at)
    headers = {name: [value] for name, value in made.pop("headers").items()}
    del made["queryStringParameters"]
    return made | {"multiValueHeaders": headers, "multiValueQueryStringParameters": {}} | members


routed = second_format("http-api-predict", "{method} {path}")
greedy = second_format("http-api-predict", "ANY /{{proxy+}}")
default = second_format("http-api-predict", "$default")
by_url = second_format("function-url-predict", "$default")
GATEWAYS = {
    "REST": rest,
    "REST, proxy": proxied,
    "HTTP, first format": first_format,
    "HTTP": routed,
    "HTTP, proxy": greedy,
    "HTTP, default": default,
    "function URL": by_url,
    "ALB": balanced,
    "ALB, lists": many_valued,
}
gateways = pytest.mark.parametrize("made", GATEWAYS.values(), ids=GATEWAYS)


def headers(answer: dict[str, Any]) -> dict[str, str]:
    """The headers of an answer, in whichever form its gateway wants them."""
    lists = answer.get("multiValueHeaders") or {}
    return (answer.get("headers") or {}) | {name: values[-1] for name, values in lists.items()}


@pytest.mark.usefixtures("promoted")
@gateways
def test_any_gateway_is_answered(
    app: ModuleType, frame: pd.DataFrame, schema: Schema, made: Made
) -> None:
    customers = to_json(frame.head(2), schema)
    body = json.dumps(customers)
    answer = app.handler(made("POST", "/predict/batch", body=body), Context())
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert headers(answer)["content-type"] == "application/json"
    assert len(json.loads(answer["body"])["predictions"]) == 2
    encoded = base64.b64encode(body.encode()).decode()
    again = made("POST", "/predict/batch", body=encoded, isBase64Encoded=True)
    probabilities = [
        [prediction["churn_probability"] for prediction in json.loads(given["body"])["predictions"]]
        for given in (answer, app.handler(again, Context()))
    ]
    assert probabilities[0] == probabilities[1]
    assert app.handler(made("HEAD", "/ready"), Context())["statusCode"] == 200
    refused = app.handler(made("DELETE", "/health"), Context())
    assert (refused["statusCode"], headers(refused)["allow"]) == (405, "GET, HEAD")
    assert headers(refused)["content-type"] == "application/problem+json"
    assert (json.loads(refused["body"])["status"], refused["isBase64Encoded"]) == (405, False)


@gateways
def test_a_route_that_no_gateway_knows_is_a_problem(app: ModuleType, made: Made) -> None:
    answer = app.handler(made("GET", "/none"), Context())
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (404, False)
    assert "GET /none" in json.loads(answer["body"])["detail"]


def page_and_scripts(app: ModuleType, made: Made, at: str) -> list[tuple[int, str]]:
    paths = ("/docs", "/docs/swagger-ui.css", "/openapi.json", "/health", "/health/")
    answers = [app.handler(made("GET", path, at), Context()) for path in paths]
    return [(a["statusCode"], headers(a)["content-type"].partition(";")[0]) for a in answers]


PAGE = [
    (200, "text/html"),
    (200, "text/css"),
    *[(200, "application/json")] * 3,
]


@pytest.mark.parametrize(
    ("made", "at"),
    [
        (rest, "/churn"),
        (proxied, "/churn/v1"),
        (first_format, "/dev"),
        *[(made, at) for made in (routed, greedy) for at in ("/prod", "/churn/v1")],
        (default, "/prod"),
    ],
)
def test_a_stage_or_a_base_path_that_the_gateway_tells_needs_no_setting(
    app: ModuleType, made: Made, at: str
) -> None:
    assert page_and_scripts(app, made, at) == PAGE
    assert page_and_scripts(app, made, "") == PAGE


@pytest.mark.parametrize("base", ["churn", "/churn", "/churn/"])
@pytest.mark.parametrize(
    ("made", "before"),
    [
        *((made, "") for made in (by_url, balanced, many_valued)),
        *((default, stage) for stage in ("", "/prod")),
    ],
)
def test_another_base_path_is_set(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, made: Made, before: str, base: str
) -> None:
    monkeypatch.setenv("EVERGREEN_BASE_PATH", base)
    assert page_and_scripts(app, made, f"{before}/churn") == PAGE
    assert page_and_scripts(app, made, before) == PAGE
    for beside in ("/churning", "/other", "/churn/churn"):
        assert app.handler(made("GET", "/health", before + beside), Context())["statusCode"] == 404


@pytest.mark.parametrize("made", [by_url, balanced, many_valued])
def test_without_a_setting_nothing_is_left_out_that_the_gateway_does_not_tell(
    app: ModuleType, made: Made
) -> None:
    assert app.handler(made("GET", "/health", "/churn"), Context())["statusCode"] == 404


@pytest.mark.parametrize("route", [proxied, greedy])
def test_a_proxy_below_a_route_of_its_own_opens_nothing_else(app: ModuleType, route: Made) -> None:
    """Whoever lets everybody see /docs/{proxy+} has not opened /docs/model as /model."""
    at = {"resource": "/docs/{proxy+}", "routeKey": "GET /docs/{proxy+}"}
    assert app.handler(route("GET", "/model", "/docs") | at, Context())["statusCode"] == 404


@pytest.mark.parametrize(
    ("made", "members"),
    [
        (rest, {"queryStringParameters": {"a": "ü &"}}),
        (rest, {"multiValueQueryStringParameters": {"a": ["1", "ü &"]}}),
        (first_format, {"multiValueQueryStringParameters": {"a": ["1", "ü &"]}}),
        (routed, {"rawQueryString": "a=1&a=%C3%BC+%26"}),
        (by_url, {"rawQueryString": "a=%C3%BC%20%26"}),
        (balanced, {"queryStringParameters": {"a": "%C3%BC%20%26"}}),
        (many_valued, {"multiValueQueryStringParameters": {"a": ["1", "%C3%BC+%26"]}}),
    ],
)
def test_a_query_arrives_as_it_was_meant(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, made: Made, members: dict[str, Any]
) -> None:
    assert seen(app, monkeypatch, made("GET", "/health", **members)).query_params["a"] == "ü &"


TWICE = {"x-one": ["a", "b"], "cookie": ["c=1"], "host": ["example.com"]}


@pytest.mark.parametrize(
    ("made", "members"),
    [
        (rest, {"headers": {}, "multiValueHeaders": TWICE}),
        (first_format, {"headers": {}, "multiValueHeaders": TWICE}),
        (routed, {"headers": {"x-one": "a,b", "host": "example.com"}, "cookies": ["c=1", "d=2"]}),
        (by_url, {"headers": {"x-one": "a,b", "host": "example.com"}, "cookies": ["c=1"]}),
        (balanced, {"headers": {"x-one": "a, b", "cookie": "c=1", "host": "example.com"}}),
        (many_valued, {"multiValueHeaders": TWICE}),
    ],
)
def test_headers_that_come_twice_and_cookies_arrive(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, made: Made, members: dict[str, Any]
) -> None:
    request = seen(app, monkeypatch, made("GET", "/health", **members))
    together = ",".join(request.headers.getlist("x-one"))
    assert [value.strip() for value in together.split(",")] == ["a", "b"]
    assert request.cookies["c"] == "1"


def seen(app: ModuleType, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]) -> Request:
    """Return a request as the API is given it."""
    requests: list[Request] = []

    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        requests.append(Request(scope))
        await Response()(scope, receive, send)

    monkeypatch.setattr(app, "create_app", lambda *_: api)
    assert app.handler(given, Context())["statusCode"] == 200
    return requests[0]


@pytest.mark.parametrize("made", [balanced, many_valued])
def test_a_load_balancer_is_given_what_it_takes(app: ModuleType, made: Made) -> None:
    """It wants status, headers in the form of the request's, and at most 1 MB in all."""
    lists = made is many_valued
    for path in ("/health", "/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"):
        request = made("GET", path)
        if lists:
            request["multiValueHeaders"]["accept-encoding"] = ["gzip, br"]
        else:
            request["headers"]["accept-encoding"] = "gzip, br"
        answer = app.handler(request, Context())
        assert answer["statusCode"] == 200
        assert ("multiValueHeaders" in answer, "headers" in answer) == (lists, not lists)
        assert len(json.dumps(answer)) < 1_000_000
        zipped = headers(answer).get("content-encoding") == "gzip"
        assert answer["isBase64Encoded"] is zipped
        assert zipped is path.endswith("bundle.js")
        if zipped:
            script = gzip.decompress(base64.b64decode(answer["body"]))
            plain = app.handler(rest("GET", path), Context())
            assert plain["body"].encode() == script


def test_a_health_check_of_a_load_balancer_is_answered(app: ModuleType) -> None:
    check = balanced("GET", "/health", headers={"user-agent": "ELB-HealthChecker/2.0"})
    assert app.handler(check, Context())["statusCode"] == 200


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
