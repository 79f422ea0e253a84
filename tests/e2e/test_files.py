"""Files as companies export them, put into the bucket of the deployed template."""

import csv
import gzip
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import batched
from typing import Any

import pandas as pd
import pytest

from evergreen.models import artifact
from evergreen.store import keys
from evergreen.store.registry import Registry
from local.demo.story import Story

from .conftest import EARLY, Deployed

ROWS = 20
AT_ONCE = 4


def _semicolons(frame: pd.DataFrame) -> bytes:
    decimals = frame.assign(monthly_fee=frame["monthly_fee"].str.replace(".", ","))
    return decimals.to_csv(index=False, sep=";").encode()


def _text(frame: pd.DataFrame, **form: Any) -> bytes:
    return str(frame.to_csv(index=False, **form)).encode()


def _headed(frame: pd.DataFrame, **names: str) -> bytes:
    return _text(frame.rename(columns=names))


def _trailing(frame: pd.DataFrame) -> bytes:
    return _text(frame).replace(b"\n", b",,\n")


def _one_bad(frame: pd.DataFrame, line: bytes) -> bytes:
    lines = _text(frame).splitlines(keepends=True)
    return b"".join([*lines[:2], line + b"\n", *lines[3:]])


def _first_cell(frame: pd.DataFrame, cell: bytes) -> bytes:
    row = _text(frame).splitlines()[2]
    return _one_bad(frame, cell + row[row.index(b",") :])


@dataclass(frozen=True)
class Case:
    """A file, and what becomes of it."""

    name: str
    content: Callable[[pd.DataFrame], bytes]
    scored: int = ROWS
    rejected: int = 0
    read_as: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)


def _case(name: str, content: Callable[[pd.DataFrame], bytes], **expected: Any) -> Case:
    told = {n: expected.pop(n) for n in [*expected] if n not in ("scored", "rejected", "read_as")}
    return Case(name, content, **expected, told=told)


COMMA = {"decimal": "comma"}
CASES = [
    _case("semicolons.csv", _semicolons, read_as={"delimiter": "semicolon", **COMMA}),
    _case("tabs.csv", lambda f: _text(f, sep="\t"), read_as={"delimiter": "tab"}),
    _case("tabs.tsv", lambda f: _text(f, sep="\t"), read_as={"delimiter": "tab"}),
    _case("pipes.csv", lambda f: _text(f, sep="|"), read_as={"delimiter": "pipe"}),
    _case(
        "quoted-decimals.csv",
        lambda f: _text(f.assign(monthly_fee=f["monthly_fee"].str.replace(".", ","))),
        read_as=COMMA,
    ),
    _case(
        "windows.csv",
        lambda f: _text(f.assign(name="Müller")).decode().encode("cp1252"),
        read_as={"encoding": "Windows-1252"},
    ),
    _case(
        "utf-16.csv",
        lambda f: _text(f.assign(name="Müller"), sep="\t").decode().encode("utf-16"),
        read_as={"delimiter": "tab"},
    ),
    _case("sep.csv", lambda f: b"sep=;\n" + _semicolons(f), read_as={"delimiter": "semicolon"}),
    _case("bare-columns.csv", _trailing),
    _case(
        "padded.csv",
        lambda f: _headed(f, tenure_months=" tenure_months ", contract="Contract\u00a0"),
        matched_columns={" tenure_months ": "tenure_months", "Contract\u00a0": "contract"},
    ),
    _case("blank-above.csv", lambda f: b"\n" + _text(f)),
    _case("blank-between.csv", lambda f: _text(f).replace(b"\n", b"\n\n")),
    _case(
        "absent.csv",
        lambda f: _text(f.drop(columns="satisfaction")),
        absent_fields=["satisfaction"],
    ),
    _case("A.CSV", _text),
    _case("b.csv.gz", lambda f: gzip.compress(_text(f))),
    _case("d.jsonl", lambda f: f.to_json(orient="records", lines=True).encode()),
    _case("variants.csv", lambda f: _text(f.assign(contract=" Monthly ", has_app="TRUE"))),
    _case(
        "own-risk.csv",
        lambda f: _text(f.assign(risk="A")),
        renamed_answers={"risk": "evergreen_risk"},
        ignored_fields=["risk"],
    ),
    _case("long-cell.csv", lambda f: _first_cell(f, b"x" * 200_000), scored=19, rejected=1),
    _case("nul.csv", lambda f: _first_cell(f, b"a\0b"), scored=19, rejected=1),
    _case("open-quote.csv", lambda f: _first_cell(f, b'"a'), scored=19, rejected=1),
    _case("May report (1) 100%25 ü+b.csv", _text),
    _case("/twice.csv", _text),
    _case("twice.csv", lambda f: _text(f.head(3)), scored=3),
]
UNREADABLE = {
    "c.xlsx": b"PK\x03\x04",
    "e.csv": b"",
    "notes": b"call them",
    "x.json": b"{}",
}


@pytest.fixture(scope="module")
def uploaded(deployed: Deployed, told: Story) -> pd.DataFrame:
    """The customers of all files, which are all seen to.

    A few at a time, as everyone that comes while others are scored starts a function of its own.
    """
    frame = told.source.ordinary(ROWS, seed=41).drop(columns=told.source.schema.target)
    contents = {case.name: case.content(frame) for case in CASES} | UNREADABLE
    for some in batched(contents.items(), AT_ONCE, strict=False):
        for name, content in some:
            deployed.bucket("data").put(f"{keys.INCOMING}{name}", content, "text/csv")
        for name, _ in some:
            readable = name not in UNREADABLE
            key = keys.score_summary(f"{keys.INCOMING}{name}") if readable else _explained(name)
            _found(deployed, key)
    return frame


