"""The routes that are told what became of customers, and that tell how the model does."""

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from evergreen.errors import ConflictError, NoModelError, NotFoundError
from evergreen.models.model import Model
from evergreen.store import keys
from local.demo.stack import ROOT

ONE = "01890a5d-ac96-774b-bcce-b302099a8057"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@dataclass
class Log:
    """A log bucket in memory, which may be out of reach."""

    objects: dict[str, bytes] = field(default_factory=dict)
    fault: Exception | None = None

    def put_once(self, key: str, content: bytes, content_type: str) -> bool:
        assert content_type == "application/gzip"
        if self.fault:
            raise self.fault
        return self.objects.setdefault(key, content) is content

    def get(self, key: str) -> tuple[bytes, str]:
        if self.fault:
            raise self.fault
        if key not in self.objects:
            raise NotFoundError(key)
        return self.objects[key], f'"{hash(self.objects[key])}"'

    def outcomes(self) -> list[dict[str, Any]]:
        lines = [line for each in self.objects.values() for line in gzip.decompress(each).split()]
        return [orjson.loads(line) for line in lines]


@dataclass
class Champion:
    served: Model | None

    def model(self) -> Model:
        if self.served is None:
            raise NoModelError("nothing has been promoted")
        return self.served


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def champion(model: Model) -> Champion:
    return Champion(model)


@pytest.fixture
def api(champion: Champion, log: Log, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.syspath_prepend(ROOT / "functions/predict")
    from api import create_app

    app = create_app(champion, lambda records: None, lambda: log)
    yield TestClient(app, raise_server_exceptions=False)
    for path in ROOT.glob("functions/predict/*.py"):
        sys.modules.pop(path.stem, None)


def test_outcomes_are_kept_before_they_are_accepted(api: TestClient, log: Log) -> None:
    given = [
        {"prediction_id": ONE, "churned": True},
        {"key": {"customer_id": 42}, "churned": "no", "observed_at": "2026-05-30"},
    ]
    answer = api.post("/outcomes", json=given)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "contradictions": []})
    first, second = log.outcomes()
    assert (first["prediction_id"], first["churned"]) == (ONE, True)
    assert second["key"] == {"customer_id": "42"}
    assert (second["observed_at"], second["churned"]) == ("2026-05-30T00:00:00.000000+00:00", False)
    (key,) = log.objects
    assert key.startswith(f"{keys.OUTCOMES}{first['received_at'][:10].replace('-', '/')}/")


def test_the_same_outcomes_again_are_the_same_object(api: TestClient, log: Log) -> None:
    body = json.dumps([{"prediction_id": ONE, "churned": True}]).encode()
    zipped = {"Content-Encoding": "gzip"}
    answers = [
        api.post("/outcomes", content=body),
        api.post("/outcomes", content=gzip.compress(body), headers=zipped),
    ]
    kept = dict(log.objects)
    assert len(kept) == 1
    answers.append(api.post("/outcomes", content=body))
    assert [answer.status_code for answer in answers] == [202] * 3
    assert log.objects == kept
    for number in (1, 1, 2):
        api.post("/outcomes", content=body, headers={"Idempotency-Key": str(number)})
    assert len(log.objects) == 3


def test_a_key_of_another_request_is_refused(api: TestClient, log: Log) -> None:
    key = {"Idempotency-Key": "a"}
    for churned, status in ((True, 202), (False, 422)):
        body = [{"prediction_id": ONE, "churned": churned}]
        assert api.post("/outcomes", json=body, headers=key).status_code == status
    assert len(log.outcomes()) == 1


def test_contradictions_are_named_and_kept(api: TestClient, log: Log) -> None:
    given = [{"prediction_id": ONE, "churned": churned} for churned in (True, True, False)]
    answer = api.post("/outcomes", json=given).json()
    assert answer["accepted"] == 3
    assert answer["contradictions"] == [
        {"index": 2, "message": "says the opposite of outcome 0, observed at the same time"}
    ]
    assert len(log.outcomes()) == 3


def test_where_one_is_wrong_none_is_kept_and_each_is_named(api: TestClient, log: Log) -> None:
    good = {"prediction_id": ONE, "churned": True}
    answer = api.post("/outcomes", json=[good, {**good, "churn": 1}, {"churned": "?"}])
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("outcome 1 (counted from 0), field 'churn': is not")
    errors = answer.json()["errors"]
    assert [(error["index"], error["field"]) for error in errors] == [
        (1, "churn"),
        (2, "prediction_id"),
    ]
    assert not log.objects


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", "the body must be a JSON list of outcomes"),
        ("[]", "a batch holds 1 to 1,000 outcomes, not 0"),
        ("[1]", "outcome 0 (counted from 0) must be a JSON object"),
        ("[", "the body is not JSON"),
    ],
)
def test_a_body_is_a_list_of_outcomes(api: TestClient, body: str, message: str) -> None:
    answer = api.post("/outcomes", content=body)
    assert answer.status_code == 400
    assert message in answer.json()["detail"]


