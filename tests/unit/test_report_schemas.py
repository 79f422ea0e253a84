"""The published schemas: what is written is described by them, and they refuse what is wrong."""

import copy
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import numpy as np
import pytest

from evergreen.jobs.drift import monitoring
from evergreen.jobs.drift.monitoring import Check
from evergreen.jobs.drift.trend import Trend
from evergreen.jobs.learning.history import History
from evergreen.models.artifact import Artifact
from evergreen.models.reference import Reference
from evergreen.reports import drift
from evergreen.settings import Thresholds
from evergreen.statistics.campaign import effect
from evergreen.statistics.estimation import estimate
from evergreen.statistics.performance import measure
from local.demo.customers import customers
from local.demo.stack import ROOT

from .pages import hostile, performance, report, stored, too_few

Document = dict[str, Any]

START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def published(name: str) -> Document:
    schema: Document = json.loads((ROOT / f"infra/{name}.schema.json").read_bytes())
    return schema


REPORT, PERFORMANCE = published("drift-report"), published("performance")


def validator(schema: Document) -> Any:
    return jsonschema.Draft202012Validator(schema)


def undescribed(schema: Document, value: object, root: Document) -> Iterator[str]:
    """Name the members of a document that its schema says nothing of."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        if value is not None:
            yield from undescribed(schema["anyOf"][0], value, root)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name not in schema["properties"]:
                yield name
            else:
                yield from undescribed(schema["properties"][name], member, root)
    elif isinstance(value, list):
        for member in value:
            yield from undescribed(schema["items"], member, root)


@pytest.fixture(scope="module")
def checks(version: Artifact) -> list[Document]:
    """Reports of three checks: of too few customers, of such as before, and of changed ones."""
    champion, trend, made = Reference.load(version), Trend(), []
    for number, (rows, shift) in enumerate([(20, 0.0), (600, 0.0), (600, 0.9), (600, 0.9)]):
        frame = customers(rows, seed=5 + number, shift=shift)
        cohort = History.of({"new": frame}).cohort(champion.schema)
        matrix = cohort.labelled.matrix
        scores = champion.probabilities(matrix)
        found = monitoring.against(champion, matrix, scores, Thresholds())
        at = START + timedelta(hours=number)
        entry = trend.entry(at, champion.version, found.report, float(scores.mean()))
        trend = trend.add(entry)
        check = Check(
            found=found,
            window_start=at - timedelta(hours=24),
            window_end=at,
            records=rows,
            sampled=1.0,
            predicted_churn=float(scores.mean()),
            entry=entry,
            previous_effects={},
            trend=trend,
        )
        made.append(stored(check.as_dict()))
    return made


@pytest.mark.parametrize("schema", [REPORT, PERFORMANCE])
def test_a_published_schema_is_one(schema: Document) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_what_a_check_writes_is_what_the_schema_says(checks: list[Document]) -> None:
    verdicts = [check["verdict"] for check in checks]
    assert verdicts == ["too_few_rows", "no_drift", "drift", "drift"]
    for check in checks:
        validator(REPORT).validate(check)
        assert list(undescribed(REPORT, check, REPORT)) == []
        assert set(check) == set(REPORT["properties"])


def test_what_is_found_of_a_file_is_what_the_schema_says(version: Artifact) -> None:
    champion = Reference.load(version)
    matrix = History.of({"new": customers(300, seed=9)}).cohort(champion.schema).labelled.matrix
    found = monitoring.against(champion, matrix, champion.probabilities(matrix), Thresholds())
    validator(REPORT).validate(stored(found.as_dict()))


def test_what_a_check_writes_becomes_a_page(checks: list[Document]) -> None:
    few, calm, first, again = map(drift.page, checks)
    assert "Too few customers to tell" in few
    assert "Customers are as they were" in calm
    assert "Customers have changed since Friday 20 November 10:00 UTC" in first
    assert "Customers have changed since Friday 20 November 10:00 UTC" in again
    for page in (few, calm, first, again):
        assert len(page.encode()) <= 400 * 1_024


@pytest.mark.parametrize("document", [report(), report(20, 0), too_few(), hostile(report())])
def test_the_pages_are_tested_with_such_reports(document: Document) -> None:
    validator(REPORT).validate(document)
    assert list(undescribed(REPORT, document, REPORT)) == []


def test_what_is_measured_is_what_the_schema_says() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(400)
    document = performance()
    document["weeks"][1]["measured"] = measure(rng.random(400) < scores, scores)
    document["weeks"][1]["estimated"] = estimate(scores)
    document["campaigns"][0]["effect"] = asdict(effect(10, 100, 20, 100))
    for given in (document, performance(0), performance() | {"decay": None, "campaigns": []}):
        validator(PERFORMANCE).validate(stored(given))
        assert list(undescribed(PERFORMANCE, stored(given), PERFORMANCE)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["report_version"], 2),
        (["verdict"], "maybe"),
        (["customers"], -1),
        (["window_end"], "yesterday"),
        (["columns", 0, "effect"], 1.5),
        (["columns", 0, "distribution", 0, "before"], None),
        (["history", 0, "verdict"], None),
        (["segments", "levels", 0, "customers"], 1.5),
        (["joint", "auc"], "high"),
    ],
)
def test_a_schema_refuses_what_no_report_holds(path: list[str | int], value: object) -> None:
    document = copy.deepcopy(report())
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not validator(REPORT).is_valid(document)


@pytest.mark.parametrize("name", REPORT["required"])
def test_a_report_lacks_nothing_that_is_required(name: str) -> None:
    document = report()
    del document[name]
    assert not validator(REPORT).is_valid(document)
