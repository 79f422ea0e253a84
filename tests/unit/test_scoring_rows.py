"""Rows of an uploaded CSV, in all the ways in which people's programs write them."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.schema import Schema
from evergreen.errors import TableError
from evergreen.jobs.prediction import predict
from evergreen.jobs.scoring import ADDED, Summary, score_table
from evergreen.models.model import Model
from local.demo.source import to_json

SUMMARY = Summary(source="incoming/a.csv", upload="1", model_version="v")
Rows = list[dict[str, str]]


def score(model: Model, content: bytes) -> tuple[Summary, Rows, Rows]:
    """Score a file as it lies in the bucket."""
    good, bad = io.StringIO(), io.StringIO()
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    summary = score_table(model, lines, good, bad, SUMMARY)
    scored, rejected = (
        list(csv.DictReader(io.StringIO(text.getvalue(), newline=""))) for text in (good, bad)
    )
    return summary, scored, rejected


@pytest.fixture
def table(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="churned").head(20)


def text(frame: pd.DataFrame, **form: Any) -> bytes:
    return str(frame.to_csv(index=False, **form)).encode()


def test_a_file_is_answered_as_the_api_answers_its_customers(
    model: Model, frame: pd.DataFrame, schema: Schema
) -> None:
    _, scored, _ = score(model, text(frame))
    answers = predict(model, to_json(frame, schema))
    assert [
        (float(r["churn_probability"]), r["will_churn"] == "true", r["risk"], r["model_version"])
        for r in scored
    ] == [(a.churn_probability, a.will_churn, a.risk, a.model_version) for a in answers]


@pytest.mark.parametrize(
    "form",
    [{}, {"lineterminator": "\r\n"}, {"lineterminator": "\r"}, {"quoting": csv.QUOTE_ALL}],
)
def test_every_program_ends_and_quotes_its_lines_in_its_own_way(
    model: Model, table: pd.DataFrame, form: dict[str, Any]
) -> None:
    summary, scored, rejected = score(model, text(table, **form))
    assert (summary.scored, rejected) == (20, [])
    assert [row["customer_id"] for row in scored] == table["customer_id"].tolist()


def test_the_outcome_and_other_columns_may_be_there_in_any_order(
    model: Model, frame: pd.DataFrame
) -> None:
    shuffled = frame[frame.columns[::-1]].head(20).assign(**{"Kundennummer ü": "é"})
    _, scored, _ = score(model, text(shuffled))
    assert list(scored[0]) == [*shuffled.columns, *ADDED]
    assert scored[0]["Kundennummer ü"] == "é"


def test_a_file_that_was_scored_before_can_be_scored_again(
    model: Model, table: pd.DataFrame
) -> None:
    old = table.assign(churn_probability="?", will_churn="?", risk="?", model_version="old")
    good = io.StringIO()
    score_table(model, io.StringIO(text(old).decode(), newline=""), good, io.StringIO(), SUMMARY)
    header, row, *_ = csv.reader(io.StringIO(good.getvalue(), newline=""))
    assert header == [*table.columns, *ADDED]
    assert row[-1] == model.version


def test_empty_lines_are_no_customers(model: Model, table: pd.DataFrame) -> None:
    content = text(table).replace(b"\n", b"\n\n")
    summary, _, _ = score(model, content)
    assert (summary.scored, summary.rejected) == (20, 0)


def test_a_rejected_row_names_the_line_on_which_it_ends(model: Model, table: pd.DataFrame) -> None:
    table = table.assign(note=["a\nb", "c", *["d"] * 18])
    table.loc[1, "contract"] = "eternal"
    _, _, (rejected,) = score(model, text(table))
    assert rejected["line"] == "4"
    assert rejected["note"] == "c"


def test_every_reason_of_a_row_is_told(model: Model, table: pd.DataFrame) -> None:
    table = table.copy()
    table.loc[0, ["contract", "monthly_fee", "satisfaction"]] = ["", "-1", "9"]
    _, _, (rejected,) = score(model, text(table))
    assert rejected["reason"].split("; ") == [
        "contract: is required: expected one of 'monthly', 'yearly', 'two-year'",
        "monthly_fee: expected a number of at least 0, got '-1'",
        "satisfaction: expected a whole number from 1 to 5, got '9'",
    ]


def test_a_file_without_one_good_row_is_rejected_row_by_row(
    model: Model, table: pd.DataFrame
) -> None:
    summary, scored, rejected = score(model, text(table.assign(contract="?")))
    assert (summary.scored, summary.rejected, summary.will_churn) == (0, 20, 0)
    assert (scored, len(rejected)) == ([], 20)


def test_a_file_of_nothing_but_ragged_rows_is_rejected_row_by_row(
    model: Model, table: pd.DataFrame
) -> None:
    header = text(table.head(0))
    summary, _, rejected = score(model, header + b"a,b\n" * 3)
    assert (summary.scored, summary.rejected) == (0, 3)
    assert rejected[0]["reason"] == "the row has 2 cells, the header 15"


def test_a_header_that_names_no_feature_is_no_table_of_customers(model: Model) -> None:
    document = json.loads(json.dumps(model.schema.document))
    for field in document["fields"]:
        field.get("constraints", {}).pop("required", None)
    forgiving = replace(model, schema=Schema(document))
    for header in ("", "customer_id,note\n", "customer_id;satisfaction\n"):
        with pytest.raises(TableError, match="the header lacks tenure_months, contract"):
            score(forgiving, header.encode())


@pytest.mark.parametrize("count", [4_999, 5_000, 5_001, 10_001])
def test_no_row_is_lost_where_chunks_meet(model: Model, table: pd.DataFrame, count: int) -> None:
    header, row, *_ = text(table).splitlines(keepends=True)
    bad = row.replace(b"C0001-000000", b"last").replace(b",", b",?", 1)
    summary, scored, rejected = score(model, header + row * (count - 1) + bad)
    assert (summary.scored, summary.rejected) == (count - 1, 1)
    assert len(scored) == count - 1
    assert (rejected[0]["customer_id"], rejected[0]["line"]) == ("last", str(count + 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfea\x00", "not UTF-8"),
        ("name\nJürgen\n".encode("latin-1"), "not UTF-8|lacks"),
        (b"\n", "found: nothing"),
        (b'"', "not a CSV"),
    ],
)
def test_what_is_no_table_is_told(model: Model, content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        score(model, content)


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5)


@settings(max_examples=40, deadline=None)
@given(notes=st.lists(cells, min_size=20, max_size=20))
def test_what_stands_in_other_columns_comes_back_as_it_was(
    notes: list[str], model: Model, frame: pd.DataFrame
) -> None:
    table = frame.drop(columns="churned").head(20)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*table.columns, "note"])
    writer.writerows([*row, note] for row, note in zip(table.to_numpy(), notes, strict=True))
    _, scored, rejected = score(model, out.getvalue().encode())
    assert rejected == []
    assert [row["note"] for row in scored] == notes
