"""Lines that are cut into columns say what orjson reads of them, whatever stands in them."""

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.json_cells import Cells, Column, Known, bare, ids, times
from evergreen.customers.schema import Schema
from evergreen.jobs.drift.log_rows import CUSTOMER, LogRows
from evergreen.store import decoding, inference_log
from evergreen.store.decoding import Cutter, Shape

UNTIL = datetime(2026, 1, 2, 12, tzinfo=UTC)
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "string", "missingValues": ["", "none"]},
    {
        "name": "plan",
        "type": "string",
        "constraints": {"enum": ["basic", "pro", "pro, for a year", "pro, for a year (manual)"]},
    },
    {"name": "app", "type": "boolean"},
    {"name": "rooms", "type": "integer", "constraints": {"enum": [0, 1, 2], "required": True}},
    {"name": "months", "type": "integer", "missingValues": ["", "-99"]},
    {"name": "größe", "type": "number", "decimalChar": ",", "constraints": {"maximum": 1e6}},
    {"name": "left", "type": "string", "constraints": {"enum": ["yes", "no"]}},
]
TARGET = {"field": "left", "positive": "yes"}
KEYED = Schema({"fields": FIELDS, "primaryKey": "id", "target": TARGET})
NAMELESS = Schema({"fields": FIELDS[1:], "target": TARGET})
SCHEMAS = st.sampled_from([KEYED, NAMELESS])

odd = st.sampled_from(
    [
        *(None, True, False, 0, 1, 2, -0.0, -1, 12, 12.0, 1.5, 1e-7, 1e300, 2**53 + 1, 2**64 - 1),
        *("", " ", "0", "007", "12", "12.0", "1,5", "1e3", "NaN", "-99", "none", "Yes", "true"),
        *("basic", "PRO", "pro", "pro, for a year", "pro, for a year (manual)", "ü", "a\\b", 'a"b'),
        *("x" * 40, "x" * 32, "'=1", "\u00a0pro", "a\tb", [], [1], {}, {"a": 1}, -99, 123456.789),
    ]
)
customers = st.fixed_dictionaries(
    {},
    optional={
        "id": odd | st.integers(0, 30).map(lambda n: f"C-{n:04}") | st.integers(0, 10),
        "plan": st.sampled_from(["basic", "pro", "pro, for a year"]) | odd,
        "app": st.booleans() | odd,
        "rooms": st.integers(0, 3) | odd,
        "months": st.integers(-99, 99) | st.integers(0, 99).map(str) | odd,
        "größe": st.floats(allow_nan=False, allow_infinity=False) | odd,
        "unknown": odd,
    },
)
moments = st.sampled_from(
    [
        *("2026-01-02T03:16:12.297396+00:00", "2026-01-02T03:16:12+00:00", "2026-01-02T03:16:12Z"),
        *("2026-01-02T23:16:12.000001+00:00", "2026-01-02T05:16:12.297396+02:00", "yesterday", ""),
        *("2026-02-30T03:16:12.297396+00:00", "2026-01-02T24:00:00.000000+00:00", "2026-01-02"),
        *("0000-01-02T03:16:12.297396+00:00", "2026-01-02T03:16:60.297396+00:00", 5, None),
        *("2026-01-02 03:16:12.297396+00:00", "2026-01-02T03:16:12.29739x+00:00", "ü" * 16),
    ]
)
uuids = st.uuids().map(str)
members = st.fixed_dictionaries(
    {
        "prediction_id": uuids | uuids.map(str.upper) | odd,
        "predicted_at": moments,
        "model_version": st.sampled_from(["a", "b", "c"]) | odd,
        "churn_probability": st.floats(0, 1) | st.integers(0, 1) | odd,
        "customer": customers | odd,
    },
    optional={"more": odd},
)
usual = st.fixed_dictionaries(
    {
        "prediction_id": uuids,
        "predicted_at": moments,
        "model_version": st.sampled_from(["a", "b"]),
        "churn_probability": st.floats(0, 1).map(lambda p: round(p, 6)),
        "customer": st.fixed_dictionaries(
            {
                "id": st.integers(0, 30).map(lambda n: f"C-{n}"),
                "plan": st.sampled_from(["basic", "pro", "pro, for a year (manual)", "Pro"]),
                "rooms": odd,
                "größe": st.floats(0, 100).map(lambda p: round(p, 2)) | odd,
                "app": odd,
            }
        ),
    }
).map(lambda record: dict(sorted(record.items())))
_UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
tails = st.sampled_from(["", "\r", " ", "}", "\x00", "\udcff", ",", "{}"])