def test_a_thousand_are_taken_and_no_more(api: TestClient, log: Log) -> None:
    given = [{"key": {"customer_id": number}, "churned": False} for number in range(1_001)]
    assert api.post("/outcomes", json=given).status_code == 400
    assert api.post("/outcomes", json=given[1:]).json()["accepted"] == 1_000
    assert len(log.outcomes()) == 1_000


@pytest.mark.parametrize(
    "fault",
    [
        EndpointConnectionError(endpoint_url="https://s3"),
        ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"),
        ConflictError("somebody writes it just now"),
    ],
)
def test_what_is_not_kept_is_not_accepted_and_is_to_be_sent_again(
    api: TestClient, log: Log, fault: Exception
) -> None:
    body = [{"prediction_id": ONE, "churned": True}]
    log.fault = fault
    answer = api.post("/outcomes", json=body, headers={"Idempotency-Key": "a"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "send them again" in answer.json()["detail"]
    log.fault = None
    answer = api.post("/outcomes", json=body, headers={"Idempotency-Key": "a"})
    assert answer.status_code == 202
    assert len(log.outcomes()) == 1


def test_before_there_is_a_model_there_is_nothing_to_tell_of(
    api: TestClient, champion: Champion, log: Log
) -> None:
    champion.served = None
    answer = api.post("/outcomes", json=[{"prediction_id": ONE, "churned": True}])
    assert answer.status_code == 503
    assert not log.objects


@pytest.mark.parametrize("kind", ["OutcomeOfPrediction", "OutcomeOfCustomer"])
def test_the_examples_of_outcomes_are_taken(api: TestClient, kind: str) -> None:
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    answer = api.post("/outcomes", json=schemas[kind]["examples"])
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    for example in schemas["Outcomes"]["examples"]:
        assert api.post("/outcomes", json=example).status_code == 202


def test_performance_is_told_as_it_was_measured(api: TestClient, log: Log) -> None:
    answer = api.get("/performance")
    assert answer.status_code == 404
    assert "with the next measurement after the first outcomes" in answer.json()["detail"]
    log.objects[keys.PERFORMANCE] = b'{"performance_version":1,"more":[]}'
    answer = api.get("/performance")
    assert (answer.status_code, answer.content) == (200, log.objects[keys.PERFORMANCE])
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        (BROWSER, "text/html; charset=utf-8"),
        ("text/html;q=0.4, application/json;q=0.5", "application/json"),
        ("application/json;q=0.4, text/*;q=0.5", "text/html; charset=utf-8"),
    ],
)
def test_a_drift_report_is_for_programs_or_for_people(
    api: TestClient, log: Log, accept: str | None, kind: str
) -> None:
    log.objects = {keys.DRIFT_LATEST: b'{"report_version":1}', keys.DRIFT_LATEST_PAGE: b"<p>"}
    answer = api.get("/drift", headers={"Accept": accept or ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.headers["Vary"] == "Accept"
    page = kind != "application/json"
    assert answer.content == log.objects[keys.DRIFT_LATEST_PAGE if page else keys.DRIFT_LATEST]
    assert ("Content-Security-Policy" in answer.headers) == page


def test_a_type_that_a_report_is_not_given_as_is_not_acceptable(api: TestClient, log: Log) -> None:
    log.objects[keys.DRIFT_LATEST] = b"{}"
    answer = api.get("/drift", headers={"Accept": "text/csv, application/json;q=0"})
    assert answer.status_code == 406
    assert answer.json()["detail"].endswith("a report is application/json or text/html")


def test_before_the_first_check_there_is_no_report(api: TestClient) -> None:
    answer = api.get("/drift")
    assert answer.status_code == 404
    assert "with the next check" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/performance", "/drift"])
def test_who_has_a_document_is_not_given_it_again(api: TestClient, log: Log, path: str) -> None:
    log.objects = {keys.PERFORMANCE: b"{}", keys.DRIFT_LATEST: b"{}"}
    etag = api.get(path).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = api.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_log_out_of_reach_is_no_lack_of_documents(api: TestClient, log: Log) -> None:
    log.fault = ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
    for path in ("/performance", "/drift"):
        assert api.get(path).status_code == 503


RANGES = {"application/json": 3, "text/html": 3, "application/*": 2, "text/*": 2, "*/*": 1}
ranges = st.dictionaries(
    st.sampled_from([*RANGES, "image/png"]), st.integers(0, 10), min_size=1, max_size=5
)


@given(ranges, st.randoms())
def test_the_closest_range_says_how_welcome_a_type_is(liked: dict[str, int], chance: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "functions/predict")
        from watching import preferred
    kinds = ("application/json", "text/html")

    def weight(kind: str) -> int:
        fitting = [r for r in liked if r in (kind, "*/*", f"{kind.split('/')[0]}/*")]
        closest = max(fitting, key=lambda r: RANGES[r], default=None)
        return liked[closest] if closest else 0

    parts = [f"{name}; q={tenths / 10}" for name, tenths in liked.items()]
    chance.shuffle(parts)
    best = max(kinds, key=weight)
    assert preferred([",".join(parts)], kinds) == (best if weight(best) else None)
    assert preferred(parts, kinds) == (best if weight(best) else None)
