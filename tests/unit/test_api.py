"""The API's routes, without Lambda and without AWS."""

import asyncio
import gzip
import json
import logging
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import ceil, floor, inf, nextafter
from threading import Barrier, Event
from typing import Any
from uuid import RFC_4122, UUID

import httpx2 as httpx
import jsonschema
import pandas as pd
import pytest
from botocore.exceptions import EndpointConnectionError
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.concurrency import run_in_threadpool

from evergreen.customers.schema import Schema
from evergreen.errors import CorruptModelError, NoModelError
from evergreen.models.model import Model
from evergreen.store.inference_log import Record
from evergreen.store.registry import Move
from evergreen.store.s3 import Bucket
from local.demo.source import to_json
from local.demo.stack import ROOT


class FakeChampion:
    """A champion whose answer, or failure, a test sets."""

    def __init__(self, answer: Model | Exception) -> None:
        self.answer = answer

    def model(self) -> Model:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def moves(self, count: int) -> list[Move]:
        assert count
        return [Move("20260101T000000Z-0123abcd", None, "2026-01-01T00:00:00+00:00", "first")]


def nowhere() -> Bucket:
    raise AssertionError("predictions need nothing of the log bucket")


@pytest.fixture
def champion(model: Model) -> FakeChampion:
    return FakeChampion(model)


@pytest.fixture
def shipped() -> list[Record]:
    return []


