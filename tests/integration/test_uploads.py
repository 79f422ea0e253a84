"""What becomes of files under `incoming/`, whatever happens meanwhile."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pandas as pd
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.schema import Schema
from evergreen.errors import NoModelError
from evergreen.jobs.files.scoring import Scoring
from evergreen.jobs.files.summary import Summary
from evergreen.jobs.files.uploads import Uploads
from evergreen.models.model import Model
from evergreen.store import inference_log, keys
from evergreen.store.s3 import Bucket

KEY = "incoming/north/customers.csv"
AMOUNTS = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}
NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def table(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="churned").head(50)


@pytest.fixture
def uploads(data: Bucket, logs: Bucket, model: Model) -> Uploads:
    minutes = count()
    return Uploads(
        data=data,
        model=lambda: model,
        now=lambda: NOW + timedelta(minutes=next(minutes)),
        whole=Scoring(data, logs),
        in_parts=None,
    )


def enough() -> float:
    return 900.0


def score(uploads: Uploads, key: str = KEY) -> Summary:
    summary = uploads.score(key, enough)
    assert summary
    return summary


def text(frame: pd.DataFrame, **form: Any) -> bytes:
    return str(frame.to_csv(index=False, **form)).encode()


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def found(bucket: Bucket, prefix: str = "") -> dict[str, bytes]:
    return {entry.key: bucket.get(entry.key)[0] for entry in bucket.list(prefix)}


def results(data: Bucket) -> dict[str, bytes]:
    return found(data, "scored/") | found(data, "rejected/")


def logged(logs: Bucket) -> list[dict[str, Any]]:
    hours = inference_log.arrivals(logs, NOW - timedelta(days=1), NOW + timedelta(days=1))
    return [record for records in hours for record in records]


def test_an_upload_becomes_results_beside_which_stands_a_summary(
    uploads: Uploads, table: pd.DataFrame
) -> None:
    table = table.copy()
    table.loc[7, "contract"] = "?"
    uploads.data.put(KEY, b"\xef\xbb\xbf" + text(table))  # as Excel saves it
    summary = score(uploads)
    assert (summary.status, summary.scored, summary.rejected) == ("scored", 49, 1)
    assert len(rows(uploads.data.get("scored/north/customers.csv")[0])) == 49
    assert len(rows(uploads.data.get("rejected/north/customers.csv")[0])) == 1
    told = json.loads(uploads.data.get("scored/north/customers.summary.json")[0])
    assert (told["scored"], told["read_as"]["encoding"]) == (49, "UTF-8 with BOM")


def test_customers_who_were_scored_are_in_the_log(
    uploads: Uploads, logs: Bucket, table: pd.DataFrame
) -> None:
    uploads.data.put(KEY, text(table))
    score(uploads)
    records = logged(logs)
    answers = rows(uploads.data.get(keys.scored(KEY))[0])
    assert [r["customer"]["customer_id"] for r in records] == table["customer_id"].tolist()
    assert [r["churn_probability"] for r in records] == [
        float(answer["churn_probability"]) for answer in answers
    ]
    assert {r["predicted_at"] for r in records} == {NOW.isoformat()}
    assert len({r["prediction_id"] for r in records}) == 50


def test_an_event_that_comes_ten_times_changes_nothing(
    uploads: Uploads, logs: Bucket, model: Model, table: pd.DataFrame
) -> None:
    uploads.data.put(KEY, text(table))
    first = score(uploads)
    before = results(uploads.data), found(logs)
    newer = replace(model, manifest=replace(model.manifest, version="newer"))
    for _ in range(10):
        assert score(replace(uploads, model=lambda: newer)) == first
    assert (results(uploads.data), found(logs)) == before


def test_the_same_file_put_again_is_scored_by_the_model_of_the_day(
    uploads: Uploads, logs: Bucket, model: Model, table: pd.DataFrame
) -> None:
    newer = replace(model, manifest=replace(model.manifest, version="newer"))
    for served in (model, newer):
        uploads.data.put(KEY, text(table))
        scored = score(replace(uploads, model=lambda served=served: served))
        assert scored.model_version == served.version
    assert len(logged(logs)) == 100


def test_a_mended_file_takes_back_what_was_rejected(uploads: Uploads, table: pd.DataFrame) -> None:
    uploads.data.put(KEY, text(table.assign(contract="?")))
    assert score(uploads).rejected == 50
    assert list(found(uploads.data, "rejected/")) == [keys.rejected(KEY)]
    uploads.data.put(KEY, text(table))
    assert score(uploads).scored == 50
    assert list(found(uploads.data, "rejected/")) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bytes(range(256)), "binary"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"", "empty"),
        (b"a,b\n1,2\n", "the header lacks"),
        (b"PK\x03\x04" + b"\0" * 100, "Excel"),
    ],
)
def test_an_upload_that_cannot_be_read_ends_as_an_explanation(
    uploads: Uploads, logs: Bucket, content: bytes, reason: str
) -> None:
    uploads.data.put(KEY, content)
    summary = score(uploads)
    assert summary.status == "refused"
    assert summary.error and reason in summary.error
    (explained,) = rows(uploads.data.get(keys.rejected(KEY))[0])
    assert explained["reason"] == summary.error
    assert list(found(uploads.data, "scored/")) == [keys.score_summary(KEY)]
    assert not found(logs)


@pytest.mark.parametrize("name", ["c.xlsx", "notes", "a.csv.zip", "data.parquet", "x.json"])
def test_a_file_of_another_kind_is_explained(uploads: Uploads, name: str) -> None:
    uploads.data.put(f"incoming/{name}", b"?")
    summary = score(uploads, f"incoming/{name}")
    assert summary.status == "refused"
    explained = found(uploads.data, "rejected/")
    assert [*explained] == [f"rejected/{name}.reason.txt"]
    assert ".csv" in explained[f"rejected/{name}.reason.txt"].decode()


def test_the_name_of_a_folder_is_no_upload(uploads: Uploads) -> None:
    uploads.data.put("incoming/march/", b"")
    assert uploads.score("incoming/march/", enough) is None
    assert not results(uploads.data)


def test_an_upload_that_is_gone_is_none(uploads: Uploads) -> None:
    assert uploads.score(KEY, enough) is None
    assert not results(uploads.data)


def test_what_is_gzipped_comes_back_gzipped(uploads: Uploads, table: pd.DataFrame) -> None:
    table = table.copy()
    table.loc[7, "contract"] = "?"
    uploads.data.put("incoming/b.csv.gz", gzip.compress(text(table)))
    assert score(uploads, "incoming/b.csv.gz").scored == 49
    assert len(rows(gzip.decompress(uploads.data.get("scored/b.csv.gz")[0]))) == 49
    assert len(rows(gzip.decompress(uploads.data.get("rejected/b.csv.gz")[0]))) == 1


def test_a_gzipped_file_that_was_cut_off_is_refused_whole(
    uploads: Uploads, logs: Bucket, frame: pd.DataFrame
) -> None:
    many = pd.concat([frame] * 40, ignore_index=True)  # more than the first look at it takes
    uploads.data.put("incoming/b.csv.gz", gzip.compress(text(many))[:-5_000])
    summary = score(uploads, "incoming/b.csv.gz")
    assert summary.status == "refused"
    assert summary.error and "unpacked" in summary.error
    assert [*results(uploads.data)] == ["scored/b.csv.gz.summary.json", "rejected/b.csv.gz"]
    assert not found(logs)


def test_a_file_that_takes_longer_than_a_function_may_is_refused_with_advice(
    uploads: Uploads, logs: Bucket, table: pd.DataFrame
) -> None:
    uploads.data.put(KEY, text(table))
    summary = uploads.score(KEY, lambda: 59.0)
    assert summary and summary.status == "refused"
    assert summary.error and "in pieces" in summary.error
    assert not found(logs)


def test_a_bare_header_is_an_empty_answer(uploads: Uploads, table: pd.DataFrame) -> None:
    uploads.data.put(KEY, text(table.head(0)))
    summary = score(uploads)
    assert (summary.status, summary.scored, summary.rejected) == ("scored", 0, 0)


names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30
)


@given(name=names, other=names)
def test_results_have_the_name_of_the_upload_and_no_other(name: str, other: str) -> None:
    these, those = (
        {of(f"incoming/{n}.csv") for of in (keys.scored, keys.rejected, keys.score_summary)}
        for n in (name, other)
    )
    assert {f"scored/{name}.csv", f"rejected/{name}.csv"} < these
    assert name == other or these.isdisjoint(those)


def test_odd_names_come_back(uploads: Uploads, table: pd.DataFrame) -> None:
    for name in ("May report (1) 100%25 ü+b.csv", "/x.csv", "x.csv", "a&b=c?.csv"):
        uploads.data.put(f"incoming/{name}", text(table))
        assert score(uploads, f"incoming/{name}").scored == 50
        assert len(rows(uploads.data.get(f"scored/{name}")[0])) == 50


# ------------------------------------------------------------ reasons and call lists


def valued(model: Model, **stated: Any) -> Model:
    document = json.loads(json.dumps(model.schema.document))
    document["target"] |= {"value": AMOUNTS, "call_list": {"limit": 5}} | stated
    return replace(model, schema=Schema(document))


def put_asking(data: Bucket, content: bytes, reasons: str) -> None:
    data.s3.put_object(Bucket=data.name, Key=KEY, Body=content, Metadata={"reasons": reasons})


def reasons_given(data: Bucket) -> list[int]:
    found = rows(data.get(keys.scored(KEY))[0])
    return [len(row["reasons"].split("; ")) if "reasons" in row else 0 for row in found]


def test_an_upload_may_ask_for_reasons(uploads: Uploads, model: Model, table: pd.DataFrame) -> None:
    stated = replace(uploads, model=lambda: valued(model, reasons=1))
    for of, asked, number in ((uploads, "2", 2), (stated, "3", 3), (stated, "0", 0)):
        put_asking(uploads.data, text(table), asked)
        assert score(of).ignored_wish is None
        assert reasons_given(uploads.data) == [number] * 50
    uploads.data.put(KEY, text(table))
    score(stated)
    assert reasons_given(uploads.data) == [1] * 50


@pytest.mark.parametrize("asked", ["11", "-1", "three", "1.5", "", "9" * 1_000])
def test_a_wish_that_is_no_number_is_told_and_ignored(
    uploads: Uploads, table: pd.DataFrame, asked: str
) -> None:
    put_asking(uploads.data, text(table), asked)
    wish = score(uploads).ignored_wish
    assert wish and "x-amz-meta-reasons" in wish
    assert len(wish) < 200
    told = json.loads(uploads.data.get(keys.score_summary(KEY))[0])
    assert told["ignored_wish"] == wish
    assert score(uploads).ignored_wish == wish  # an event that comes twice
    assert reasons_given(uploads.data) == [0] * 50


def test_where_money_is_stated_a_call_list_lies_beside_the_results(
    uploads: Uploads, model: Model, table: pd.DataFrame
) -> None:
    of = replace(uploads, model=lambda: valued(model))
    uploads.data.put(KEY, text(table))
    told = score(of).call_list
    assert told is not None
    found = rows(uploads.data.get("scored/north/customers.call-list.csv")[0])
    assert (told["customers"], told["quarter"]) == (len(found), "2026Q1") == (5, "2026Q1")
    assert json.loads(uploads.data.get(keys.score_summary(KEY))[0])["call_list"] == told
    assert set(uploads.data.get(keys.scored(KEY))[0].splitlines()[0].split(b",")) >= {
        b"expected_value"
    }


def test_without_money_and_wishes_a_summary_says_nothing_of_them(
    uploads: Uploads, table: pd.DataFrame
) -> None:
    uploads.data.put(KEY, text(table))
    score(uploads)
    told = json.loads(uploads.data.get(keys.score_summary(KEY))[0])
    assert not {"call_list", "ignored_wish"} & told.keys()
    assert told["error"] is None


@pytest.mark.parametrize("newer", ["all rejected", "no table", "nobody", "no money"])
def test_a_newer_upload_takes_back_the_call_list(
    uploads: Uploads, model: Model, table: pd.DataFrame, newer: str
) -> None:
    of = replace(uploads, model=lambda: valued(model))
    uploads.data.put(KEY, text(table))
    score(of)
    assert keys.call_list(KEY) in results(uploads.data)
    worthless = valued(model, value=AMOUNTS | {"worth": 1})
    content = {"all rejected": text(table.assign(contract="?")), "no table": b"a,b\n1,2\n"}
    served = {"nobody": worthless, "no money": model}.get(newer, valued(model))
    uploads.data.put(KEY, content.get(newer, text(table)))
    summary = score(replace(uploads, model=lambda: served))
    assert summary.calls == 0
    assert keys.call_list(KEY) not in results(uploads.data)


def test_what_is_gzipped_has_a_plain_call_list(
    uploads: Uploads, model: Model, table: pd.DataFrame
) -> None:
    of = replace(uploads, model=lambda: valued(model))
    uploads.data.put("incoming/b.csv.gz", gzip.compress(text(table)))
    score(of, "incoming/b.csv.gz")
    assert len(rows(uploads.data.get("scored/b.csv.gz.call-list.csv")[0])) == 5


# ------------------------------------------------------------ the first model


def test_an_upload_before_the_first_model_waits_for_it(
    uploads: Uploads, model: Model, table: pd.DataFrame
) -> None:
    models: list[Model] = []

    def champion() -> Model:
        if not models:
            raise NoModelError("none")
        return models[0]

    early = replace(uploads, model=champion)
    uploads.data.put(KEY, text(table))
    uploads.data.put("incoming/other.csv", text(table))
    assert score(early).status == score(early, "incoming/other.csv").status == "waiting"
    assert "waits" in str(json.loads(uploads.data.get(keys.score_summary(KEY))[0])["error"])
    models.append(model)
    woken: list[str] = []
    assert early.wake(woken.append) == 2
    assert sorted(woken) == sorted([KEY, "incoming/other.csv"])
    assert early.wake(woken.append) == 0
    assert score(early).scored == 50


def test_a_model_that_comes_while_an_upload_begins_to_wait_is_not_missed(
    uploads: Uploads, model: Model, table: pd.DataFrame
) -> None:
    asked = count()

    def champion() -> Model:
        if next(asked) == 0:
            raise NoModelError("none")
        return model

    uploads.data.put(KEY, text(table))
    assert score(replace(uploads, model=champion)).scored == 50


# ------------------------------------------------------------ two of one name


class Meanwhile(Bucket):
    """A bucket in which something happens before the first write of a result."""

    def upload_if(self, *arguments: Any) -> str:
        happening.pop()() if happening else None
        return super().upload_if(*arguments)


happening: list[Callable[[], object]] = []


@pytest.fixture(autouse=True)
def nothing_happens() -> Iterator[None]:
    happening.clear()
    yield
    happening.clear()


def test_of_two_uploads_of_one_name_the_newer_wins_whichever_ends_first(
    uploads: Uploads, logs: Bucket, table: pd.DataFrame
) -> None:
    slow = Meanwhile(uploads.data.s3, uploads.data.name)
    older = replace(uploads, data=slow, whole=Scoring(slow, logs))

    def newer() -> None:
        uploads.data.put(KEY, text(table.head(3).assign(contract=["?", "yearly", "?"])))
        assert score(uploads).scored == 1

    uploads.data.put(KEY, text(table))
    happening.append(newer)
    assert score(older).status == "superseded"
    assert len(rows(uploads.data.get(keys.scored(KEY))[0])) == 1
    assert len(rows(uploads.data.get(keys.rejected(KEY))[0])) == 2
    assert json.loads(uploads.data.get(keys.score_summary(KEY))[0])["scored"] == 1


def test_the_newer_of_two_uploads_wins_where_the_older_ends_while_it_writes(
    uploads: Uploads, logs: Bucket, table: pd.DataFrame
) -> None:
    slow = Meanwhile(uploads.data.s3, uploads.data.name)
    uploads.data.put(KEY, text(table.head(3)))
    happening.append(lambda: uploads.data.put(keys.scored(KEY), b"of the older one"))
    assert score(replace(uploads, data=slow, whole=Scoring(slow, logs))).scored == 3
    assert len(rows(uploads.data.get(keys.scored(KEY))[0])) == 3


def test_an_upload_that_is_taken_away_while_it_is_scored_leaves_nothing(
    uploads: Uploads, logs: Bucket, table: pd.DataFrame
) -> None:
    slow = Meanwhile(uploads.data.s3, uploads.data.name)
    uploads.data.put(KEY, text(table))
    happening.append(lambda: uploads.data.delete(KEY))
    # the object is written after its last look at the upload: no rule can order these two
    assert score(replace(uploads, data=slow, whole=Scoring(slow, logs))).status == "superseded"
    assert keys.score_summary(KEY) not in results(uploads.data)


# ------------------------------------------------------------ faults


@pytest.fixture
def writes(uploads: Uploads, logs: Bucket, monkeypatch: pytest.MonkeyPatch) -> "Writes":
    return Writes(uploads, logs)


class Writes:
    """Counts the requests that write, and lets one of them go wrong."""

    def __init__(self, uploads: Uploads, logs: Bucket) -> None:
        self.seen = 0
        self.at = -1
        self.after = False
        self.fault: BaseException = Killed()
        for client in {id(b.s3): b.s3 for b in (uploads.data, logs)}.values():
            client.meta.events.register("before-call.s3", self._before)
            client.meta.events.register("after-call.s3", self._after)

    def _writes(self, model: Any) -> bool:
        return str(model.http["method"]) in ("PUT", "POST", "DELETE")

    def _before(self, model: Any, **_: Any) -> None:
        if self._writes(model):
            self.seen += 1
            if self.seen == self.at and not self.after:
                raise self.fault

    def _after(self, model: Any, **_: Any) -> None:
        if self._writes(model) and self.seen == self.at and self.after:
            self.at = -1
            raise self.fault


@pytest.mark.parametrize("of", [lambda model: model, valued])
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_is_killed_at_any_write_leaves_one_result_after_the_next(
    uploads: Uploads,
    logs: Bucket,
    model: Model,
    table: pd.DataFrame,
    writes: Writes,
    after: bool,
    of: Callable[[Model], Model],
) -> None:
    served = of(model)
    uploads, table = replace(uploads, model=lambda: served), table.copy()
    table.loc[7, "contract"] = "?"
    uploads.data.put(KEY, text(table))
    writes.seen = 0
    score(uploads)
    steps = writes.seen
    whole = results(uploads.data)
    assert steps >= 5  # what is settled, the records, both results, the summary
    for step in range(1, steps + 1):
        uploads.data.put(KEY, text(table))
        writes.seen, writes.at, writes.after = 0, step, after
        before = len(logged(logs))
        with pytest.raises(Killed):
            score(uploads)
        writes.at = -1
        score(uploads)
        for key, content in results(uploads.data).items():
            if not key.endswith(".json"):
                assert content == whole[key]
        assert len(logged(logs)) == before + 49


@pytest.mark.parametrize("code", ["SlowDown", "InternalError"])
def test_an_upload_is_scored_by_the_retry_after_s3_was_throttled(
    uploads: Uploads, logs: Bucket, table: pd.DataFrame, writes: Writes, code: str
) -> None:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 503}}
    writes.fault = ClientError(answer, "PutObject")
    uploads.data.put(KEY, text(table))
    writes.seen, writes.at = 0, 3
    with pytest.raises(ClientError):
        score(uploads)
    assert score(uploads).scored == 50
    assert len(logged(logs)) == 50
