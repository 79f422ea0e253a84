"""The layout of a file: told from its first bytes, stored, and used to read and to write it."""

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.dialect import Dialect
from evergreen.customers.layout import HEAD, Layout
from evergreen.customers.numbers import NumberFormat
from evergreen.customers.schema import Schema
from evergreen.errors import TableError

SCHEMA = Schema.parse(
    json.dumps(
        {
            "fields": [
                {"name": "plan", "type": "string", "constraints": {"enum": ["basic", "größer"]}},
                {"name": "monthly fee", "type": "number"},
                {"name": "months", "type": "integer"},
                {"name": "left", "type": "string", "constraints": {"enum": ["yes", "no"]}},
            ],
            "target": {"field": "left", "positive": "yes"},
        }
    )
)
HEADER = ["plan", "monthly fee", "months", "note\nof mine", "größe"]
ROWS = [["größer", "74.9", "12", "a", "é"], ["basic", "5", "7", "two\nlines", "ß"]]
DIALECTS = [
    Dialect(encoding, bom, delimiter, newline, above, separator)
    for encoding, bom in [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("cp1252", b""),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
    ]
    for delimiter in ",;\t|"
    for newline in ("\n", "\r\n", "\r")
    for above, separator in [(0, False), (2, False), (2, True)]
]


def written(dialect: Dialect, rows: list[list[str]]) -> tuple[bytes, bytes]:
    """Write a file, and return what comes before the first record and what from there on."""
    header, body = io.StringIO(newline=""), io.StringIO(newline="")
    if dialect.above:
        header.write(f"sep={dialect.delimiter}" if dialect.separator else "")
        header.write(dialect.newline * dialect.above)
    for out, those in ((header, [HEADER]), (body, rows)):
        csv.writer(out, delimiter=dialect.delimiter, lineterminator=dialect.newline).writerows(
            those
        )
    first, second = (out.getvalue().encode(dialect.encoding) for out in (header, body))
    return dialect.bom + first, second


def texts(layout: Layout, body: bytes) -> list[list[str]]:
    found = list(layout.blocks(io.BytesIO(body)))
    assert not any(block.rejected for block in found)
    return [block.row(row) for block in found for row in range(len(block))]


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
def test_every_dialect_is_told_and_read(dialect: Dialect) -> None:
    before, body = written(dialect, ROWS)
    layout = Layout.of(before + body, complete=True, schema=SCHEMA)
    assert layout.dialect == dialect
    assert layout.body == len(before)
    assert layout.header.written == (*HEADER[:3], layout.header.written[3], "größe")
    assert layout.columns == {"plan": 0, "monthly fee": 1, "months": 2, **dict(
        zip(layout.header.names[3:], (3, 4), strict=True))}  # fmt: skip
    mac = dialect.newline == "\r"
    within = 0 if mac else 1  # lines end in carriage returns, so a cell's line feed ends none
    assert layout.lines == dialect.above + 1 + within
    inner = "\r" if mac else "\n"
    assert texts(layout, body) == [[c.replace("\n", inner) for c in row] for row in ROWS]
    lines = [line for block in layout.blocks(io.BytesIO(body)) for line in block.lines.tolist()]
    assert lines == [layout.lines + 1, layout.lines + 2 + within]
    assert layout.divisible == ("16" not in dialect.encoding and not mac)


@pytest.mark.parametrize("dialect", DIALECTS, ids=repr)
def test_what_was_read_is_written_as_it_was(dialect: Dialect) -> None:
    before, body = written(dialect, ROWS)
    layout = Layout.of(before + body, complete=True, schema=SCHEMA)
    data = b"".join(layout._text(io.BytesIO(body), b""))
    assert data.endswith(layout.newline.encode())
    assert layout.encoded(data) == body


@pytest.mark.parametrize("dialect", DIALECTS[::5], ids=repr)
def test_a_stored_layout_is_the_same(dialect: Dialect) -> None:
    before, body = written(dialect, [["basic", "1,5", "3", "", ""]])
    layout = Layout.of(before + body, complete=True, schema=SCHEMA)
    stored = json.dumps(layout.to_dict())
    assert Layout.from_dict(json.loads(stored)) == layout
    assert layout.formats["monthly fee"] == NumberFormat(",")


@given(
    cut=st.integers(0, 200),
    dialect=st.sampled_from(DIALECTS),
)
def test_a_head_that_ends_anywhere_tells_the_same(cut: int, dialect: Dialect) -> None:
    before, body = written(dialect, [["größer", "74.9", "12", "plain", "é"]] * 30)
    whole = Layout.of(before + body, complete=True, schema=SCHEMA)
    head = (before + body)[: len(before + body) - cut]
    assert Layout.of(head, complete=False, schema=SCHEMA) == whole


def layout_of(content: str, schema: Schema | None = SCHEMA) -> Layout:
    return Layout.of(content.encode(), complete=True, schema=schema)


