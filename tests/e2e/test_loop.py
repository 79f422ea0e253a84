"""The deployed template, after the demo's story: what the API, the buckets and the logs hold."""

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from evergreen.models import artifact
from evergreen.store import inference_log, keys
from evergreen.store.registry import Registry
from local.demo.source import to_json
from local.demo.stack import ROOT
from local.demo.story import TRAFFIC, UPLOAD, Story

from .conftest import Deployed, eventually

pytestmark = pytest.mark.usefixtures("told")


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.fixture
def customers(told: Story) -> list[dict[str, Any]]:
    return to_json(told.source.ordinary(20, seed=77), told.source.schema)


def test_two_versions_are_complete_and_what_their_manifests_say(deployed: Deployed) -> None:
    registry = Registry(deployed.bucket("model"))
    *_, second, first = registry.manifests()
    assert (first.trigger, first.parent) == ("upload", None)
    assert (second.trigger, second.parent) == ("drift", first.version)
    for manifest in (first, second):
        registry.fetch(manifest.version, manifest.files).verify()
        assert artifact.PIPELINE in manifest.files


def test_every_move_of_the_pointer_is_in_the_history(deployed: Deployed) -> None:
    registry = Registry(deployed.bucket("model"))
    *_, second, first = registry.history()
    assert [first.previous, second.previous] == [None, first.version]
    assert [second.version, first.version] == [m.version for m in registry.manifests()][-2:]


def test_every_prediction_is_in_the_inference_log_once(deployed: Deployed) -> None:
    def logged() -> list[str]:
        objects = inference_log.read(
            deployed.bucket("log"), timedelta(hours=2), datetime.now(UTC) + timedelta(minutes=1)
        )
        return [record["prediction_id"] for records in objects for record in records]

    before = logged()
    assert len(before) >= 2 * TRAFFIC
    answer = deployed.api("POST", "/predict", _anyone(deployed)).json()
    ids = logged()
    assert len(ids) == len(before) + 1 == len(set(ids))
    assert {*ids} - {*before} == {answer["prediction_id"]}


def test_an_uploaded_file_is_answered_as_the_api_answers(
    deployed: Deployed, customers: list[dict[str, Any]]
) -> None:
    data, key = deployed.bucket("data"), f"{keys.INCOMING}as-the-api.csv"
    lines = [",".join(customers[0])]
    lines += [",".join("" if v is None else str(v) for v in c.values()) for c in customers]
    data.put(key, "\n".join(lines).encode(), "text/csv")
    summary = json.loads(eventually(lambda: _read(deployed, keys.score_summary(key))))
    scored = table(data.get(keys.scored(key))[0])
    answers = deployed.api("POST", "/predict/batch", customers).json()["predictions"]
    assert summary["scored"] == len(scored) == len(customers)
    assert [float(row["churn_probability"]) for row in scored] == [
        answer["churn_probability"] for answer in answers
    ]


def test_rejected_rows_keep_their_cells_and_say_why(deployed: Deployed, told: Story) -> None:
    rejected = table(deployed.bucket("data").get(keys.rejected(UPLOAD))[0])
    broken = told.source.schema.feature_names[0]
    assert [row["line"] for row in rejected] == ["12", "22", "32"]
    assert all(row[broken] == "?" and row["reason"].startswith(broken) for row in rejected)


def test_an_upload_announced_twice_is_scored_once(deployed: Deployed, told: Story) -> None:
    data = deployed.bucket("data")
    before = {e.key: e for e in data.list("scored/")}
    event = {"detail": {"object": {"key": UPLOAD}}}
    summary = deployed.invoke("score", event)
    assert summary["scored"] == 497
    after = {e.key: e for e in data.list("scored/")}
    assert after[keys.scored(UPLOAD)] == before[keys.scored(UPLOAD)]


def test_an_upload_that_is_no_table_is_explained(deployed: Deployed) -> None:
    key = f"{keys.INCOMING}picture.csv"
    deployed.bucket("data").put(key, b"\x89PNG\x00\xff\xfe", "text/csv")
    summary = json.loads(eventually(lambda: _read(deployed, keys.score_summary(key))))
    assert "picture" in summary["error"]
    assert b"picture" in deployed.bucket("data").get(keys.rejected(key))[0]