def _explained(name: str) -> str:
    """Where it says why an upload can't be read."""
    key = f"{keys.INCOMING}{name}"
    return keys.rejected(key) if name.endswith(".csv") else keys.explained(key)


def _found(deployed: Deployed, key: str, seconds: float = 120) -> bytes:
    deadline = time.monotonic() + seconds
    data = deployed.bucket("data")
    while time.monotonic() < deadline:
        if any(entry.key == key for entry in data.list(key)):
            return data.get(key)[0]
        time.sleep(0.3)
    raise AssertionError(f"no {key} within {seconds} s")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_is_scored_as_it_is(deployed: Deployed, uploaded: pd.DataFrame, case: Case) -> None:
    key = f"{keys.INCOMING}{case.name}"
    summary = json.loads(deployed.bucket("data").get(keys.score_summary(key))[0])
    assert (summary["scored"], summary["rejected"]) == (case.scored, case.rejected), summary
    assert case.read_as.items() <= summary["read_as"].items()
    assert case.told.items() <= summary.items()
    assert deployed.bucket("data").get(keys.scored(key))[0]


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_table_is_explained(
    deployed: Deployed, uploaded: pd.DataFrame, name: str
) -> None:
    assert deployed.bucket("data").get(_explained(name))[0]


def test_a_file_that_came_before_the_first_model_has_waited_for_it(
    deployed: Deployed, told: Story
) -> None:
    summary = json.loads(_found(deployed, keys.score_summary(EARLY)))
    first = min(entry.key for entry in deployed.bucket("model").list(keys.PROMOTIONS))
    assert (summary["status"], summary["scored"]) == ("scored", 20)
    assert summary["model_version"] in first
    assert not list(deployed.bucket("data").list(keys.WAITING))


def test_results_can_be_put_in_again(deployed: Deployed, uploaded: pd.DataFrame) -> None:
    data = deployed.bucket("data")
    for name in ("own-risk.csv", "semicolons.csv", "utf-16.csv", "nul.csv"):
        first, _ = data.get(keys.scored(f"{keys.INCOMING}{name}"))
        again = f"{keys.INCOMING}again-{name}"
        data.put(again, first, "text/csv")
        _found(deployed, keys.score_summary(again))
        assert data.get(keys.scored(again))[0] == first


def test_what_was_scored_is_in_the_log_and_ends_no_event_in_the_failure_queue(
    deployed: Deployed, uploaded: pd.DataFrame
) -> None:
    names = [entry.key for entry in deployed.bucket("log").list(keys.INFERENCE)]
    contents = [deployed.bucket("log").get(n)[0] for n in names if "/scored-" in n]
    records = [json.loads(r) for c in contents for r in gzip.decompress(c).splitlines()]
    assert len({record["prediction_id"] for record in records}) == len(records) >= ROWS * 15
    sqs, url = deployed.emulator.client("sqs"), deployed.outputs.failure_queue_url
    waiting = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert waiting["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_a_scored_file_is_read_by_programs(deployed: Deployed, uploaded: pd.DataFrame) -> None:
    content, _ = deployed.bucket("data").get(keys.scored(f"{keys.INCOMING}semicolons.csv"))
    rows = list(csv.DictReader(io.StringIO(content.decode()), delimiter=";"))
    assert [row["customer_id"] for row in rows] == uploaded["customer_id"].tolist()
    assert all(0 <= float(row["churn_probability"].replace(",", ".")) <= 1 for row in rows)


@pytest.fixture
def valued(deployed: Deployed, told: Story) -> Iterator[str]:
    """A champion whose schema states what customers are worth; then the one before it again."""
    registry = Registry(deployed.bucket("model"))
    first = registry.manifest(registry.pointer().version)
    version = registry.fetch(first.version, first.files)
    document = json.loads(version.files[artifact.SCHEMA])
    value = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.9}
    document["target"] |= {"value": value, "call_list": {"limit": 5, "control": 0.4}}
    content = {**version.files, artifact.SCHEMA: json.dumps(document).encode()}
    hashes = {name: artifact.sha256(each) for name, each in content.items()}
    manifest = replace(first, version=f"{first.version[:-8]}ca11ca11", files=hashes)
    registry.publish(manifest, content)
    with deployed.serving(manifest.version):
        yield manifest.version
    for name in [*content, keys.MANIFEST]:
        registry.bucket.delete(keys.model_file(manifest.version, name))


def test_where_money_is_stated_a_file_has_a_call_list(
    deployed: Deployed, uploaded: pd.DataFrame, valued: str
) -> None:
    key, data = f"{keys.INCOMING}worth.csv", deployed.bucket("data")
    data.s3.put_object(
        Bucket=data.name, Key=key, Body=_semicolons(uploaded), Metadata={"reasons": "2"}
    )
    summary = json.loads(_found(deployed, keys.score_summary(key)))
    assert summary["model_version"] == valued
    scored, called = (
        [*csv.DictReader(io.StringIO(data.get(of(key))[0].decode()), delimiter=";")]
        for of in (keys.scored, keys.call_list)
    )
    assert [*scored[0]][-2:] == ["expected_value", "reasons"]
    assert all(row["reasons"].count(": ") == 2 for row in scored)
    worth = sorted((float(row["expected_value"].replace(",", ".")) for row in scored), reverse=True)
    listed = [float(row["expected_value"].replace(",", ".")) for row in called]
    assert listed == worth[:5]
    told = summary["call_list"]
    assert told["to_contact"] == sum(row["contact"] == "true" for row in called)
    assert told["customers"] == told["to_contact"] + told["control"] == len(called)
    assert all(row["reason"] for row in called)
