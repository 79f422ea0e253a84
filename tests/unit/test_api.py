"""The API's routes, without Lambda and without AWS."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil, floor, inf, nextafter
from threading import Event
from typing import Any

import httpx2 as httpx
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

    yield TestClient(create_app(champion, ship), raise_server_exceptions=False)
    for name in ("api", "docs", "problems", "running"):
        sys.modules.pop(name, None)


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
    whole, head = api.get(path), api.head(path)
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
    assert set(described["paths"]) == {"/predict", "/predict/batch", "/model", "/health", "/ready"}


def test_the_example_of_every_body_is_answered_and_all_of_it_is_used(api: TestClient) -> None:
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    (customer,) = schemas["Customer"]["examples"]
    one = api.post("/predict", json=customer)
    assert (one.status_code, one.json()["ignored_fields"]) == (200, [])
    batch = api.post("/predict/batch", json=[customer])
    assert (batch.status_code, len(batch.json()["predictions"])) == (200, 1)


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
        case "integer" if low is None:  # a key, of which every digit counts
            return st.integers(-(2**63), 2**64 - 1)
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
        return [[], {}, True, 0.5, "x" * (value["maxLength"] + 1)]
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
    deadline=None,
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
        transport = httpx.ASGITransport(create_app(champion, ship, run_in_threadpool))
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
