"""Cells → numbers without making text of them: what the schema makes of their text, to the bit."""

import io
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from csv import writer
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.cells import Encoder, plain_numbers
from evergreen.customers.numbers import NumberFormat
from evergreen.customers.records import Block, blocks
from evergreen.customers.schema import Schema

FIELDS: list[dict[str, Any]] = [
    {"name": "fee", "type": "number", "constraints": {"required": True}},
    {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 120}},
    {"name": "balance", "type": "number", "missingValues": ["", "-99", "9.5", "n/a", "1,5"]},
    {"name": "share", "type": "number", "constraints": {"exclusiveMinimum": 0, "maximum": 1}},
    {"name": "amount", "type": "number", "decimalChar": ",", "groupChar": "."},
    {"name": "price", "type": "number", "bareNumber": False, "decimalChar": "\u066b"},
    {"name": "plan", "type": "string", "constraints": {"enum": ["basic", "pro", "Größe L"]}},
    {"name": "grade", "type": "integer", "constraints": {"required": True, "enum": [0, 1, 2]}},
    {"name": "app", "type": "boolean", "trueValues": ["yes", "true"], "falseValues": ["no", "0"]},
    {"name": "long", "type": "string", "constraints": {"enum": ["x" * 40, "y" * 33, "z"]}},
    {"name": "left", "type": "string", "constraints": {"enum": ["yes", "no"]}},
]
SCHEMA = Schema.parse(
    json.dumps(
        {
            "fields": FIELDS,
            "missingValues": ["", "NA"],
            "target": {"field": "left", "positive": "yes"},
        }
    )
)
FEATURES = SCHEMA.feature_names

digits = st.text("0123456789", max_size=18)
numbers = st.one_of(
    st.integers(-150, 150).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.floats(-1e7, 1e7).map(lambda number: f"{number:.2f}"),
    st.builds("{}{}{}{}".format, st.sampled_from(["", "-", "+", "--"]), digits,
              st.sampled_from(["", ".", ",", "..", ".,", "e", "E-", "\u066b"]), digits),
)  # fmt: skip
special = st.sampled_from([
    "", " ", "NA", " NA", "-99", "-99.0", "-99,0", "9,5", "9.5", "1,5", "1,50", "n/a", "nan", "inf",
    ".5", "5.", "+1", "-", "-.5", "1e5", "1e400", "3.5e38", "1.234", "1.234,5", "1,234.5", "1_0",
    "999999999999999", "9999999999999999", "0000000000000001", "-0", "-0.0", "00.50", "'-5", "€ 5",
    "5 %", "5\u066b25", "\u0665", "\u00a05", "1 000", "1'000", "12345678,9", "1:5", "1/5",
])  # fmt: skip
words = st.sampled_from([
    "basic", "Basic", " basic ", "PRO", "pr", "größe l", "Grösse L", "gro", "0", "1", "1.0", "2,0",
    "2.0", "3", "yes", "Yes", "true", "TRUE", "no", "x" * 40, "X" * 40, "y" * 33, "y" * 32, "z",
    "\ufeffz", "x" * 39, "NA",
])  # fmt: skip
cells = st.one_of(numbers, special, words, st.text(max_size=12).map(lambda t: t.replace("\0", "")))
FITTING = ["3", "30", "7", "1", "5", "2", "basic", "1", "yes", "z"]
rows = st.dictionaries(st.integers(0, len(FITTING) - 1), cells, max_size=3).map(
    lambda odd: [odd.get(place, cell) for place, cell in enumerate(FITTING)]
)
tables = st.lists(rows.filter(any), max_size=20)
FORMATS: list[dict[str, NumberFormat]] = [
    {},
    dict.fromkeys(FEATURES, NumberFormat(",")),
    dict.fromkeys(FEATURES, NumberFormat(",", ".")),
    {"fee": NumberFormat(".", ","), "balance": NumberFormat(",", " ")},
]


def block(table: list[list[str]], delimiter: str = ";") -> Block | None:
    out = io.StringIO(newline="")
    writer(out, delimiter=delimiter, lineterminator="\n").writerows(table)
    return next(blocks([out.getvalue().encode()], delimiter, len(table[0]) if table else 2), None)


def assert_same(encoder: Encoder, schema: Schema, part: Block, names: Mapping[str, int]) -> None:
    columns = {name: part.column(place) for name, place in names.items()}
    expected = schema.encode(columns, len(part))
    found = encoder.encode(part)
    assert found.problems == expected.problems
    assert found.matrix.dtype == np.float32
    assert found.matrix.flags.c_contiguous
    nan = np.isnan(expected.matrix)
    assert np.array_equal(np.isnan(found.matrix), nan)
    bits = (np.where(nan, 0, each).astype(np.float32) for each in (found.matrix, expected.matrix))
    assert np.array_equal(*(each.view(np.uint32) for each in bits))


