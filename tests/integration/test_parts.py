"""An upload in parts: what comes back is what one function would have given, whatever fails."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import NotFoundError
from evergreen.jobs.files.parts import PartScoring
from evergreen.jobs.files.scoring import Scoring
from evergreen.jobs.files.summary import Summary
from evergreen.jobs.files.uploads import Uploads
from evergreen.models.model import Model
from evergreen.store import inference_log, keys
from evergreen.store.s3 import Bucket

KEY = "incoming/large.csv"
AMOUNTS = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}
NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)


@dataclass
class Machine:
    """Remembers what was started, as the state machine does."""

    started: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def start(self, name: str, values: Mapping[str, Any]) -> None:
        self.started.setdefault(name, values)

    @property
    def job(self) -> str:
        (values,) = self.started.values()
        return str(values["job"])


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def parts(data: Bucket, logs: Bucket, model: Model, machine: Machine) -> PartScoring:
    return PartScoring(data, logs, lambda _: model, machine, part_bytes=10_000)  # type: ignore[arg-type]


@pytest.fixture
def uploads(data: Bucket, logs: Bucket, model: Model, parts: PartScoring) -> Uploads:
    return Uploads(data, lambda: model, lambda: NOW, Scoring(data, logs), parts)


@pytest.fixture
def table(frame: pd.DataFrame) -> pd.DataFrame:
    table = frame.drop(columns="churned").assign(note='said "no", then\nyes')
    table.loc[[5, 900], "contract"] = "?"
    return table


def text(frame: pd.DataFrame, **form: Any) -> bytes:
    return str(frame.to_csv(index=False, **form)).encode()


def score(uploads: Uploads, key: str = KEY) -> Summary:
    summary = uploads.score(key, lambda: 900.0)
    assert summary
    return summary


def listed(data: Bucket, job: str) -> list[tuple[int, int, int]]:
    content = data.get(keys.score_job_parts(job))[0].decode()
    rows = csv.DictReader(io.StringIO(content))
    return [(int(row["part"]), int(row["start"]), int(row["end"])) for row in rows]


def results(data: Bucket, key: str) -> list[bytes]:
    return [data.get(result(key))[0] for result in (keys.scored, keys.rejected)]


def logged(logs: Bucket) -> list[dict[str, Any]]:
    hours = inference_log.arrivals(logs, NOW - timedelta(days=1), NOW + timedelta(days=1))
    return [record for records in hours for record in records]


@pytest.mark.parametrize("form", [{}, {"sep": ";", "lineterminator": "\r\n"}])
def test_parts_put_together_are_what_one_function_gives(
    uploads: Uploads,
    parts: PartScoring,
    machine: Machine,
    logs: Bucket,
    table: pd.DataFrame,
    form: dict[str, Any],
) -> None:
    uploads.data.put(KEY, text(table, **form))
    assert score(uploads).status == "in parts"
    ranges = listed(uploads.data, machine.job)
    assert len(ranges) >= 10
    for part in reversed(ranges):  # in any order
        parts.part(machine.job, *part)
    summary = parts.join(machine.job)
    records = logged(logs)

    uploads.data.put("incoming/whole.csv", text(table, **form))
    whole = score(replace(uploads, in_parts=None), "incoming/whole.csv")
    assert results(uploads.data, KEY) == results(uploads.data, "incoming/whole.csv")
    same = {"source": "", "upload": ""}
    assert replace(summary, **same) == replace(whole, **same)
    assert len(records) == len({r["prediction_id"] for r in records}) == summary.scored == 998
    assert score(uploads) == summary  # an event that comes late


@pytest.mark.parametrize("limit", [7, 1_000])
def test_a_call_list_put_together_is_the_one_of_the_whole(
    uploads: Uploads,
    parts: PartScoring,
    machine: Machine,
    model: Model,
    table: pd.DataFrame,
    limit: int,
) -> None:
    document = json.loads(json.dumps(model.schema.document))
    document["target"] |= {"value": AMOUNTS, "call_list": {"limit": limit}, "reasons": 2}
    served = replace(model, schema=Schema(document))
    uploads = replace(uploads, model=lambda: served)
    parts = replace(parts, load=lambda _: served)
    content = text(pd.concat([table, table.head(100)]), sep=";")
    data = uploads.data
    uploads = replace(uploads, in_parts=parts)
    data.s3.put_object(Bucket=data.name, Key=KEY, Body=content, Metadata={"reasons": "no"})
    assert score(uploads).status == "in parts"
    ranges = listed(data, machine.job)
    assert len(ranges) >= 10
    for part in [*reversed(ranges), ranges[3]]:
        parts.part(machine.job, *part)
    summary = parts.join(machine.job)
    assert summary.ignored_wish

    whole = "incoming/whole.csv"
    data.s3.put_object(Bucket=data.name, Key=whole, Body=content, Metadata={"reasons": "no"})
    same = score(replace(uploads, in_parts=None), whole)
    assert data.get(keys.call_list(KEY))[0] == data.get(keys.call_list(whole))[0]
    assert results(data, KEY) == results(data, whole)
    assert summary.call_list == same.call_list
    assert 0 < summary.calls <= limit
    assert replace(summary, source="", upload="") == replace(same, source="", upload="")

    data.put(KEY, text(table.assign(contract="?")))
    machine.started.clear()
    score(uploads)
    for part in listed(data, machine.job):
        parts.part(machine.job, *part)
    assert parts.join(machine.job).calls == 0
    assert not list(data.list(keys.call_list(KEY)))


def test_a_part_that_runs_again_changes_nothing(
    uploads: Uploads, parts: PartScoring, machine: Machine, logs: Bucket, table: pd.DataFrame
) -> None:
    uploads.data.put(KEY, text(table))
    score(uploads)
    for part in listed(uploads.data, machine.job):
        parts.part(machine.job, *part)
        parts.part(machine.job, *part)
    first = parts.join(machine.job)
    before = results(uploads.data, KEY)
    parts.part(machine.job, *listed(uploads.data, machine.job)[3])
    assert parts.join(machine.job) == first
    assert results(uploads.data, KEY) == before
    assert len(logged(logs)) == 998


def test_an_upload_that_is_announced_again_is_not_begun_again(
    uploads: Uploads, machine: Machine, table: pd.DataFrame
) -> None:
    uploads.data.put(KEY, text(table))
    for _ in range(3):
        score(uploads)
    assert len(machine.started) == 1


def test_without_all_its_parts_a_job_is_not_put_together(
    uploads: Uploads, parts: PartScoring, machine: Machine, table: pd.DataFrame
) -> None:
    uploads.data.put(KEY, text(table))
    score(uploads)
    for part in listed(uploads.data, machine.job)[:-1]:
        parts.part(machine.job, *part)
    with pytest.raises(NotFoundError):
        parts.join(machine.job)
    assert not list(uploads.data.list(keys.scored(KEY)))


def test_a_newer_upload_of_the_name_wins(
    uploads: Uploads, parts: PartScoring, machine: Machine, table: pd.DataFrame
) -> None:
    uploads.data.put(KEY, text(table))
    score(uploads)
    first, *others = listed(uploads.data, machine.job)
    parts.part(machine.job, *first)
    uploads.data.put(KEY, text(table.head(3)))
    assert score(uploads).scored == 3
    for part in others:
        parts.part(machine.job, *part)
    assert parts.join(machine.job).status == "superseded"
    assert json.loads(uploads.data.get(keys.score_summary(KEY))[0])["scored"] == 3


def test_a_cut_within_a_record_is_noticed_and_refuses_the_file(
    uploads: Uploads, parts: PartScoring, machine: Machine, table: pd.DataFrame
) -> None:
    content = text(table)
    uploads.data.put(KEY, content)
    score(uploads)
    (first, start, _), *others = listed(uploads.data, machine.job)
    within = content.index(b"then\n") + len(b"then\n")
    parts.part(machine.job, first, start, within)
    for part in others:
        parts.part(machine.job, *part)
    summary = parts.join(machine.job)
    assert summary.status == "refused"
    assert summary.error and "in pieces" in summary.error
    assert not list(uploads.data.list(keys.scored(KEY)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_what_cannot_be_cut_is_read_by_one_function(
    uploads: Uploads, machine: Machine, table: pd.DataFrame, encoding: str
) -> None:
    one_line = table if encoding == "utf-16" else table.drop(columns="note").head(5)
    content = text(one_line).decode().encode(encoding)
    uploads.data.put(KEY, content)
    assert score(uploads).status == "scored"
    assert not machine.started


def test_a_large_file_that_is_no_table_of_customers_is_refused(
    uploads: Uploads, machine: Machine
) -> None:
    uploads.data.put(KEY, b"a,b\n" + b"1,2\n" * 10_000)
    summary = score(uploads)
    assert summary.status == "refused"
    assert summary.error and "lacks" in summary.error
    assert not machine.started
