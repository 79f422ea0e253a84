"""Tables of customers in memory, from files of all kinds."""

import gzip
import json
from collections.abc import Callable

import pandas as pd
import pytest

from evergreen.customers.numbers import NumberFormat
from evergreen.customers.schema import Schema
from evergreen.customers.table import Table
from evergreen.errors import TableError
from local.demo.source import to_json


def text(frame: pd.DataFrame, delimiter: str = ",") -> bytes:
    return str(frame.to_csv(index=False, sep=delimiter)).encode()


@pytest.fixture
def few(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.head(20)


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "a.csv": bytes,
    "A.CSV": bytes,
    "training/b.Csv": bytes,
    "c.tsv": lambda content: content.replace(b",", b"\t"),
    "d.csv.gz": gzip.compress,
    "D.CSV.GZ": gzip.compress,
    "e.tsv.gz": lambda content: gzip.compress(content.replace(b",", b"\t")),
    "two members.csv.gz": lambda c: gzip.compress(c[:500]) + gzip.compress(c[500:]),
}


@pytest.mark.parametrize("name", KINDS)
def test_tables_of_all_kinds_are_read(name: str, schema: Schema, few: pd.DataFrame) -> None:
    read = Table.read(KINDS[name](text(few)), name, schema)
    assert read.columns == {column: few[column].tolist() for column in few}
    assert list(read.columns) == list(few)
    assert list(read.lines) == list(range(2, 22))
    assert (read.name, read.rejected, read.formats) == (name, [], {})


@pytest.mark.parametrize("name", ["a.jsonl", "A.JSONL", "b.jsonl.gz"])
def test_json_lines_keep_their_values(name: str, schema: Schema, few: pd.DataFrame) -> None:
    customers = [
        {**customer, "churned": left}
        for customer, left in zip(to_json(few, schema), few["churned"], strict=True)
    ]
    lines = [json.dumps(customer).encode() for customer in customers]
    lines[3:3] = [b"", b"[1]", b'{"tenure_months": ', b"\xff"]
    content = b"\xef\xbb\xbf" + b"\r\n".join(lines)
    read = Table.read(gzip.compress(content) if name.endswith("gz") else content, name, schema)
    names = dict.fromkeys(name for customer in customers for name in customer)
    assert read.columns == {n: [customer.get(n) for customer in customers] for n in names}
    assert list(read.lines) == [1, 2, 3, *range(8, 25)]
    assert [each.line for each in read.rejected] == [5, 6, 7]
    assert [each.reason.partition(":")[0] for each in read.rejected] == [
        "the line is no JSON object",
        "the line is not JSON",
        "the line is not JSON",
    ]
    assert read.dialect is None


def test_a_json_line_too_long_to_be_kept_is_told(schema: Schema) -> None:
    long = b'{"note": "%b"}' % (b"x" * 3_000_000)
    read = Table.read(b'{"a": 1}\n' + long + b'\n{"a": 2}\n', "a.jsonl")
    assert read.columns == {"a": [1, 2]}
    (rejected,) = read.rejected
    assert (rejected.line, rejected.reason) == (2, "the line is longer than 1,048,576 bytes")
    assert len(rejected.text) < 1_100_000


def test_objects_may_have_other_fields_each() -> None:
    read = Table.read(b'{"a": 1}\n{"b": null, "a": "x"}\n{"c": [1]}\n', "a.jsonl")
    assert read.columns == {"a": [1, "x", None], "b": [None, None, None], "c": [None, None, [1]]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", r"a\.csv: the file is empty"),
        ("a.csv.gz", b"", r"a\.csv\.gz: the file is empty"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), r"a\.csv\.gz: the file is empty"),
        (
            "a.csv.gz",
            gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9],
            "can't be unpacked: Compressed file",
        ),
        ("a.csv.gz", b"a,b\n1,2\n", "can't be unpacked: Not a gzipped file"),
        ("a.jsonl.gz", gzip.compress(b"{}" * 99, mtime=0)[:12], "can't be unpacked"),
        ("a.jsonl", b"", "there is no JSON object in it"),
        ("a.jsonl", b"\n\n[]\n", "there is no JSON object in it"),
        ("a.csv", b'"a,b\n1,2\n', "the header can't be read: unexpected end of data"),
        ("x/sheet.XLSX", b"PK", "x/sheet.XLSX is an Excel workbook: save the sheet as CSV UTF-8"),
        ("a.parquet", b"PAR1", "is Parquet"),
        ("a.json", b"[]", "is JSON: put one object on each line"),
        ("notes.txt", b"a", "is text: if it is a table, call it .csv"),
        ("a.gz", b"a", "is compressed, but by its name no table"),
        ("csv", b"a", "csv is not known by its name"),
        (".csv/readme", b"a", "is not known by its name"),
    ],
)
def test_what_is_no_readable_table_is_told(name: str, content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        Table.read(content, name)


def test_without_a_schema_names_are_trimmed_and_cells_stand_as_they_are() -> None:
    read = Table.read(b" a ;B;;a\n 1,5 ;x;;4\n", "a.csv")
    assert read.columns == {"a": [" 1,5 "], "B": ["x"]}


def test_an_absent_optional_column_is_no_column(schema: Schema, few: pd.DataFrame) -> None:
    read = Table.read(text(few.drop(columns="satisfaction")), "h.csv", schema)
    assert "satisfaction" not in read.columns
    assert read.header is not None
    assert read.header.absent == ("satisfaction",)


@pytest.mark.parametrize("column", ["customer_id", "monthly_fee", "churned"])
def test_a_labelled_table_must_have_what_is_learned_from(
    column: str, schema: Schema, few: pd.DataFrame
) -> None:
    objects = [{k: v for k, v in row.items() if k != column} for row in few.to_dict("records")]
    lines = "\n".join(map(json.dumps, objects)).encode()
    for name, content in (("h.csv", text(few.drop(columns=column))), ("h.jsonl", lines)):
        with pytest.raises(TableError, match=f"^{name}: the header lacks {column}"):
            Table.read(content, name, schema)


def test_foreign_numbers_become_plain_ones(schema: Schema, few: pd.DataFrame) -> None:
    german = few.assign(
        monthly_fee=[fee.replace(".", ",") for fee in few["monthly_fee"]],
        data_usage_gb=["1.234,5", " 12,25 ", *few["data_usage_gb"].str.replace(".", ",")[2:]],
        note="1,5",
    )
    read = Table.read(text(german, ";"), "h.csv", schema)
    assert read.columns["monthly_fee"] == few["monthly_fee"].tolist()
    assert read.columns["data_usage_gb"][:2] == ["1234.5", "12.25"]
    assert read.columns["note"] == ["1,5"] * 20
    assert read.columns["contract"] == few["contract"].tolist()
    assert read.formats["data_usage_gb"] == NumberFormat(",", ".")
    assert read.formats["monthly_fee"].decimal == ","
    expected = {name: few[name].tolist() for name in schema.feature_names}
    expected["data_usage_gb"][:2] = ["1234.5", "12.25"]
    matrix, problems = schema.encode(read.columns, 20)
    assert not problems
    assert matrix.tobytes() == schema.encode(expected, 20).matrix.tobytes()


def test_equal_cells_are_one_text_in_memory(few: pd.DataFrame) -> None:
    contracts = Table.read(text(few), "a.csv").columns["contract"]
    assert len(set(map(id, contracts))) == len(set(contracts))
