import csv
import io
import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import NotFoundError, TableError
from evergreen.jobs.scoring import ADDED, Summary, score_table, score_upload
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.s3 import Bucket
from local.demo.source import to_json

KEY = "incoming/north/customers.csv"
EMPTY = Summary(source=KEY, upload="1", model_version="v")


@pytest.fixture
def table(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="churned").head(50)


def text(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False))


def rows(content: str | bytes) -> list[dict[str, str]]:
    content = content.decode() if isinstance(content, bytes) else content
    return list(csv.DictReader(io.StringIO(content)))


def scored(
    model: Model, content: str
) -> tuple[Summary, list[dict[str, str]], list[dict[str, str]]]:
    good, bad = io.StringIO(), io.StringIO()
    summary = score_table(model, io.StringIO(content, newline=""), good, bad, EMPTY)
    return summary, rows(good.getvalue()), rows(bad.getvalue())


def test_every_row_is_answered_as_the_model_does(
    model: Model, table: pd.DataFrame, schema: Schema
) -> None:
    summary, good, bad = scored(model, text(table))
    assert summary.ignored_fields == []
    expected = model.probabilities(model.schema.encode_rows(to_json(table, schema)).matrix)
    assert (summary.scored, summary.rejected, bad) == (50, 0, [])
    assert [float(r["churn_probability"]) for r in good] == pytest.approx(expected, abs=1e-6)
    assert summary.will_churn == sum(r["will_churn"] == "true" for r in good)
    assert {r["model_version"] for r in good} == {model.version}


def test_columns_that_the_schema_does_not_know_are_kept(model: Model, table: pd.DataFrame) -> None:
    noted = table.assign(note='said "no", then\nyes', churned="no")
    summary, good, _ = scored(model, text(noted))
    assert list(good[0]) == [*noted.columns, *ADDED]
    assert good[0]["note"] == 'said "no", then\nyes'
    assert summary.ignored_fields == ["churned", "note"]


def test_a_column_of_which_nothing_need_be_known_may_be_left_out(
    model: Model, table: pd.DataFrame
) -> None:
    without = table.drop(columns=["satisfaction", "customer_id"])
    summary, good, _ = scored(model, text(without))
    _, empty, _ = scored(model, text(table.assign(satisfaction="")))
    assert summary.scored == 50
    assert [r["churn_probability"] for r in good] == [r["churn_probability"] for r in empty]


def test_a_column_whose_name_is_a_slip_is_told(model: Model, table: pd.DataFrame) -> None:
    renamed = table.rename(columns={"satisfaction": "Satisfacton"})
    with pytest.raises(
        TableError, match=r"column 'Satisfacton' is not .*; did you mean 'satisfaction'"
    ):
        scored(model, text(renamed))


def test_rows_that_do_not_fit_keep_their_cells_and_say_why(
    model: Model, table: pd.DataFrame
) -> None:
    table = table.copy()
    table.loc[3, ["contract", "monthly_fee"]] = ["eternal", "much"]
    lines = text(table).splitlines()
    lines[11] += ",more"
    lines[21] = "C,1"
    summary, good, bad = scored(model, "\n".join(lines) + "\n\n")
    assert (summary.scored, summary.rejected) == (len(good), len(bad)) == (47, 3)
    assert [(row["line"], row["customer_id"]) for row in bad] == [
        ("5", "C0001-000003"),
        ("12", "C0001-000010"),
        ("22", "C"),
    ]
    assert "contract: expected one of" in bad[0]["reason"]
    assert "monthly_fee: expected a number of at least 0, got 'much'" in bad[0]["reason"]
    assert bad[1]["reason"] == "the row has 16 cells, the header 15"
    assert bad[0]["contract"] == "eternal"