@pytest.fixture(autouse=True, scope="module")
def _few() -> Iterator[None]:
    """Cut also those shapes of which there is one line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_FEW", 0)
        yield


def by_columns(schema: Schema, text: bytes) -> tuple[list[bytes], int, set[str]]:
    """The rows of a text, how many lines were read by column, and the versions seen."""
    seen: set[str] = set()
    reader, cutter = LogRows(schema, UNTIL, seen.add), Cutter(CUSTOMER)
    found, read = [], 0
    for shapes, others in cutter.blocks(text):
        for lines in shapes:
            rows, left = reader.of_lines(lines)
            others += lines.whole(left)
            found += [rows]
            read += len(lines) - len(left)
        found.append(reader.of_records(inference_log.records("key", others)))
    return [row.tobytes() for rows in found for row in rows], read, seen


def by_records(schema: Schema, text: bytes) -> list[bytes]:
    reader = LogRows(schema, UNTIL, id)
    rows = reader.of_records(inference_log.records("key", text.splitlines()))
    return [row.tobytes() for row in rows]


def dumped(records: Sequence[Any]) -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


@settings(max_examples=200)
@given(SCHEMAS, st.lists(usual | members, max_size=12), st.randoms(use_true_random=False))
def test_columns_say_what_records_say(schema: Schema, given: list[Any], random: Random) -> None:
    text = dumped(given)
    assert sorted(by_columns(schema, text)[0]) == sorted(by_records(schema, text))


@settings(max_examples=200)
@given(
    SCHEMAS,
    st.lists(st.tuples(usual | members, tails), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    st.booleans(),
)
def test_bytes_that_were_changed_on_the_way_are_read_as_by_orjson(
    schema: Schema, given: list[tuple[Any, str]], changes: list[tuple[int, int]], spaced: bool
) -> None:
    lines = [
        (json.dumps(record) if spaced else orjson.dumps(record).decode()) + tail
        for record, tail in given
    ]
    text = bytearray("\n".join(lines * 2).encode("utf-8", "surrogateescape"))
    for place, byte in changes:
        text[place % len(text)] = byte
    assert sorted(by_columns(schema, bytes(text))[0]) == sorted(by_records(schema, bytes(text)))


@given(st.lists(usual, min_size=3, max_size=40))
def test_lines_of_one_shape_are_read_by_column(given: list[Any]) -> None:
    fit = {"predicted_at": "2026-01-02T03:16:12.297396+00:00"}
    values = {"plan": "pro", "rooms": 1, "größe": 1.5, "app": True}
    customers = [dict(sorted((r["customer"] | values).items())) for r in given]
    text = dumped([r | fit | {"customer": c} for r, c in zip(given, customers, strict=True)])
    rows, read, seen = by_columns(KEYED, text)
    assert len(rows) == read == len(given)
    assert seen == {record["model_version"] for record in given}


@pytest.mark.parametrize(
    ("line", "members"),
    [
        (b'{"a":1,"customer":{"b":"x","c":null}}', ["a", "b", "c"]),
        (b'{"customer":{"b":2},"a":"x","d":true}', ["b", "a", "d"]),
        (b'{ "a" : 1, "customer" : { "b" : 2 } }', ["a", "b"]),
        (b'{"a":1,"a":2,"customer":{"b":2}}', None),
        (b'{"a":1,"customer":{"b":2,"b":3}}', None),
        (b'{"a":[],"customer":{"b":2}}', None),
        (b'{"a":{},"customer":{"b":2}}', None),
        (b'{"a":1,"customer":{"b":{}}}', None),
        (b'{"a":1,"customer":3}', None),
        (b'{"a":1}', None),
        (b'{"customer":{}}', None),
        (b"[]", None),
        (b"{", None),
    ],
)
def test_a_shape_is_what_stands_between_the_values(line: bytes, members: list[str] | None) -> None:
    shape = Shape.of(line, CUSTOMER)
    if members is None:
        assert shape is None
    else:
        assert shape
        assert sorted((shape.members | shape.inner).items(), key=lambda m: m[1]) == [
            (name, place) for place, name in enumerate(members)
        ]
        assert set(shape.inner) == {"b", "c"} & set(members)


def test_a_line_as_long_as_a_block_is_read() -> None:
    long = {"customer": {"a": "x" * (2 * decoding.BLOCK)}, "b": 1}
    blocks = list(Cutter(CUSTOMER).blocks(dumped([long, long])))
    assert sum(len(lines) for found, _ in blocks for lines in found) == 2


def test_ids_that_are_uuids_are_ordered_as_their_texts() -> None:
    texts = sorted(b"%08x-0000-7000-8000-%012x" % (n * 7919 % 1000, n) for n in range(500))
    found = ids(Cells.of(texts)).tolist()
    assert found == sorted(found)
    assert len({tuple(pair) for pair in ids(Cells.of([b"", b"a", b"b", b"A" * 36])).tolist()}) == 4


@given(st.lists(moments.filter(lambda m: isinstance(m, str)) | st.text(max_size=40)))
def test_times_are_those_of_python(given: list[str]) -> None:
    found, read = times(Cells.of([text.encode("utf-8", "replace") for text in given]))
    for text, at, fine in zip(given, found.tolist(), read.tolist(), strict=True):
        try:
            expected = datetime.fromisoformat(text)
        except ValueError:
            expected = None
        assert fine == (expected is not None and expected.tzinfo is not None)
        if fine and expected:
            assert at == round(expected.timestamp() * 1e6)


def test_what_is_no_json_is_nobodys_value() -> None:
    assert [bare(text) for text in (b"1", b"nul", b"", b"01", b"1}")] == [1, [], [], [], []]
    assert np.isnan(bare(b"null") or np.nan)


@given(st.lists(st.lists(st.integers(0, 5_000), max_size=60), max_size=4), st.sampled_from("ab"))
def test_texts_that_were_seen_before_are_known(given: list[list[int]], sign: str) -> None:
    """Also those of the same beginning, size and end; each column has its own."""
    asked: list[str] = []

    def read(texts: Sequence[str]) -> list[float]:
        asked.extend(texts)
        return [float(len(text) * 1_000 + hash(text) % 1_000) for text in texts]

    def reversed_(texts: Sequence[str]) -> list[float]:
        return [-number for number in read(texts)]

    known = Known()

    def columns(texts: list[str]) -> list[Column]:
        one = Cells.of([text.encode() for text in [*texts, *texts[::-1]]])
        rows = np.arange(len(texts))
        other = one.some(rows + len(texts))
        return [Column("a", one.some(rows), read), Column("b", other, reversed_)]

    for block in given:
        texts = [f"level-{'x' * (n % 31)}{n % 7}-{sign * (n % 11)}" for n in block]
        found = known(columns(texts))
        assert found.tolist() == [read(texts), reversed_(texts[::-1])]
    fitting = sorted({text for text in asked if len(text) <= 32})
    before = len(asked)
    known(columns(fitting))
    assert len(asked) == before


@given(st.lists(st.binary(max_size=40) | uuids.map(str.encode), max_size=20))
def test_ids_of_uuids_are_their_numbers(given: list[bytes]) -> None:
    changed = [t[:9] + b"g" + t[10:] for t in given] + [t[:8] + b"_" + t[9:] for t in given]
    for text, (high, low) in zip(given, ids(Cells.of(given + changed)).tolist(), strict=False):
        if _UUID.fullmatch(text):
            assert high << 64 | low == int(text.replace(b"-", b""), 16)
        else:
            assert high == 0
    assert not ids(Cells.of(changed))[:, 0].any()


@pytest.mark.parametrize("members", [1, 2, 3])
def test_what_is_compressed_in_any_number_of_members_is_read(members: int) -> None:
    content = gzip.compress(b"a line\n" * 1_000) * members
    assert inference_log._text("key", content) == b"a line\n" * 1_000 * members
    for spoilt in (content[:-1], content[:-9], content + b"more", content[:20] + content[21:]):
        assert inference_log._text("key", spoilt) == b""