@given(tables=st.lists(tables, min_size=1, max_size=3), formats=st.sampled_from(FORMATS))
def test_cells_are_what_the_schema_makes_of_their_text(
    tables: list[list[list[str]]], formats: dict[str, NumberFormat]
) -> None:
    schema = SCHEMA.reading(formats)
    names = {name: place for place, name in enumerate(FEATURES)}
    encoder = Encoder(schema, names)
    for table in tables * 2:  # what was learned the first time is known the second
        part = block(table)
        if part:
            assert part.row(0) == table[0]
            assert_same(encoder, schema, part, names)


@given(table=tables, absent=st.sets(st.sampled_from(FEATURES), max_size=4))
def test_columns_may_be_absent_and_in_any_order(table: list[list[str]], absent: set[str]) -> None:
    names = {name: p for p, name in enumerate(reversed(FEATURES)) if name not in absent}
    part = block(table)
    if part:
        assert_same(Encoder(SCHEMA, names), SCHEMA, part, names)


decimals = st.builds(
    "{}{}{}".format, st.sampled_from(["", "-"]), st.text("0123456789", min_size=1, max_size=15),
    st.just("")
) | st.integers(2, 14).flatmap(
    lambda size: st.builds(
        lambda minus, text, place: minus + text[:place] + "." + text[place:],
        st.sampled_from(["", "-"]),
        st.text("0123456789", min_size=size, max_size=size),
        st.integers(1, size - 1),
    )
)  # fmt: skip


@given(st.lists(decimals, min_size=1, max_size=50), st.sampled_from(".,"))
def test_plain_numbers_are_pythons_floats(texts: list[str], decimal: str) -> None:
    written = [text.replace(".", decimal).encode() for text in texts]
    data = b"".join(written) + b"\0" * 8
    ends = np.cumsum([len(text) for text in written])
    starts = ends - [len(text) for text in written]
    values, plain = plain_numbers(data, starts, ends, decimal)
    assert plain.all()
    assert values.tobytes() == np.array([float(text) for text in texts]).tobytes()


near = st.text("0123456789.,-+e \u066b:/", max_size=18) | st.text("123.,", min_size=8, max_size=16)


@given(st.lists(near, min_size=1, max_size=50))
def test_what_is_no_plain_number_is_not_taken_for_one(texts: list[str]) -> None:
    written = [text.encode() for text in texts]
    data = b"".join(written) + b"\0" * 8
    ends = np.cumsum([len(text) for text in written])
    starts = ends - [len(text) for text in written]
    for decimal in ".,":
        values, plain = plain_numbers(data, starts, ends, decimal)
        for text, value, is_plain in zip(texts, values.tolist(), plain.tolist(), strict=True):
            if is_plain:
                assert NumberFormat(decimal).number(text) == value


def test_threads_share_an_encoder() -> None:
    names = {name: place for place, name in enumerate(FEATURES)}
    encoder = Encoder(SCHEMA, names)
    rng = np.random.default_rng(1)
    levels = ["basic", "Basic", "pro", "PRO", "größe L", " pro", "NA", "?"]
    parts = [
        block(
            [
                [
                    "1.5",
                    "30",
                    "-99",
                    "0.5",
                    "1,5",
                    "2",
                    *rng.choice(levels, 1).tolist(),
                    "1",
                    "yes",
                    "z",
                ]
                for _ in range(50)
            ]
        )
        for _ in range(40)
    ]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder.encode, parts))
    for part, encoded in zip(parts, found, strict=True):
        assert part
        expected = SCHEMA.encode({n: part.column(p) for n, p in names.items()}, len(part))
        assert np.array_equal(encoded.matrix, expected.matrix, equal_nan=True)
        assert encoded.problems == expected.problems


def test_a_category_of_more_texts_than_are_remembered_is_read_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("evergreen.customers.cells._MOST", 3)
    names = {name: place for place, name in enumerate(FEATURES)}
    encoder = Encoder(SCHEMA, names)
    rows = [
        ["1", "", "", "", "", "", plan, grade, "", ""]
        for plan in ["basic", "pro", "Größe L", "BASIC", "Pro"]
        for grade in ["0", "1", "2", "0.0"]
    ]
    for _ in range(3):
        part = block(rows)
        assert part
        assert_same(encoder, SCHEMA, part, names)


def test_a_missing_value_is_one_in_whatever_format_it_comes() -> None:
    schema = SCHEMA.reading({"balance": NumberFormat(",")})
    cells = ("9,5", "9,50", "-99", "9,6", "1,5", "1,50", "n/a")
    part = block([[*FITTING[:2], cell, *FITTING[3:]] for cell in cells])
    assert part
    names = {name: place for place, name in enumerate(FEATURES)}
    matrix, problems = Encoder(schema, names).encode(part)
    balance = matrix[:, FEATURES.index("balance")]
    assert problems == []
    assert np.flatnonzero(~np.isnan(balance)).tolist() == [3, 5]
    assert_same(Encoder(schema, names), schema, part, names)