def test_a_decimal_comma_is_found_and_said() -> None:
    layout = layout_of("plan;monthly fee;months\nbasic;74,90;1\nbasic;1.234,5;2\n")
    assert layout.formats["monthly fee"] == NumberFormat(",", ".")
    assert layout.foreign(SCHEMA) == layout.formats
    assert layout.described() == {
        "encoding": "UTF-8",
        "delimiter": "semicolon",
        "decimal": "comma",
    }


def test_a_decimal_comma_is_found_in_quoted_cells() -> None:
    layout = layout_of('plan,monthly fee,months\nbasic,"74,90",1\n')
    assert layout.formats["monthly fee"] == NumberFormat(",")
    assert texts(layout, b'basic,"74,90",1\n') == [["basic", "74,90", "1"]]


def test_columns_that_disagree_are_told_one_by_one() -> None:
    layout = layout_of("plan;monthly fee;months\nbasic;74,90;1,234,567\n")
    assert layout.described()["decimals"] == {"monthly fee": "comma", "months": "point"}


def test_a_number_of_two_readings_is_refused_with_both() -> None:
    with pytest.raises(TableError, match=r"'monthly fee': '1,234' may be 1\.234 or 1234"):
        layout_of("plan;monthly fee;months\nbasic;1,234;1\n")


def test_a_cell_that_the_head_cuts_off_decides_nothing() -> None:
    rows = "plan;monthly fee;months\nbasic;1,25;1\nbasic;1,25;2\nbasic;1,234.5"
    layout = Layout.of(rows.encode(), complete=False, schema=SCHEMA)
    assert layout.formats["monthly fee"] == NumberFormat(",")
    cut_off = "plan;months;monthly fee\nbasic;1;3\nbasic;1;1,234"  # of 1,2345 perhaps
    assert Layout.of(cut_off.encode(), complete=False, schema=SCHEMA).formats == {}


def test_a_schema_that_states_its_decimal_sign_finds_nothing_foreign() -> None:
    fields = [
        field | ({"decimalChar": ","} if field["name"] == "monthly fee" else {})
        for field in SCHEMA.document["fields"]
    ]
    stated = Schema({**SCHEMA.document, "fields": fields})
    layout = layout_of("plan;monthly fee;months\nbasic;74,90;1\n", stated)
    assert layout.foreign(stated) == {}


def test_without_a_schema_names_are_trimmed_and_no_format_is_sought() -> None:
    layout = layout_of(" a ;b;;a\n1,234;1;;2\n", None)
    assert layout.header.names == ("a", "b", "", "a")
    assert layout.columns == {"a": 0, "b": 1}
    assert layout.formats == {}
    assert layout.width == 4


def test_a_header_with_a_byte_that_is_no_text_does_not_shift_the_rows() -> None:
    content = b"plan,monthly fee,months,b\xffd\n" + "größer,1.5,2,é\n".encode() * 9
    layout = Layout.of(content, complete=True, schema=SCHEMA)
    assert layout.header.written[3] == "b\ufffdd"
    assert texts(layout, content[layout.body :]) == [["größer", "1.5", "2", "é"]] * 9
    assert json.dumps(layout.to_dict(), ensure_ascii=False).encode()


def test_rows_that_lack_unnamed_columns_are_whole() -> None:
    layout = layout_of("plan,monthly fee,months,,\nbasic,1,2\nbasic,1,2,,\nbasic,1,2,,,\n")
    assert texts(layout, b"basic,1,2\nbasic,1,2,,,\n") == [["basic", "1", "2", "", ""]] * 2
    (block,) = layout.blocks(io.BytesIO(b"basic,1\n"))
    assert block.rejected[0].reason == "the row has 2 cells, the header 5"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'"plan,monthly fee,months\nbasic,1,2\n', "the header can't be read: unexpected end"),
        (b'"pl"an,monthly fee,months\nbasic,1,2\n', "the header can't be read"),
        (b"plan,contract\nbasic,1\n" * 2, None),
        (b"one,two\n1,2\n", "the header lacks"),
    ],
)
def test_what_has_no_header_of_customers_is_told(content: bytes, message: str | None) -> None:
    if message is None:
        assert Layout.of(content, complete=True, schema=SCHEMA).header.absent
    else:
        with pytest.raises(TableError, match=message):
            Layout.of(content, complete=True, schema=SCHEMA)


def test_a_long_file_is_told_by_its_head_alone() -> None:
    row = "basic,1.5,3," + "x" * 1_000 + "\n"
    content = ("plan,monthly fee,months,note\n" + row * 1_100).encode()
    layout = Layout.of(content[:HEAD], complete=False, schema=SCHEMA)
    rest = io.BytesIO(content[HEAD:])
    blocks = list(layout.blocks(rest, read=content[layout.body : HEAD]))
    assert sum(map(len, blocks)) == 1_100
    assert not any(block.rejected for block in blocks)
    other = replace(layout, dialect=replace(layout.dialect, encoding="cp1252"))
    again = other.blocks(io.BytesIO(content[HEAD:]), read=content[layout.body : HEAD])
    assert sum(map(len, again)) == 1_100
