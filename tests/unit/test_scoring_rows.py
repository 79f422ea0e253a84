"""Rows of an uploaded file, in all the ways in which people's programs write them."""

import csv
import gzip
import io
import json
import re
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers import files
from evergreen.customers.schema import Schema
from evergreen.customers.values import defused
from evergreen.errors import TableError
from evergreen.jobs.answering.explaining import explain
from evergreen.jobs.answering.prediction import predict
from evergreen.jobs.files.answers import ANSWERS, REASONS
from evergreen.jobs.files.filed import Filed
from evergreen.jobs.files.scoring import score as score_file
from evergreen.jobs.files.streaming import Results
from evergreen.jobs.files.summary import Summary
from evergreen.models.answers import risk, rounded
from evergreen.models.decisions import decide
from evergreen.models.model import Model
from local.demo.source import to_json

AMOUNTS = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}
SUMMARY = Summary(source="incoming/a.csv", upload="1", model_version="v")
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Outcome:
    summary: Summary
    answered: bytes
    refused: bytes
    records: list[dict[str, Any]]

    @property
    def counts(self) -> tuple[int, int]:
        return self.summary.scored, self.summary.rejected

    @property
    def scored(self) -> Rows:
        return rows(self.answered)

    @property
    def rejected(self) -> Rows:
        return rows(self.refused)


def score(model: Model, content: bytes, name: str = "a.csv", **more: Any) -> Outcome:
    """Score a file as it lies in the bucket."""
    kind = files.kind(name)
    assert kind
    good, bad, records = io.BytesIO(), io.BytesIO(), list[bytes]()
    filed = Filed("f00d", "2026-01-01T00:00:00+00:00", model.version, model.schema)
    summary = score_file(
        model,
        files.unpacked(io.BytesIO(content), kind),
        kind,
        Results(good, bad, records.append),
        SUMMARY,
        filed=filed,
        **more,
    )
    lines = b"".join(gzip.decompress(each) for each in records if each).splitlines()
    return Outcome(summary, good.getvalue(), bad.getvalue(), [orjson.loads(line) for line in lines])


def with_target(model: Model, **stated: Any) -> Model:
    """Let the schema state more."""
    document = json.loads(json.dumps(model.schema.document))
    document["target"] |= stated
    return replace(model, schema=Schema(document))


def grid(content: bytes, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(encoding), newline=""), delimiter=delimiter))


def rows(content: bytes, encoding: str = "utf-8-sig", delimiter: str = ",") -> Rows:
    header, *cells = grid(content, encoding, delimiter)
    return [dict(zip(header, row, strict=True)) for row in cells]


@pytest.fixture
def table(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="churned").head(20)


def text(frame: pd.DataFrame, **form: Any) -> bytes:
    return str(frame.to_csv(index=False, **form)).encode()


def test_a_file_is_answered_as_the_api_answers_its_customers(
    model: Model, frame: pd.DataFrame, schema: Schema
) -> None:
    outcome = score(model, text(frame))
    answers = predict(model, to_json(frame, schema))
    assert [
        (float(r["churn_probability"]), r["will_churn"] == "true", r["risk"], r["model_version"])
        for r in outcome.scored
    ] == [(a["churn_probability"], a["will_churn"], a["risk"], a["model_version"]) for a in answers]
    assert outcome.summary.will_churn == sum(answer["will_churn"] for answer in answers)


@pytest.mark.parametrize(
    "form",
    [{}, {"lineterminator": "\r\n"}, {"lineterminator": "\r"}, {"quoting": csv.QUOTE_ALL}],
)
def test_rows_come_back_byte_for_byte_with_answers_behind(
    model: Model, table: pd.DataFrame, form: dict[str, Any]
) -> None:
    noted = table.assign(note=["é", '"', "two\nlines", " padded ", *["-12.5"] * 16])
    content = text(noted, **form)
    outcome = score(model, content)
    assert outcome.counts == (20, 0)
    assert [row["customer_id"] for row in outcome.scored] == table["customer_id"].tolist()
    newline = form.get("lineterminator", "\n").encode()
    lines, given = (c.split(newline)[5:] for c in (outcome.answered, content))
    assert len(lines) == len(given)
    pairs = list(zip(lines, given, strict=True))[:-1]
    assert pairs
    assert all(line.startswith(old + b",") for line, old in pairs)