@pytest.fixture
def api(
    champion: FakeChampion, shipped: list[Record], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.syspath_prepend(ROOT / "functions/predict")
    from api import create_app

    def ship(records: Sequence[Record]) -> None:
        shipped.extend(records)

    yield TestClient(create_app(champion, ship, nowhere), raise_server_exceptions=False)
    for path in ROOT.glob("functions/predict/*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def customers(frame: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    return to_json(frame.head(20), schema)


def test_a_customer_gets_the_probability_of_the_model(
    api: TestClient, model: Model, customers: list[dict[str, Any]]
) -> None:
    answer = api.post("/predict", json=customers[0])
    expected = model.probabilities(model.schema.encode_rows(customers[:1]).matrix)[0]
    assert answer.status_code == 200
    prediction = answer.json()
    assert prediction["churn_probability"] == pytest.approx(expected, abs=1e-6)
    assert prediction["will_churn"] == (prediction["churn_probability"] >= model.threshold)
    assert prediction["threshold"] == model.threshold
    assert prediction["model_version"] == model.version
    assert prediction["risk"] in {"low", "medium", "high"}


def test_a_batch_is_answered_in_its_order_and_as_its_customers_alone(
    api: TestClient, customers: list[dict[str, Any]]
) -> None:
    batch = api.post("/predict/batch", json=customers).json()["predictions"]
    alone = [api.post("/predict", json=customer).json() for customer in customers]
    assert [p["churn_probability"] for p in batch] == [p["churn_probability"] for p in alone]
    assert len({p["prediction_id"] for p in [*batch, *alone]}) == 40


def test_every_prediction_is_shipped_as_it_was_answered(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    answers = api.post("/predict/batch", json=customers).json()["predictions"]
    assert [record["customer"] for record in shipped] == customers
    for name in ("prediction_id", "churn_probability", "model_version"):
        assert [record[name] for record in shipped] == [answer[name] for answer in answers]


def test_one_bad_row_is_named_and_nothing_is_predicted(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    customers[7]["contract"] = "eternal"
    answer = api.post("/predict/batch", json=customers)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["index"], error["field"]) == (7, "contract")
    assert error["message"].startswith("expected one of 'monthly'")
    assert answer.json()["detail"].startswith("customer 7 (counted from 0), field 'contract': ")
    assert shipped == []


def test_a_text_without_end_is_named_by_its_customer_and_its_field(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    customers[7]["contract"] += " " * 1_000
    answer = api.post("/predict/batch", json=customers)
    problem(answer, 422, "expected at most 1,000 characters")
    assert [(e["index"], e["field"]) for e in answer.json()["errors"]] == [(7, "contract")]
    assert shipped == []


def test_a_field_that_the_model_does_not_know_yet_is_named_and_logged(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    newer, labelled = customers[0] | {"newsletter": True}, customers[1] | {"churned": "no"}
    answers = api.post("/predict/batch", json=[newer, labelled, customers[2]])
    assert [p["ignored_fields"] for p in answers.json()["predictions"]] == [
        ["newsletter"],
        ["churned"],
        [],
    ]
    assert [record["customer"] for record in shipped] == [newer, *customers[1:3]]


def test_a_slip_is_a_problem_that_names_what_was_meant(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    customers[0]["satisfacton"] = customers[0].pop("satisfaction")
    answer = api.post("/predict", json=customers[0])
    problem(answer, 422, "did you mean 'satisfaction'?")
    assert [(e["index"], e["field"]) for e in answer.json()["errors"]] == [(0, "satisfacton")]
    assert shipped == []


def test_slips_are_told_where_no_field_is_known_as_well(api: TestClient) -> None:
    errors = api.post("/predict", json={"Tenure_Month": 3, "color": "red"}).json()["errors"]
    told = {e["field"]: e["message"] for e in errors}
    assert told["Tenure_Month"].endswith("did you mean 'tenure_months'?")
    assert "and none else is: they are tenure_months, " in told["color"]


def problem(answer: Any, status: int, detail: str) -> None:
    """Assert that an answer is a problem document, and nothing of our code shows in it."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document.keys() >= {"type", "title", "status", "detail"}
    assert document["status"] == status
    assert detail in document["detail"]
    assert "Traceback" not in answer.text and ".py" not in answer.text


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("/predict", "{", 400, "not JSON"),
        ("/predict", "", 400, "not JSON"),
        ("/predict", "[]", 400, "must be a JSON object"),
        ("/predict", "{}", 422, "is required"),
        ("/predict/batch", "{}", 400, "must be a JSON list"),
        ("/predict/batch", "[]", 400, "1 to 1,000 customers, not 0"),
        ("/predict/batch", json.dumps([{}] * 1001), 400, "1 to 1,000 customers, not 1,001"),
        ("/predict/batch", f'["{"x" * 6 * 1_024 * 1_024}"]', 413, "send fewer customers"),
        ("/predict/batch", "[{}, 3]", 400, "customer 1 (counted from 0) must be a JSON object"),
        ("/nowhere", "{}", 404, "/nowhere"),
        ("/health", "{}", 405, "POST /health"),
    ],
)
def test_a_request_that_cannot_be_answered_is_a_problem(
    api: TestClient, path: str, body: str, status: int, detail: str
) -> None:
    problem(api.post(path, content=body), status, detail)


@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        (NoModelError("put a labelled CSV under training/"), 503, "labelled CSV"),
        (CorruptModelError("no version can be used; refused: a"), 503, "refused: a"),
        (EndpointConnectionError(endpoint_url="s3"), 503, "can't be reached"),
        (RuntimeError("secret"), 500, "our fault"),
    ],
)
@pytest.mark.parametrize("path", ["/model", "/ready"])
def test_a_fault_is_a_problem_and_says_no_more_than_it_should(
    api: TestClient, champion: FakeChampion, fault: Exception, status: int, detail: str, path: str
) -> None:
    champion.answer = fault
    answer = api.get(path)
    problem(answer, status, detail)
    assert "secret" not in answer.text


def test_health_is_well_whatever_is_the_case(api: TestClient, champion: FakeChampion) -> None:
    champion.answer = RuntimeError()
    assert api.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/health", "GET, HEAD"),
        ("DELETE", "/docs/swagger-ui.css", "GET, HEAD"),
        ("GET", "/predict", "POST"),
        ("HEAD", "/predict/batch", "POST"),
    ],
)
def test_what_is_not_allowed_says_what_is(
    api: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/health", "/ready", "/model", "/docs", "/openapi.json"])
def test_head_is_get_without_a_body(api: TestClient, path: str) -> None:
    same = {"x-request-id": "ours"}
    whole, head = api.get(path, headers=same), api.head(path, headers=same)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == whole.headers


def test_ready_names_the_model(api: TestClient, model: Model) -> None:
    assert api.get("/ready").json() == {"status": "ready", "model_version": model.version}


def test_the_model_is_described(api: TestClient, model: Model) -> None:
    described = api.get("/model").json()
    assert described["version"] == model.version
    assert described["trained_at"] == model.manifest.created
    assert described["schema"] == model.schema.document
    assert described["warnings"] == model.manifest.warnings
    assert described["history"] == model.manifest.history
    assert described["metrics"]["held_out"]["roc_auc"] > 0.5
    assert described["promotions"][0]["version"] == model.version


def test_the_description_has_the_fields_of_the_served_model_and_follows_it(
    api: TestClient, champion: FakeChampion, model: Model
) -> None:
    described = api.get("/openapi.json").json()
    customer = described["components"]["schemas"]["Customer"]
    assert customer == model.schema.json_schema()
    champion.answer = NoModelError("none")
    later = api.get("/openapi.json").json()
    assert "properties" not in later["components"]["schemas"]["Customer"]


def test_every_reference_of_the_description_leads_somewhere(api: TestClient) -> None:
    described = api.get("/openapi.json").json()
    text = json.dumps(described)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in described["components"]["schemas"]
    predicting = {"/predict", "/predict/batch", "/model", "/health", "/ready"}
    assert set(described["paths"]) == predicting | {"/outcomes", "/performance", "/drift"}


def test_the_example_of_every_body_is_answered_and_all_of_it_is_used(api: TestClient) -> None:
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    (customer,) = schemas["Customer"]["examples"]
    one = api.post("/predict", json=customer)
    assert (one.status_code, one.json()["ignored_fields"]) == (200, [])
    batch = api.post("/predict/batch", json=[customer])
    assert (batch.status_code, len(batch.json()["predictions"])) == (200, 1)


def answers_of(described: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """Return what the page says of each status of an operation."""
    responses: dict[str, Any] = described["paths"][path][method.lower()]["responses"]
    return responses


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/health", None, 200),
        ("GET", "/ready", None, 200),
        ("GET", "/model", None, 200),
        ("POST", "/predict", "[0]", 200),
        ("POST", "/predict/batch", "all", 200),
        ("POST", "/predict", "{", 400),
        ("POST", "/predict/batch", "[]", 400),
        ("POST", "/predict", '{"plan": 1}', 422),
        ("POST", "/predict/batch", "[{}]", 422),
        ("POST", "/predict", " " * 6 * 1_024 * 1_024 + "{}", 413),
    ],
)
def test_an_answer_is_as_the_page_describes_it(
    api: TestClient,
    customers: list[dict[str, Any]],
    method: str,
    path: str,
    body: str | None,
    status: int,
) -> None:
    given = {"[0]": json.dumps(customers[0]), "all": json.dumps(customers)}
    described = api.get("/openapi.json").json()
    answer = api.request(method, path, content=given.get(body or "", body))
    assert answer.status_code == status
    said = answers_of(described, method, path)[str(status)]["content"]
    assert [*said] == [answer.headers["content-type"]]
    schema = said[answer.headers["content-type"]]["schema"]
    whole = {**schema, "components": described["components"]}
    jsonschema.Draft202012Validator(whole).validate(answer.json())
    assert schema != {}


@pytest.mark.parametrize(
    ("fault", "status"), [(NoModelError("none"), "503"), (RuntimeError(), "500")]
)
def test_a_fault_is_on_the_page(
    api: TestClient, champion: FakeChampion, fault: Exception, status: str
) -> None:
    described = api.get("/openapi.json").json()
    champion.answer = fault
    for method, path in [("POST", "/predict"), ("POST", "/predict/batch"), ("GET", "/model")]:
        answer = api.request(method, path, json=[{}] if "batch" in path else {})
        assert str(answer.status_code) == status
        assert status in answers_of(described, method, path)


def test_operations_have_short_names_that_stay(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    names = {o["operationId"]: (m, path) for path, of in paths.items() for m, o in of.items()}
    assert names == {
        "predict": ("post", "/predict"),
        "predict_batch": ("post", "/predict/batch"),
        "send_outcomes": ("post", "/outcomes"),
        "performance": ("get", "/performance"),
        "drift": ("get", "/drift"),
        "model": ("get", "/model"),
        "health": ("get", "/health"),
        "ready": ("get", "/ready"),
    }


@pytest.mark.parametrize(
    "kind", ["text/csv", "application/x-www-form-urlencoded", "application/xml", "json", ";"]
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_body_that_is_said_to_be_no_json_is_refused(
    api: TestClient, customers: list[dict[str, Any]], kind: str, path: str
) -> None:
    body = json.dumps(customers[0] if path == "/predict" else customers)
    answer = api.post(path, content=body, headers={"content-type": kind})
    problem(answer, 415, f"sent as application/json, not as {kind}")
    assert answer.headers["accept"] == "application/json"
    assert "415" in answers_of(api.get("/openapi.json").json(), "POST", path)


@pytest.mark.parametrize("kind", [None, "", "application/json", "Application/JSON ; charset=utf-8"])
def test_a_body_is_json_where_nothing_else_is_said(
    api: TestClient, customers: list[dict[str, Any]], kind: str | None
) -> None:
    headers = {} if kind is None else {"content-type": kind}
    answer = api.post("/predict", content=json.dumps(customers[0]), headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 2_000 + b"]" * 2_000 + b"}",
        b"\xef\xbb\xbf",
        b"NaN",
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_is_refused(api: TestClient, body: bytes) -> None:
    problem(api.post("/predict", content=body), 400, "not JSON")


def test_what_is_unknown_may_be_of_any_form(
    api: TestClient, customers: list[dict[str, Any]]
) -> None:
    body = json.dumps(customers[0] | {"zeta": {"a": [[1, None]]}, "": 10**40, "omega": "x" * 5_000})
    assert api.post("/predict", content=body).json()["ignored_fields"] == ["", "omega", "zeta"]


def test_of_a_name_that_is_given_twice_the_last_value_counts(
    api: TestClient, customers: list[dict[str, Any]]
) -> None:
    body = json.dumps(customers[0])
    twice = f'{{"contract": "eternal", {body[1:]}'
    answers = [api.post("/predict", content=content) for content in (body, twice)]
    first, second = (answer.json()["churn_probability"] for answer in answers)
    assert first == second


def test_a_key_that_a_program_writes_with_a_fraction_is_taken(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    answer = api.post("/predict", json=customers[0] | {"customer_id": 5.0})
    assert answer.status_code == 200
    assert shipped[0]["customer"]["customer_id"] == 5.0


def allowed(value: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Draw what the JSON Schema of a value allows."""
    if "anyOf" in value:
        return st.one_of(map(allowed, value["anyOf"]))
    if "enum" in value:
        return st.sampled_from(value["enum"])
    if isinstance(value["type"], list):
        return st.one_of(allowed(value | {"type": kind}) for kind in value["type"])
    low, high = value.get("minimum"), value.get("maximum")
    match value["type"]:
        case "null":
            return st.none()
        case "string":
            return st.text(st.characters(codec="utf-8"), max_size=value["maxLength"])
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(ceil(low), floor(high))
    return st.floats(low, high)


def just_outside(value: dict[str, Any]) -> list[Any]:
    """Name values that the JSON Schema of a value does not allow."""
    if "anyOf" in value:
        first, null = value["anyOf"]
        assert null == {"type": "null"}
        return [other for other in just_outside(first) if other is not None]
    if "enum" in value:
        return [None, [], {}, "no such level", 0.5, -1, value["enum"]]
    if isinstance(value["type"], list):
        assert value["type"] == ["string", "integer", "null"]
        low, high = value["minimum"], value["maximum"]
        return [[], {}, True, 0.5, 1e300, low - 1, high + 1, "x" * (value["maxLength"] + 1)]
    if value["type"] == "boolean":
        return [None, [], {}, "no such level", 0.5, -1]
    low, high = float(value["minimum"]), float(value["maximum"])
    beyond = [nextafter(low, -inf), nextafter(high, inf), low - 1, high * 1.01]
    fraction = [low + 0.5] if value["type"] == "integer" else []
    return [*beyond, *fraction, None, [], {}, True, "many"]


def customers_of(described: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw customers whom the JSON Schema of the page allows."""
    fields = {name: allowed(value) for name, value in described["properties"].items()}
    required = {name: fields.pop(name) for name in described["required"]}
    return st.fixed_dictionaries(required, optional=fields)


page = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # no request changes the app
)


@page
@given(st.data())
def test_what_the_page_allows_is_answered(api: TestClient, data: st.DataObject) -> None:
    described = api.get("/openapi.json").json()["components"]["schemas"]["Customer"]
    given = data.draw(st.lists(customers_of(described), min_size=1, max_size=4))
    answer = api.post("/predict/batch", json=given)
    assert answer.status_code == 200, answer.text
    for prediction in answer.json()["predictions"]:
        assert 0 <= prediction["churn_probability"] <= 1
        assert prediction["ignored_fields"] == []


@page
@given(st.data())
def test_what_the_page_does_not_allow_is_refused_by_name(
    api: TestClient, data: st.DataObject
) -> None:
    described = api.get("/openapi.json").json()["components"]["schemas"]["Customer"]
    given = data.draw(customers_of(described))
    field = data.draw(st.sampled_from(sorted(described["properties"])))
    given[field] = data.draw(st.sampled_from(just_outside(described["properties"][field])))
    answer = api.post("/predict", json=given)
    problem(answer, 422, f"field {field!r}")
    assert [(e["index"], e["field"]) for e in answer.json()["errors"]] == [(0, field)]


@page
@given(st.data())
def test_a_field_that_the_page_requires_is_required(api: TestClient, data: st.DataObject) -> None:
    described = api.get("/openapi.json").json()["components"]["schemas"]["Customer"]
    given = data.draw(customers_of(described))
    field = data.draw(st.sampled_from(described["required"]))
    del given[field]
    problem(api.post("/predict", json=given), 422, f"field {field!r}: is required")


def test_the_page_needs_nothing_from_elsewhere(api: TestClient) -> None:
    page = api.get("/docs").text
    assert "http://" not in page and "https://" not in page
    for asset in ("docs/swagger-ui-bundle.js", "docs/swagger-ui.css"):
        assert asset in page
        assert len(api.get(f"/{asset}").content) > 10_000
    problem(api.get("/docs/other.js"), 404, "/docs/other.js")


def test_the_committed_description_is_the_one_that_the_code_gives() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "local.openapi"], cwd=ROOT, capture_output=True, check=True
    )
    assert made.stdout == (ROOT / "infra/openapi.json").read_bytes(), "run make openapi"


def test_on_a_server_a_prediction_that_waits_holds_up_nobody(
    champion: FakeChampion, customers: list[dict[str, Any]], api: TestClient
) -> None:
    from api import create_app

    shipping, firehose_answers = Event(), Event()

    def ship(records: Sequence[Record]) -> None:
        shipping.set()
        assert firehose_answers.wait(10)

    async def ask() -> None:
        transport = httpx.ASGITransport(create_app(champion, ship, nowhere, run_in_threadpool))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            waiting = asyncio.create_task(client.post("/predict", json=customers[0]))
            assert await run_in_threadpool(shipping.wait, 10)
            assert (await client.get("/health")).status_code == 200
            assert (await client.get("/ready")).status_code == 200
            assert not waiting.done()
            firehose_answers.set()
            assert (await waiting).status_code == 200

    with ThreadPoolExecutor(1) as elsewhere:  # Mangum keeps a loop in this thread
        elsewhere.submit(asyncio.run, ask()).result()


def test_without_being_asked_an_answer_has_no_reasons_and_no_money(
    api: TestClient, customers: list[dict[str, Any]]
) -> None:
    for answer in (
        api.post("/predict", json=customers[0]).json(),
        *api.post("/predict/batch?explain=false", json=customers).json()["predictions"],
    ):
        assert answer.keys() == {
            *("prediction_id", "churn_probability", "will_churn", "threshold", "risk"),
            *("model_version", "ignored_fields", "key"),
        }


def test_reasons_add_up_to_the_difference_from_the_typical_customer(
    api: TestClient, customers: list[dict[str, Any]]
) -> None:
    batch = api.post("/predict/batch?explain=true", json=customers).json()["predictions"]
    one = api.post("/predict?explain=True", json=customers[0]).json()
    assert [one[part] for part in ("reasons", "other_changes", "typical_probability")] == [
        batch[0][part] for part in ("reasons", "other_changes", "typical_probability")
    ]
    for answer in batch:
        changes = [reason["change"] for reason in answer["reasons"]]
        assert 0 < len(changes) <= 5
        assert sorted(changes, key=abs, reverse=True) == changes
        difference = answer["churn_probability"] - answer["typical_probability"]
        assert sum(changes) + answer["other_changes"] == pytest.approx(difference, abs=1e-6)
        for reason in answer["reasons"]:
            assert {"feature", "value", "typical", "change", "sentence"} == reason.keys()


def stating(model: Model, **target: Any) -> Model:
    """Return the model with more in its schema's target."""
    document = json.loads(json.dumps(model.schema.document))
    document["target"] |= target
    return replace(model, schema=Schema(document))


VALUE = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}


def test_where_money_is_stated_answers_have_what_a_contact_brings(
    api: TestClient, champion: FakeChampion, model: Model, customers: list[dict[str, Any]]
) -> None:
    champion.answer = stating(model, value=VALUE)
    answers = api.post("/predict/batch", json=customers).json()["predictions"]
    for answer in answers:
        probability = answer["churn_probability"]
        assert answer["threshold"] == pytest.approx(11 / 67, abs=1e-6)
        assert answer["will_churn"] == (probability >= answer["threshold"])
        assert answer["expected_value"] == pytest.approx(67 * probability - 11, abs=0.006)
        assert round(answer["expected_value"], 2) == answer["expected_value"]
    assert len({answer["expected_value"] for answer in answers}) > 5
    alone = api.post("/predict", json=customers[3]).json()
    assert alone["expected_value"] == answers[3]["expected_value"]


def test_an_answer_has_the_key_as_it_was_given(
    api: TestClient, customers: list[dict[str, Any]]
) -> None:
    keyless = {name: v for name, v in customers[0].items() if name != "customer_id"}
    given = [customers[1], keyless, keyless | {"customer_id": 42}]
    answers = api.post("/predict/batch", json=given).json()["predictions"]
    assert [answer["key"] for answer in answers] == [
        {"customer_id": customers[1]["customer_id"]},
        {"customer_id": None},
        {"customer_id": 42},
    ]


def test_where_the_schema_has_no_key_an_answer_has_none(
    api: TestClient, champion: FakeChampion, model: Model, customers: list[dict[str, Any]]
) -> None:
    document = {k: v for k, v in model.schema.document.items() if k != "primaryKey"}
    document["fields"] = [f for f in document["fields"] if f["name"] != "customer_id"]
    champion.answer = replace(model, schema=Schema(document))
    assert "key" not in api.post("/predict", json=customers[0]).json()


def test_those_who_do_not_fit_are_skipped_and_named(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    customers[3]["contract"] = "monthyl"
    customers[5]["contract"] = "x" * 1_001
    customers[7] = {}
    answer = api.post("/predict/batch?on_invalid=skip", json=customers)
    assert answer.status_code == 200
    predictions, errors = answer.json()["predictions"], answer.json()["errors"]
    assert [i for i, p in enumerate(predictions) if p is None] == [3, 5, 7]
    assert [e["index"] for e in errors] == [3, 5, *[7] * (len(errors) - 2)]
    assert (errors[0]["field"], errors[1]["field"]) == ("contract", "contract")
    assert errors[0]["message"].endswith("did you mean 'monthly'?")
    assert "1,000 characters" in errors[1]["message"]
    good = [c for i, c in enumerate(customers) if i not in (3, 5, 7)]
    assert [record["customer"] for record in shipped] == good
    strict = api.post("/predict/batch", json=good).json()
    assert [p["churn_probability"] for p in predictions if p] == [
        p["churn_probability"] for p in strict["predictions"]
    ]
    assert "errors" not in strict
    assert api.post("/predict/batch?on_invalid=skip", json=good).json()["errors"] == []


def test_where_nobody_fits_nobody_is_answered_and_all_are_named(
    api: TestClient, shipped: list[Record]
) -> None:
    given = [{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}] * 1_000
    answer = api.post("/predict/batch?on_invalid=skip&explain=true", json=given)
    assert (answer.status_code, answer.json()["predictions"]) == (200, [None] * 1_000)
    assert [e["index"] for e in answer.json()["errors"]] == [
        i for i in range(1_000) for _ in "12345"
    ]
    assert shipped == []


@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("/predict?explain=yes", "'explain' may be false or true, not 'yes'"),
        ("/predict?explain", "'explain' may be false or true, not ''"),
        ("/predict?explian=true", "no query parameter 'explian'; did you mean 'explain'?"),
        ("/predict?on_invalid=skip", "no query parameter 'on_invalid'; there is 'explain'"),
        ("/predict/batch?on_invalid=drop", "may be refuse or skip, not 'drop'"),
        ("/predict/batch?verbose=1", "there is 'explain' and 'on_invalid'"),
        ("/predict/batch?explain=true&explain=false", "'explain' is given more than once"),
    ],
)
def test_an_option_that_there_is_not_is_named(
    api: TestClient, shipped: list[Record], address: str, detail: str
) -> None:
    problem(api.post(address, json={}), 400, detail)
    assert shipped == []


def test_a_body_may_be_compressed_and_may_begin_with_a_mark(
    api: TestClient, customers: list[dict[str, Any]]
) -> None:
    plain = json.dumps(customers[0]).encode()
    marked = b"\xef\xbb\xbf" + plain
    zipped = {"content-encoding": "gzip"}
    answers = [
        api.post("/predict", content=plain),
        api.post("/predict", content=marked),
        api.post("/predict", content=gzip.compress(plain), headers=zipped),
        api.post("/predict", content=gzip.compress(marked), headers={"content-encoding": "X-GZip"}),
        api.post("/predict", content=plain, headers=zipped),  # as a gateway unpacks it on the way
        api.post("/predict", content=plain, headers={"content-encoding": "identity"}),
    ]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["churn_probability"] for answer in answers}) == 1


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip"])
def test_a_body_that_is_compressed_in_another_way_is_refused(api: TestClient, coding: str) -> None:
    answer = api.post("/predict", content=b"{}", headers={"content-encoding": coding})
    problem(answer, 415, f"compressed by gzip, not by {coding}")
    assert answer.headers["accept-encoding"] == "gzip, identity"


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (gzip.compress(b" " * 6 * 1_024 * 1_024 + b"{}"), 413, "when it is unpacked"),
        (gzip.compress(bytes(100 * 1_024 * 1_024), 1), 413, "when it is unpacked"),
        (gzip.compress(b"{}")[:-4], 400, "is cut short"),
        (gzip.compress(b"{}") * 2, 400, "goes on behind its end"),
        (b"\x1f\x8b" + b"x" * 40, 400, "can't be unpacked"),
    ],
    ids=["large", "bomb", "cut", "twice", "broken"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(
    api: TestClient, content: bytes, status: int, detail: str
) -> None:
    tracemalloc.start()
    answer = api.post("/predict", content=content, headers={"content-encoding": "gzip"})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    problem(answer, status, detail)
    assert most < 40 * 1_024 * 1_024


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/predict", '{"a": NaN}', "field 'a': NaN is not JSON; give null"),
        ("/predict", '{"a": -Infinity}', "field 'a': -Infinity is not JSON"),
        ("/predict", '{"a": 1, "b": 1e400}', "field 'b': 1e400 is not JSON"),
        ("/predict", '{"a": {"x": [1, NaN]}}', "field 'a': NaN is not JSON"),
        (
            "/predict/batch",
            '[{"tenure": 1}, {}, 3, {"tenure": NaN}]',
            "field 'tenure' of customer 3: NaN is not JSON; give null",
        ),
        ("/predict", b'{"a": "\xff"}', "not in UTF-8, as byte 7 is 0xff"),
    ],
)
def test_what_only_looks_like_json_is_named(
    api: TestClient, path: str, body: str | bytes, detail: str
) -> None:
    problem(api.post(path, content=body), 400, detail)


def test_ids_sort_by_time(api: TestClient, customers: list[dict[str, Any]]) -> None:
    before = time.time_ns() // 1_000_000
    one = api.post("/predict", json=customers[0]).json()["prediction_id"]
    batch = api.post("/predict/batch", json=customers * 50).json()["predictions"]
    found = [UUID(one), *(UUID(p["prediction_id"]) for p in batch)]
    assert {(i.version, i.variant) for i in found} == {(7, RFC_4122)}
    assert found[1:] == sorted(found[1:])
    assert before <= found[0].int >> 80 <= time.time_ns() // 1_000_000
    assert len(set(found)) == 1_001


def test_a_request_that_is_repeated_is_one_prediction(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    for path, body in (("/predict?explain=true", customers[0]), ("/predict/batch", customers)):
        shipped.clear()
        key = {"idempotency-key": f"{path} once".replace(" ", "-")}
        first, second = (api.post(path, json=body, headers=key) for _ in range(2))
        assert first.status_code == 200
        assert first.content == second.content
        assert len(shipped) == (20 if path.endswith("batch") else 1)


def test_in_another_process_a_repetition_has_the_same_ids(
    api: TestClient,
    champion: FakeChampion,
    shipped: list[Record],
    customers: list[dict[str, Any]],
) -> None:
    from api import create_app

    other = TestClient(create_app(champion, shipped.extend, nowhere))
    key = {"idempotency-key": "k"}
    customers[3]["contract"] = "eternal"
    path = "/predict/batch?on_invalid=skip"
    answers = [a.post(path, json=customers, headers=key).json() for a in (api, other)]
    first, second = ([p and p["prediction_id"] for p in a["predictions"]] for a in answers)
    assert first == second
    assert len(shipped) == 38 and len({record["prediction_id"] for record in shipped}) == 19
    assert {UUID(name).version for name in first if name} == {8}
    assert {UUID(name).variant for name in first if name} == {RFC_4122}
    changed = other.post("/predict/batch", json=customers[:2], headers={"idempotency-key": "l"})
    assert not {p["prediction_id"] for p in changed.json()["predictions"]} & {*first}


def test_a_key_is_for_one_request_of_one_client(
    api: TestClient, shipped: list[Record], customers: list[dict[str, Any]]
) -> None:
    key = {"idempotency-key": "k"}
    assert api.post("/predict", json=customers[0], headers=key).status_code == 200
    problem(api.post("/predict", json=customers[1], headers=key), 422, "a key of its own")
    other = api.post("/predict?explain=true", json=customers[0], headers=key)
    problem(other, 422, "another request had this Idempotency-Key")
    assert len(shipped) == 1
    theirs = key | {"x-api-key": "another client"}
    assert api.post("/predict", json=customers[1], headers=theirs).status_code == 200


def test_what_was_refused_may_be_sent_again_with_its_key(
    api: TestClient, customers: list[dict[str, Any]]
) -> None:
    key = {"idempotency-key": "k"}
    assert api.post("/predict", json={}, headers=key).status_code == 422
    assert api.post("/predict", json=customers[0], headers=key).status_code == 200


@pytest.mark.parametrize("key", [b"", b"a b", b"\xff", b"k" * 256])
def test_a_key_is_visible_ascii(api: TestClient, key: bytes) -> None:
    answer = api.post("/predict", json={}, headers=[(b"idempotency-key", key)])
    problem(answer, 400, "Idempotency-Key may be 1 to 255 visible ASCII characters")


def test_only_so_many_answers_are_remembered_and_the_oldest_is_forgotten(api: TestClient) -> None:
    from asking import Asked
    from repeats import Repeats

    repeats, calls = Repeats(room=3_000), list[str]()

    def ask(key: str) -> bytes:
        def work() -> bytes:
            calls.append(key)
            return b"x" * 488  # and 512 of its own: a thousand

        return repeats.once(Asked("/predict", b"", {"explain": "false"}, key, b""), work)

    for key in ("a", "b", "c", "a", "d", "a", "b"):
        ask(key)
    assert calls == ["a", "b", "c", "d", "b"]


def test_threads_share_what_is_remembered(api: TestClient) -> None:
    from asking import Asked
    from repeats import Repeats

    repeats = Repeats(room=20_000)

    def ask(number: int) -> bool:
        key = str(number % 40)
        asked = Asked("/predict", key.encode(), {"explain": "false"}, key, b"")
        return repeats.once(asked, key.encode) == key.encode()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(4_000)))