def test_more_rows_than_a_chunk_stay_in_order(model: Model, table: pd.DataFrame) -> None:
    many = pd.concat([table] * 205, ignore_index=True)
    many["customer_id"] = many.index.astype(str)
    summary, good, _ = scored(model, text(many))
    assert summary.scored == 10_250
    assert [row["customer_id"] for row in good] == many["customer_id"].tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the header lacks tenure_months, .* found: nothing"),
        ("a;b;c\n1;2;3\n", "separated by commas"),
        ("a,a\n", "names a twice"),
    ],
)
def test_a_header_that_does_not_fit_is_told(model: Model, content: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        scored(model, content)


def test_a_header_alone_is_an_empty_answer(model: Model, table: pd.DataFrame) -> None:
    summary, good, bad = scored(model, text(table.head(0)))
    assert (summary.scored, summary.rejected, good, bad) == (0, 0, [], [])


def test_a_quote_that_is_never_closed_is_told(model: Model, table: pd.DataFrame) -> None:
    with pytest.raises(TableError, match="not a CSV"):
        scored(model, text(table) + '"' + "x\n" * 100_000)


def stored(bucket: Bucket, prefix: str = "") -> dict[str, Any]:
    return {e.key: bucket.open(e.key)[1] for e in bucket.list(prefix)}


def test_an_upload_becomes_results_beside_which_stands_a_summary(
    data: Bucket, model: Model, table: pd.DataFrame
) -> None:
    table = table.copy()
    table.loc[7, "contract"] = "?"
    data.put(KEY, b"\xef\xbb\xbf" + text(table).encode())  # as Excel saves it
    summary = score_upload(data, KEY, model)
    assert (summary.scored, summary.rejected) == (49, 1)
    assert len(rows(data.get("scored/north/customers.csv")[0])) == 49
    assert len(rows(data.get("rejected/north/customers.csv")[0])) == 1
    assert json.loads(data.get("scored/north/customers.summary.json")[0])["scored"] == 49


def test_an_event_that_comes_twice_changes_nothing(
    data: Bucket, model: Model, table: pd.DataFrame
) -> None:
    data.put(KEY, text(table).encode())
    first = score_upload(data, KEY, model)
    before = stored(data)
    newer = replace(model, manifest=replace(model.manifest, version="newer"))
    assert score_upload(data, KEY, newer) == first
    assert stored(data) == before


def test_the_same_file_put_again_is_scored_by_the_model_of_the_day(
    data: Bucket, model: Model, table: pd.DataFrame
) -> None:
    newer = replace(model, manifest=replace(model.manifest, version="newer"))
    for served in (model, newer):
        data.put(KEY, text(table).encode())
        assert score_upload(data, KEY, served).model_version == served.version


def test_a_mended_file_takes_back_what_was_rejected(
    data: Bucket, model: Model, table: pd.DataFrame
) -> None:
    data.put(KEY, text(table.assign(contract="?")).encode())
    assert score_upload(data, KEY, model).rejected == 50
    assert list(stored(data, "rejected/")) == [keys.rejected(KEY)]
    data.put(KEY, text(table).encode())
    assert score_upload(data, KEY, model).scored == 50
    assert list(stored(data, "rejected/")) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\x89PNG\xff", "not UTF-8"), (b"", "found: nothing"), (b"a,b\n1,2\n", "lacks")],
)
def test_an_upload_that_cannot_be_read_ends_as_an_explanation(
    data: Bucket, model: Model, content: bytes, reason: str
) -> None:
    data.put(KEY, content)
    summary = score_upload(data, KEY, model)
    assert summary.error and reason in summary.error
    (explained,) = rows(data.get(keys.rejected(KEY))[0])
    assert explained["reason"] == summary.error
    assert list(stored(data, "scored/")) == [keys.score_summary(KEY)]


def test_a_file_that_turns_bad_half_way_is_rejected_whole(
    data: Bucket, model: Model, table: pd.DataFrame
) -> None:
    many = pd.concat([table] * 205, ignore_index=True)
    data.put(KEY, text(many).encode() + b"\xff\xfe\n")
    summary = score_upload(data, KEY, model)
    assert (summary.scored, summary.rejected) == (0, 0)
    assert summary.error and "not UTF-8" in summary.error
    assert keys.scored(KEY) not in stored(data)


def test_an_upload_that_is_gone_is_an_error(data: Bucket, model: Model) -> None:
    with pytest.raises(NotFoundError):
        score_upload(data, KEY, model)