def test_the_outcome_and_other_columns_may_be_there_in_any_order(
    model: Model, frame: pd.DataFrame
) -> None:
    shuffled = frame[frame.columns[::-1]].head(20).assign(**{"Kundennummer ü": "é"})
    outcome = score(model, text(shuffled))
    assert list(outcome.scored[0]) == [*shuffled.columns, *ANSWERS]
    assert outcome.scored[0]["Kundennummer ü"] == "é"
    assert outcome.summary.ignored_fields == ["Kundennummer ü", "churned"]
    assert not any("churned" in record["customer"] for record in outcome.records)


def test_empty_lines_are_no_customers(model: Model, table: pd.DataFrame) -> None:
    outcome = score(model, text(table).replace(b"\n", b"\n\n" + b"," * 14 + b"\n"))
    assert outcome.counts == (20, 0)
    assert outcome.summary.blank_lines == 42


def test_a_rejected_row_names_the_line_on_which_it_ends(model: Model, table: pd.DataFrame) -> None:
    table = table.assign(note=["a\nb", "c", *["d"] * 18])
    table.loc[1, "contract"] = "eternal"
    (rejected,) = score(model, text(table)).rejected
    assert rejected["line"] == "4"
    assert rejected["note"] == "c"


def test_every_reason_of_a_row_is_told(model: Model, table: pd.DataFrame) -> None:
    table = table.copy()
    table.loc[0, ["contract", "monthly_fee", "satisfaction"]] = ["", "-1", "9"]
    (rejected,) = score(model, text(table)).rejected
    assert rejected["reason"].split("; ") == [
        "contract: is required: expected one of 'monthly', 'yearly', 'two-year'",
        "monthly_fee: expected a number of at least 0, got '-1'",
        "satisfaction: expected a whole number from 1 to 5, got '9'",
    ]


def test_a_file_without_one_good_row_is_rejected_row_by_row(
    model: Model, table: pd.DataFrame
) -> None:
    outcome = score(model, text(table.assign(contract="?")))
    assert (*outcome.counts, outcome.summary.will_churn) == (0, 20, 0)
    assert (outcome.scored, len(outcome.rejected), outcome.records) == ([], 20, [])


def test_a_file_of_nothing_but_ragged_rows_is_rejected_row_by_row(
    model: Model, table: pd.DataFrame
) -> None:
    outcome = score(model, text(table.head(0)) + b'a,b\n"a,b",c\n' + b"x," * 17 + b"x\n")
    assert outcome.counts == (0, 3)
    assert [r["reason"] for r in outcome.rejected] == [
        f"the row has {count} cells, the header 15" for count in (2, 2, 18)
    ]
    assert [*outcome.rejected[1].values()][:3] == ["a,b", "c", ""]
    assert [*outcome.rejected[2].values()][14] == "x,x,x,x"


def test_a_header_alone_is_no_customer(model: Model, table: pd.DataFrame) -> None:
    outcome = score(model, text(table.head(0)))
    assert outcome.counts == (0, 0)
    assert outcome.scored == outcome.rejected == outcome.records == []


def test_a_header_that_names_no_feature_is_no_table_of_customers(model: Model) -> None:
    document = json.loads(json.dumps(model.schema.document))
    for field in document["fields"]:
        field.get("constraints", {}).pop("required", None)
    forgiving = replace(model, schema=Schema(document))
    for header in ("customer_id,note\n", "customer_id;other\n"):
        with pytest.raises(TableError, match="the header lacks tenure_months, contract"):
            score(forgiving, header.encode())