@pytest.mark.parametrize(
    ("given", "kept"),
    [("client-1:a/b=c", True), ("", False), ("two words", False), ("x" * 129, False)],
)
def test_every_answer_has_an_id(api: TestClient, given: str, kept: bool) -> None:
    for method, path in (("GET", "/health"), ("POST", "/predict"), ("GET", "/nowhere")):
        answers = [api.request(method, path, headers={"x-request-id": given}) for _ in "12"]
        first, second = (answer.headers["x-request-id"] for answer in answers)
        assert (first == given == second) == kept
        assert kept or UUID(first) != UUID(second)


def test_lines_of_the_log_have_the_id_of_their_request_and_of_no_other(
    champion: FakeChampion, customers: list[dict[str, Any]], api: TestClient
) -> None:
    from api import create_app

    lines: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = lines.append  # type: ignore[method-assign]
    evergreen, barrier = logging.getLogger("evergreen"), Barrier(8, timeout=10)
    evergreen.addHandler(handler)

    def ship(records: Sequence[Record]) -> None:
        barrier.wait()
        logging.getLogger("evergreen.store").error("%s", records[0]["customer"]["customer_id"])

    async def ask() -> None:
        transport = httpx.ASGITransport(create_app(champion, ship, nowhere, run_in_threadpool))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            await asyncio.gather(
                *(
                    client.post(
                        "/predict",
                        json=customers[0] | {"customer_id": f"c{i}"},
                        headers={"x-request-id": f"c{i}"},
                    )
                    for i in range(8)
                )
            )

    try:
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(asyncio.run, ask()).result()
        evergreen.error("nobody's")
    finally:
        evergreen.removeHandler(handler)
    *asked, other = lines
    assert sorted(line.getMessage() for line in asked) == [f"c{i}" for i in range(8)]
    for line in asked:
        assert line.request_id == line.getMessage()  # type: ignore[attr-defined]
    assert not hasattr(other, "request_id")


@pytest.mark.usefixtures("api")
def test_every_example_of_the_page_is_answered_as_it_stands() -> None:
    """For three schemas, whose models say nothing but theirs."""
    from tests.contract.inside import EVERYTHING, inside

    shipped_schemas = [json.loads(p.read_bytes()) for p in ROOT.glob("local/schemas/*.json")]
    for document in [*shipped_schemas, EVERYTHING]:
        described, _ = inside(document, examples=1, seed=0)
        client, schemas = TestClient(described.app), described.raw_schema["components"]["schemas"]
        sent = 0
        for path, schema in (("/predict", "Customer"), ("/predict/batch", "Customers")):
            for example in schemas[schema]["examples"]:
                answer = client.post(path, json=example)
                assert answer.status_code == 200, answer.text
                defaults = {
                    p["name"]: p["schema"]["default"]
                    for p in described.raw_schema["paths"][path]["post"]["parameters"]
                    if "default" in p["schema"]
                }
                assert client.post(path, json=example, params=defaults).status_code == 200
                sent += 1
        assert sent == 2