def test_drift_reports_are_kept(deployed: Deployed) -> None:
    logs = deployed.bucket("log")
    found = sorted(e.key for e in logs.list(f"{keys.DRIFT}20") if e.key.endswith(".json"))
    reports = [json.loads(logs.get(key)[0]) for key in found]
    verdicts = [report["verdict"] for report in reports if report["customers"]]
    assert verdicts[:2] == ["no_drift", "drift"]


def test_the_same_scheduled_check_twice_writes_one_report(deployed: Deployed) -> None:
    event = {"detail-type": "Scheduled Event", "time": "2026-01-02T03:04:05Z"}
    first = deployed.invoke("drift", event)
    assert first["verdict"] == "too_few_rows"
    assert deployed.invoke("drift", event) == first
    found = [e.key for e in deployed.bucket("log").list("drift/2026/01/02/")]
    assert sum(key.endswith(".json") for key in found) == 1
    assert len(found) <= 3  # with its page and its counts


def test_a_labelled_file_that_does_not_fit_is_refused_by_name_and_changes_nothing(
    deployed: Deployed,
) -> None:
    champion = Registry(deployed.bucket("model")).pointer().version
    key, data = f"{keys.TRAINING}broken.csv", deployed.bucket("data")
    data.put(key, b"a,b\n1,2\n", "text/csv")
    try:
        outcome = deployed.invoke("retrain", {})  # by hand, because an upload waits
    finally:
        data.delete(key)
    assert "training/broken.csv: the header lacks churned" in outcome["refused"][key]
    assert b"the header lacks churned" in data.get(keys.explained(key))[0]
    assert Registry(deployed.bucket("model")).pointer().version == champion


def test_many_labelled_files_at_once_leave_the_concurrency_to_others(
    deployed: Deployed, told: Story
) -> None:
    """Each used to start a function of its own, of which an account has ten at first."""
    data, many = deployed.bucket("data"), 40
    content = told.source.ordinary(50, seed=7).to_csv(index=False).encode()
    files = [f"{keys.TRAINING}burst/{number}.csv" for number in range(many)]
    group, began = f"/aws/lambda/{deployed.outputs.retrain_function}", int(time.time() * 1_000)
    logs, sqs = deployed.emulator.client("logs"), deployed.emulator.client("sqs")
    (queue,) = (url for url in sqs.list_queues()["QueueUrls"] if "UploadQueue" in url)

    def queued() -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))

    def lines(pattern: str) -> list[str]:
        found = logs.filter_log_events(logGroupName=group, startTime=began, limit=10_000)["events"]
        return [event["message"] for event in found if pattern in event["message"]]

    try:
        for key in files:
            data.put(key, content, "text/csv")
        eventually(lambda: lines('"message":"retraining"'))
    finally:
        for key in files:
            data.delete(key)
    eventually(lambda: not queued())
    assert len(lines("Init Duration")) <= 5


def test_a_schema_that_cannot_be_used_ends_in_the_failure_queue_and_changes_nothing(
    deployed: Deployed,
) -> None:
    champion = Registry(deployed.bucket("model")).pointer().version
    data = deployed.bucket("data")
    schema = data.get(keys.TRAINING_SCHEMA)[0]
    data.put(keys.TRAINING_SCHEMA, b"{}")
    try:
        deployed.emulator.client("lambda").invoke(
            FunctionName=deployed.outputs.retrain_function, InvocationType="Event", Payload=b"{}"
        )
        message = eventually(lambda: _failure(deployed))
    finally:
        data.put(keys.TRAINING_SCHEMA, schema)
    assert "the schema needs 'fields'" in message
    assert Registry(deployed.bucket("model")).pointer().version == champion