@pytest.mark.parametrize("count", [4_999, 5_000, 5_001, 30_001])
def test_no_row_is_lost_where_blocks_meet(model: Model, table: pd.DataFrame, count: int) -> None:
    header, row, *_ = text(table).splitlines(keepends=True)
    bad = row.replace(b"C0001-000000", b"last").replace(b",", b",?", 1)
    outcome = score(model, header + row * (count - 1) + bad)
    assert outcome.counts == (count - 1, 1)
    assert outcome.answered.count(b"\n") == len(outcome.records) + 1 == count
    (rejected,) = outcome.rejected
    assert (rejected["customer_id"], rejected["line"]) == ("last", str(count + 1))
    assert [r["prediction_id"] for r in outcome.records] == [
        f"f00d-{n}" for n in range(2, 1 + count)
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\xff\xfea\x00", "lacks"),
        ("name\nJürgen\n".encode("latin-1"), "lacks"),
        (b"\n", "empty"),
        (b'"', "the header can't be read|no header"),
        (b"PK\x03\x04" + bytes(100), "an Excel workbook"),
    ],
)
def test_what_is_no_table_is_told(model: Model, content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        score(model, content)


def test_a_file_that_takes_too_long_is_told_what_to_do(model: Model, table: pd.DataFrame) -> None:
    with pytest.raises(TableError, match=r"after 0 rows: put it in in pieces"):
        score(model, text(table), in_time=lambda: False)


def case(frame: pd.DataFrame, what: str) -> bytes:
    """Write twenty customers as somebody in the field did."""
    plain = text(frame)
    german = text(frame.assign(monthly_fee=frame["monthly_fee"].str.replace(".", ",")), sep=";")
    named = frame.assign(name="Müller")
    return {
        "semicolons and decimal commas": german.replace(b"\n", b"\r\n"),
        "tabs": text(frame, sep="\t"),
        "pipes": text(frame, sep="|"),
        "decimal commas in quotes": text(
            frame.assign(monthly_fee=frame["monthly_fee"].str.replace(".", ","))
        ),
        "Windows-1252": text(named).decode().encode("cp1252"),
        "UTF-16": b"\xff\xfe" + text(named, sep="\t").decode().encode("utf-16-le"),
        "UTF-16, big endian": b"\xfe\xff" + text(named).decode().encode("utf-16-be"),
        "BOM": b"\xef\xbb\xbf" + plain,
        "sep=": b"sep=;\r\n" + german,
        "unnamed columns": plain.replace(b"\n", b",,\n"),
        "padded header": plain.replace(
            b"tenure_months,contract,", " Tenure_Months ,contract\u00a0,".encode(), 1
        ),
        "empty line above": b"\n" + plain,
        "absent column": text(frame.drop(columns="satisfaction")),
        "level as number": text(frame.assign(has_app=frame["has_app"].str.upper())),
    }[what]  # fmt: skip


CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "semicolons and decimal commas": (
        "utf-8", ";",
        {"read_as": {"encoding": "UTF-8", "delimiter": "semicolon", "decimal": "comma"}},
    ),
    "tabs": ("utf-8", "\t", {"read_as": {"encoding": "UTF-8", "delimiter": "tab"}}),
    "pipes": ("utf-8", "|", {"read_as": {"encoding": "UTF-8", "delimiter": "pipe"}}),
    "decimal commas in quotes": ("utf-8", ",", {}),
    "Windows-1252": (
        "cp1252", ",",
        {
            "read_as": {"encoding": "Windows-1252", "delimiter": "comma"},
            "ignored_fields": ["name"],
        },
    ),
    "UTF-16": ("utf-16", "\t", {"read_as": {"encoding": "UTF-16", "delimiter": "tab"}}),
    "UTF-16, big endian": (
        "utf-16", ",",
        {"read_as": {"encoding": "UTF-16", "delimiter": "comma"}},
    ),
    "BOM": ("utf-8-sig", ",", {"read_as": {"encoding": "UTF-8 with BOM", "delimiter": "comma"}}),
    "sep=": ("utf-8", ";", {}),
    "unnamed columns": (
        "utf-8", ",",
        {
            "read_as": {"encoding": "UTF-8", "delimiter": "comma", "unnamed_columns": 2},
            "ignored_fields": [],
        },
    ),
    "padded header": (
        "utf-8", ",",
        {"matched_columns": {" Tenure_Months ": "tenure_months", "contract\u00a0": "contract"}},
    ),
    "empty line above": ("utf-8", ",", {"matched_columns": {}, "absent_fields": []}),
    "absent column": ("utf-8", ",", {"absent_fields": ["satisfaction"]}),
    "level as number": ("utf-8", ",", {"renamed_answers": {}}),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_files_from_the_field_are_scored_and_come_back_in_their_dialect(
    what: str, model: Model, table: pd.DataFrame
) -> None:
    encoding, delimiter, said = CASES[what]
    content = case(table, what)
    outcome = score(model, content)
    assert outcome.counts == (20, 0), outcome.refused.decode(encoding)
    assert {name: getattr(outcome.summary, name) for name in said} == said
    expected = score(model, text(table.drop(columns=outcome.summary.absent_fields))).scored
    found = grid(outcome.answered, encoding, delimiter)
    if what == "sep=":
        assert outcome.summary.read_as["above_header"] == "1 line (sep=)"
        assert found.pop(0) == ["sep=", ""]
    given = [row for row in grid(content, encoding, delimiter) if row and "sep=" not in row]
    assert [row[:-4] for row in found] == given
    comma = "comma" in outcome.summary.read_as.get("decimal", "")
    probabilities = [row[-4].replace(",", ".") if comma else row[-4] for row in found[1:]]
    assert probabilities == [row["churn_probability"] for row in expected]
    assert comma == ("commas" in what or what == "sep=")
    if encoding == "utf-16":
        assert outcome.answered[:2] == outcome.refused[:2] == content[:2]
    again = score(model, outcome.answered)
    assert (again.answered, again.refused) == (outcome.answered, outcome.refused)
    said_again = [record["churn_probability"] for record in again.records]
    assert said_again == [record["churn_probability"] for record in outcome.records]


@pytest.mark.parametrize("what", CASES)
def test_rejected_rows_come_back_in_their_dialect_and_can_be_put_in_again(
    what: str, model: Model, table: pd.DataFrame
) -> None:
    encoding, delimiter, _ = CASES[what]
    some = table.assign(region=["?", *table["region"][1:]])
    outcome = score(model, case(some, what))
    assert outcome.counts == (19, 1)
    *_, rejected = grid(outcome.refused, encoding, delimiter)
    assert rejected[-1].startswith("region: expected one of 'north'")
    mended = outcome.refused.decode(encoding).replace("?", "north", 1)
    bom = b"" if encoding != "utf-16" else outcome.refused[:2]
    form = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(bom, encoding)
    again = score(model, bom + mended.encode(form))
    assert again.counts == (1, 0)
    header, row = grid(again.answered, encoding, delimiter)[-2:]
    assert header[-4:] == list(ANSWERS)
    assert row[:-4] == [cell.replace("?", "north") for cell in rejected[:-2]]


def test_a_name_in_windows_1252_is_given_back_in_it(model: Model, table: pd.DataFrame) -> None:
    outcome = score(model, case(table, "Windows-1252"))
    assert outcome.answered.count(b"M\xfcller") == 20
    assert outcome.records[0]["customer"]["name"] == "Müller"


def test_columns_of_the_users_own_survive_and_ours_step_aside(
    model: Model, table: pd.DataFrame
) -> None:
    own = {"risk": list("ABCD") * 5, "churn_probability": "x", "line": "7", "reason": "mine"}
    content = text(table.assign(**own, contract=["?", *table["contract"][1:]]))
    outcome = score(model, content)
    assert outcome.counts == (19, 1)
    assert outcome.summary.renamed_answers == {
        name: f"evergreen_{name}" for name in ("churn_probability", "risk", "line", "reason")
    }
    assert outcome.scored[0] | {"risk": "B", "line": "7", "reason": "mine"} == outcome.scored[0]
    assert outcome.scored[0]["evergreen_risk"] in ("low", "medium", "high")
    assert outcome.rejected[0]["line"] == "7"
    assert outcome.rejected[0]["evergreen_line"] == "2"
    again = score(model, outcome.answered)
    assert again.answered == outcome.answered
    mended = score(model, outcome.refused.replace(b"?", b"yearly"))
    assert list(mended.scored[0]) == list(outcome.scored[0])
    assert mended.scored[0]["reason"] == "mine"


def test_a_field_of_the_schema_that_is_called_as_an_answer_stays_one(
    model: Model, table: pd.DataFrame
) -> None:
    document = json.loads(json.dumps(model.schema.document))
    renamed = {"region": "risk", "contract": "Model_Version"}
    for field in document["fields"]:
        field["name"] = renamed.get(field["name"], field["name"])
    other = replace(model, schema=Schema(document))
    outcome = score(other, text(table.rename(columns=renamed)))
    assert outcome.summary.renamed_answers == {
        "risk": "evergreen_risk",
        "model_version": "evergreen_model_version",
    }
    assert [row["risk"] for row in outcome.scored] == table["region"].tolist()
    assert score(other, outcome.answered).answered == outcome.answered


def test_answers_of_before_are_replaced_and_not_doubled(model: Model, table: pd.DataFrame) -> None:
    old = table.assign(churn_probability="?", will_churn="?", risk="?", model_version="old")
    header, row, *_ = grid(score(model, text(old)).answered)
    assert header == [*table.columns, *ANSWERS]
    assert row[-1] == model.version


def test_own_columns_called_line_and_reason_survive(model: Model, table: pd.DataFrame) -> None:
    mine = table.assign(line="3", reason="asked to be called")
    assert [*score(model, text(mine)).scored[0]][-6:] == ["line", "reason", *ANSWERS]
    long = pd.concat([table.assign(line="3", reason="contract: expected")] * 800)
    header, *_ = grid(score(model, text(long)).answered)
    assert header == [*table.columns, *ANSWERS]  # also where the first bytes end within a reason


def test_what_a_spreadsheet_would_execute_is_defused_and_numbers_are_not(
    model: Model, table: pd.DataFrame
) -> None:
    cells = ["=1+1", "+SUM(A1)", "@x", "-2+3", " =1", "\t=1", "\u00a0=1", "\v=1", "\uff1d1"]
    harmless = ["-12.5", "+49 30 1234", "-", "-1,5 %", "", " ", "a=1", "\u00a0a", "\uff21"]
    noted = table.assign(note=[*cells, *harmless, "x", "y"], last=["", *["b"] * 19])
    for bad in (False, True):
        outcome = score(model, text(noted.assign(contract="?") if bad else noted))
        found = [row["note"] for row in (outcome.rejected if bad else outcome.scored)]
        assert found[:9] == [f"'{cell}" for cell in cells]
        assert found[9:] == [*harmless, "x", "y"]
    quoted = score(model, text(noted, quoting=csv.QUOTE_ALL)).answered.splitlines()
    assert quoted[1].startswith(b"C0001-000000,")
    assert quoted[12].startswith(b'"C0001-000011","')


def test_unread_rows_are_defused_too(model: Model, table: pd.DataFrame) -> None:
    header = text(table.head(0))
    outcome = score(model, header + b"=1+1,b\n" + b'"=1,b\n')
    assert [next(iter(row.values())) for row in outcome.rejected] == ["'=1+1", '"=1']


def test_a_header_is_defused(model: Model, table: pd.DataFrame) -> None:
    outcome = score(model, text(table.assign(**{"=note": "x"})))
    assert "'=note" in outcome.scored[0]


def test_spoilt_rows_are_rejected_and_the_rest_is_scored(model: Model, table: pd.DataFrame) -> None:
    lines = text(table.assign(note="é x")).splitlines(keepends=True)
    lines[2] = lines[2].replace("é x".encode(), b'"x')
    lines[4] = lines[4].replace(b"x\n", b"x\0\n")
    lines[6] = lines[6].replace(b"x\n", b"x" * 200_000 + b"\n")
    lines[8] = lines[8].replace(b"x\n", b"\xff\n")
    lines[10] = lines[10].replace(b"x\n", b"x\ry\n")
    outcome = score(model, lines[0] + b"".join(lines[1:]) + b"".join(lines[11:]) * 98)
    assert outcome.counts == (15 + 98 * 10, 5)
    assert [row["line"] for row in outcome.rejected] == ["3", "5", "7", "9", "11"]
    assert all(row["reason"].startswith("the row ") for row in outcome.rejected)
    assert outcome.rejected[2]["note"].endswith("x…")
    assert len(outcome.refused) < 5_000


def test_a_file_of_one_column_loses_no_row(model: Model) -> None:
    document = json.loads(json.dumps(model.schema.document))
    for field in document["fields"]:
        field.get("constraints", {}).pop("required", None)
    forgiving = replace(model, schema=Schema(document))
    outcome = score(forgiving, b"satisfaction\n1\n\n9\n3\n\n")
    assert outcome.counts == (3, 1)
    assert [row["satisfaction"] for row in outcome.scored] == ["1", "", "3"]
    assert score(forgiving, outcome.answered).answered == outcome.answered


def test_numbers_as_a_schema_states_them(model: Model, table: pd.DataFrame) -> None:
    document = json.loads(json.dumps(model.schema.document))
    (fee,) = (field for field in document["fields"] if field["name"] == "monthly_fee")
    (calls,) = (f for f in document["fields"] if f["name"] == "satisfaction")
    fee |= {"decimalChar": ",", "groupChar": "."}
    calls["missingValues"] = ["", "-99"]
    stated = replace(model, schema=Schema(document))
    fees, plain = ["1.234", "1.234,56", "74,90"], ["1234", "1234.56", "74.9"]
    few = table.head(3).assign(satisfaction=["-99", "3", "-99"])
    outcome = score(stated, text(few.assign(monthly_fee=fees)))
    assert outcome.counts == (3, 0)
    same = score(model, text(few.assign(monthly_fee=plain, satisfaction=["", "3", ""]))).scored
    answers = [row["churn_probability"].replace(",", ".") for row in outcome.scored]
    assert answers == [row["churn_probability"] for row in same]
    assert [record["customer"]["monthly_fee"] for record in outcome.records] == fees


def test_a_cell_that_starts_with_a_carriage_return_is_defused_in_files_of_a_mac(
    model: Model, table: pd.DataFrame
) -> None:
    noted = text(table.assign(note="\rx"), lineterminator="\r", quoting=csv.QUOTE_ALL)
    lines = grid(score(model, noted).answered)
    assert {row[-5] for row in lines[1:]} == {"'\rx"}


# ------------------------------------------------------------ money and reasons


def test_where_money_is_stated_each_row_has_its_worth_and_its_own_threshold(
    model: Model, table: pd.DataFrame, schema: Schema
) -> None:
    for worth in (200, "monthly_fee"):
        valued = with_target(model, value=AMOUNTS | {"worth": worth, "acceptance": 0.9})
        matrix = schema.encode_rows(to_json(table, schema))[0]
        probabilities = rounded(model.probabilities(matrix))
        decisions = decide(valued, matrix, probabilities)
        assert decisions.expected is not None
        outcome = score(valued, text(table))
        assert [*outcome.scored[0]] == [*table.columns, *ANSWERS, "expected_value"]
        found = [(row["will_churn"], row["risk"], row["expected_value"]) for row in outcome.scored]
        assert found == [
            (str(p >= t).lower(), risk(p, t), f"{worth:.2f}")
            for p, t, worth in zip(
                probabilities.tolist(),
                decisions.thresholds.tolist(),
                decisions.expected.tolist(),
                strict=True,
            )
        ]
        assert 0 < outcome.summary.will_churn == sum(row[0] == "true" for row in found) < 20
        lines = score(valued, lines_of(to_json(table, schema)), "a.jsonl")
        told = [json.loads(line) for line in lines.answered.splitlines()]
        assert [(str(t["will_churn"]).lower(), t["risk"], f"{t['expected_value']:.2f}")
                for t in told] == found  # fmt: skip


def test_the_strongest_reasons_stand_behind_a_row(
    model: Model, table: pd.DataFrame, schema: Schema
) -> None:
    explained = explain(model, schema.encode_rows(to_json(table, schema))[0], strongest=2)
    sentences = [[reason.sentence for reason in each.reasons] for each in explained]
    outcome = score(model, text(table), reasons=2)
    assert [*outcome.scored[0]] == [*table.columns, *ANSWERS, "reasons"]
    assert [row["reasons"] for row in outcome.scored] == ["; ".join(each) for each in sentences]
    assert outcome.records == score(model, text(table)).records
    lines = score(model, lines_of(to_json(table, schema)), "a.jsonl", reasons=2)
    assert [json.loads(line)["reasons"] for line in lines.answered.splitlines()] == sentences


def test_expected_values_are_written_as_the_file_writes_numbers(
    model: Model, table: pd.DataFrame
) -> None:
    valued = with_target(model, value=AMOUNTS | {"worth": "monthly_fee"})
    outcome = score(valued, case(table, "decimal commas in quotes"))
    assert all(re.fullmatch(r"-?\d+,\d\d", row["expected_value"]) for row in outcome.scored)
    assert any(row["expected_value"].startswith("-") for row in outcome.scored)


@pytest.mark.parametrize("reasons", [0, 3])
@pytest.mark.parametrize("valued", [False, True])
def test_answers_of_any_kind_are_replaced_where_a_file_comes_back(
    model: Model, table: pd.DataFrame, schema: Schema, reasons: int, valued: bool
) -> None:
    other = with_target(model, value=AMOUNTS) if valued else model
    first = score(other, text(table.assign(risk="A")), reasons=reasons)
    assert score(other, first.answered, reasons=reasons).answered == first.answered
    plain = score(model, text(table.assign(risk="A")))
    assert score(model, first.answered).answered == plain.answered
    objects = lines_of(to_json(table, schema))
    again = score(other, objects, "a.jsonl", reasons=reasons).answered
    told, expected = (
        [orjson.loads(line) for line in score(model, each, "a.jsonl").answered.splitlines()]
        for each in (again, objects)
    )
    assert told == expected


def test_a_field_that_is_called_expected_value_stays_one(model: Model, table: pd.DataFrame) -> None:
    document = json.loads(json.dumps(model.schema.document))
    for field in document["fields"]:
        field["name"] = {"region": "expected_value"}.get(field["name"], field["name"])
    document["target"]["value"] = AMOUNTS
    other = replace(model, schema=Schema(document))
    outcome = score(other, text(table.rename(columns={"region": "expected_value"})))
    assert outcome.summary.renamed_answers == {"expected_value": "evergreen_expected_value"}
    assert [row["expected_value"] for row in outcome.scored] == table["region"].tolist()
    assert score(other, outcome.answered).answered == outcome.answered


def test_a_reason_is_no_formula(model: Model, table: pd.DataFrame) -> None:
    document = json.loads(json.dumps(model.schema.document))
    for field in document["fields"]:
        field["title"] = f"=HYPERLINK({field['name']})"
    titled = replace(model, schema=Schema(document))
    outcome = score(titled, text(table), reasons=2)
    assert all(row["reasons"].startswith("'=HYPERLINK(") for row in outcome.scored)
    assert score(titled, outcome.answered, reasons=2).answered == outcome.answered


words = st.sampled_from(["", "a", "Müller", "Größe", "=1+1", "-3", "x;y", "a,b|c\td", "two\nlines"])
anything = st.text(
    st.one_of(st.sampled_from('",;|\t\r\n =-'), st.characters(exclude_categories=["Cs"])),
    max_size=5,
).map(lambda text: text.replace("\0", ""))
FORMS = [
    ("utf-8", b"", anything),
    ("utf-8", b"\xef\xbb\xbf", anything),
    ("cp1252", b"", words),
    ("utf-16-le", b"\xff\xfe", anything),
    ("utf-16-be", b"\xfe\xff", anything),
]


@settings(max_examples=60)
@given(
    data=st.data(),
    form=st.sampled_from(FORMS),
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    kinds=st.lists(st.sampled_from(["good", "bad", "ragged", "blank"]), min_size=1, max_size=12),
)
def test_any_table_comes_back_with_what_went_in(
    data: st.DataObject,
    form: tuple[str, bytes, st.SearchStrategy[str]],
    delimiter: str,
    newline: str,
    quoting: int,
    kinds: list[str],
    model: Model,
    frame: pd.DataFrame,
) -> None:
    encoding, bom, cells = form
    table = frame.drop(columns="churned").head(len(kinds))
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=quoting)  # type: ignore[arg-type]
    header = ["note", *table.columns, "other"]
    writer.writerow(header)
    expected: dict[str, list[list[str]]] = {"good": [], "bad": [], "ragged": []}
    for kind, customer in zip(kinds, table.to_numpy().tolist(), strict=True):
        if kind == "blank":
            out.write(newline)
            continue
        row = [data.draw(cells), *customer, data.draw(cells)]
        if kind == "bad":
            row[1 + list(table.columns).index("contract")] = "?"
        if kind == "ragged":
            row = ["a", "b"]
        writer.writerow(row)
        expected[kind].append([defused(cell) for cell in row])
    content = bom + out.getvalue().encode(encoding)
    outcome = score(model, content)
    refused = len(expected["bad"]) + len(expected["ragged"])
    assert outcome.counts == (len(expected["good"]), refused)
    assert outcome.summary.blank_lines == kinds.count("blank")
    assert outcome.answered.startswith(bom)
    assert outcome.refused.startswith(bom)
    answered, rejected = (
        grid(result.removeprefix(bom), encoding, delimiter)
        for result in (outcome.answered, outcome.refused)
    )
    assert answered[0] == [*header, *ANSWERS]
    assert rejected[0] == [*header, *REASONS]
    assert [row[:-4] for row in answered[1:]] == expected["good"]
    assert [row[:-2] for row in rejected[1:] if row[2]] == expected["bad"]
    assert len(outcome.records) == len(expected["good"])
    again = score(model, outcome.answered)
    assert again.counts == (len(expected["good"]), 0)
    assert grid(again.answered.removeprefix(bom), encoding, delimiter) == answered