def test_a_broken_champion_is_refused_while_the_one_before_serves(
    deployed: Deployed, told: Story
) -> None:
    bucket = deployed.bucket("model")
    registry = Registry(bucket)
    sound = registry.pointer()
    files = registry.fetch(sound.version, artifact.CHAMPION).files
    broken = "29990101T000000Z-00000000"
    for name, content in files.items():
        bucket.put(keys.model_file(broken, name), content)
    manifest = (
        registry.manifest(sound.version).to_bytes().replace(sound.version.encode(), broken.encode())
    )
    bucket.put(keys.model_file(broken, keys.MANIFEST), manifest)
    bucket.put(keys.model_file(broken, artifact.ONNX), b"not a model")
    try:
        with deployed.serving(broken):
            answer = deployed.api("POST", "/predict", _anyone(deployed))
            assert answer.json()["model_version"] == sound.version
    finally:
        for entry in list(bucket.list(f"{keys.MODELS}{broken}/")):
            bucket.delete(entry.key)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/predict"), ("POST", "/predict/batch"), ("POST", "/outcomes")),
        *(("GET", "/model"), ("GET", "/ready"), ("GET", "/performance"), ("GET", "/drift")),
    ],
)
def test_what_answers_about_customers_wants_the_key(
    deployed: Deployed, method: str, path: str
) -> None:
    assert deployed.api(method, path, key=False).status_code == 403


@pytest.mark.parametrize("path", ["/health", "/docs", "/docs/swagger-ui.css", "/openapi.json"])
def test_health_and_documentation_are_open(deployed: Deployed, path: str) -> None:
    assert deployed.api("GET", path, key=False).status_code == 200


def test_a_customer_who_does_not_fit_is_a_problem_document(deployed: Deployed) -> None:
    customer = _anyone(deployed)
    required = next(iter(customer))
    customer[f"{required}s"] = customer.pop(required)
    answer = deployed.api("POST", "/predict", customer)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    slip, lacking = answer.json()["errors"]
    assert (slip["index"], slip["field"]) == (0, f"{required}s")
    assert f"did you mean {required!r}?" in slip["message"]
    assert (lacking["index"], lacking["field"]) == (0, required)


def test_a_field_that_the_model_does_not_know_yet_is_named_in_the_answer(
    deployed: Deployed,
) -> None:
    answer = deployed.api("POST", "/predict", _anyone(deployed) | {"nonsense": 1})
    assert answer.status_code == 200
    assert answer.json()["ignored_fields"] == ["nonsense"]


def test_the_api_is_described_with_the_fields_of_the_served_schema(
    deployed: Deployed, told: Story
) -> None:
    described = deployed.api("GET", "/openapi.json").json()["components"]["schemas"]["Customer"]
    assert set(told.source.schema.feature_names) <= described["properties"].keys()


def _anyone(deployed: Deployed) -> dict[str, Any]:
    """Make a customer out of nothing but what the API says of itself."""
    described = deployed.api("GET", "/openapi.json").json()["components"]["schemas"]["Customer"]
    customer: dict[str, Any] = {}
    for name in described["required"]:
        field = described["properties"][name]
        customer[name] = field["enum"][0] if "enum" in field else field.get("minimum", 0)
    return customer


def _read(deployed: Deployed, key: str) -> bytes | None:
    found = [e.key for e in deployed.bucket("data").list(key)]
    return deployed.bucket("data").get(key)[0] if found else None


def _failure(deployed: Deployed) -> str | None:
    sqs = deployed.emulator.client("sqs")
    url = deployed.outputs.failure_queue_url
    for message in sqs.receive_message(QueueUrl=url).get("Messages", ()):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return str(message["Body"])
    return None


@pytest.mark.parametrize("function", ["Predict", "Score", "Drift", "Measure", "Retrain"])
def test_a_function_with_its_layers_fits_into_lambda(deployed: Deployed, function: str) -> None:
    template = yaml.safe_load((ROOT / ".aws-sam/build/template.yaml").read_text())
    layers = template["Resources"][f"{function}Function"]["Properties"]["Layers"]
    folders = [f"{function}Function", *(layer["Ref"] for layer in layers)]
    files = (f for name in folders for f in (ROOT / ".aws-sam/build" / name).rglob("*"))
    assert 0 < sum(file.stat().st_size for file in files if file.is_file()) < 262_144_000