def lines_of(objects: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in objects).encode()


def test_json_lines_are_answered_as_they_stand(
    model: Model, table: pd.DataFrame, schema: Schema
) -> None:
    customers = to_json(table, schema)
    customers[0] |= {"big": 12345678901234567890123, "exact": 0.10, "note": "=1+1 é"}
    customers[1] |= {"contract": "?"}
    content = lines_of(customers).replace(b"\n", b"\r\n\n").replace(b"0.1}", b"0.10 }")
    outcome = score(model, b"\xef\xbb\xbf" + content, "a.jsonl")
    assert outcome.counts == (19, 1)
    answered = outcome.answered.splitlines()
    given = content.split(b"\r\n\n")
    assert answered[0].startswith(given[0][:-1] + b',"churn_probability":')
    assert [json.loads(line)["risk"] for line in answered[1:]] == [
        answer["risk"] for answer in predict(model, customers[2:])
    ]
    rejected = json.loads(outcome.refused)
    assert rejected["line"] == 3
    assert rejected["reason"].startswith("contract: expected one of")
    assert [record["prediction_id"] for record in outcome.records[:2]] == ["f00d-1", "f00d-5"]
    assert outcome.summary.read_as == {"format": "JSON lines"}
    assert outcome.summary.ignored_fields == ["big", "exact", "note"]


def test_json_lines_can_be_put_in_again(model: Model, table: pd.DataFrame, schema: Schema) -> None:
    customers = to_json(table, schema)
    customers[3]["contract"] = "?"
    customers[4] |= {"risk": "A", "line": 5, "reason": "mine"}
    outcome = score(model, lines_of(customers), "a.jsonl")
    assert outcome.counts == (19, 1)
    assert json.loads(outcome.answered.splitlines()[3])["evergreen_risk"]
    again = score(model, outcome.answered, "a.jsonl").answered.splitlines()
    assert list(map(orjson.loads, again)) == list(map(orjson.loads, outcome.answered.splitlines()))
    mended = outcome.refused.replace(b'"?"', b'"yearly"')
    better = json.loads(score(model, mended, "a.jsonl").answered)
    assert list(better) == [*customers[3], *ANSWERS]
    (own,) = score(model, lines_of([customers[4]]), "a.jsonl").answered.splitlines()
    assert json.loads(own) | {"risk": "A", "line": 5, "reason": "mine"} == json.loads(own)


@pytest.mark.parametrize(
    "line", [b"{", b"[1]", b'{"a": "\\ud800"}', b'{"a": NaN}', b"\xff", b"1", b'{"a": 1e999}']
)
def test_a_line_that_is_no_object_is_rejected_alone(
    line: bytes, model: Model, table: pd.DataFrame, schema: Schema
) -> None:
    content = lines_of(to_json(table, schema))
    outcome = score(model, line + b"\n" + content, "a.jsonl")
    assert outcome.counts == (20, 1)
    rejected = json.loads(outcome.refused)
    assert rejected["line"] == 1
    assert rejected["reason"].startswith("the line is ")
    assert rejected["text"] == line.decode(errors="replace")


@pytest.mark.parametrize("count", [4_999, 5_000, 5_001])
def test_no_object_is_lost_where_batches_meet(
    model: Model, table: pd.DataFrame, schema: Schema, count: int
) -> None:
    line = lines_of(to_json(table, schema)[:1])
    outcome = score(model, gzip.compress(line * count + b"{"), "a.jsonl.gz")
    assert outcome.counts == (count, 1)
    assert json.loads(outcome.refused)["line"] == count + 1
    assert outcome.records[-1]["prediction_id"] == f"f00d-{count}"


def test_a_file_without_a_line_is_told(model: Model) -> None:
    for content in (b"", b"\n \n"):
        with pytest.raises(TableError, match="the file is empty"):
            score(model, content, "a.jsonl")
