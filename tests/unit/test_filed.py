"""Records of customers who were scored by file: what the API would have logged of them."""

import csv
import gzip
import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.layout import Layout
from evergreen.customers.records import Block
from evergreen.customers.schema import Schema
from evergreen.jobs.answering.prediction import KEPT_FIELDS, KEPT_LENGTH, Prediction, records
from evergreen.jobs.files.filed import Filed
from evergreen.models.model import Model

AT = "2026-01-01T00:00:00+00:00"
Customers = list[dict[str, str]]


def read(content: bytes, schema: Schema) -> tuple[Layout, Block]:
    layout = Layout.of(content, complete=True, schema=schema)
    (block,) = layout.blocks(io.BytesIO(content[layout.body :]))
    return layout, block


def written(customers: Customers, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(customers[0])
    writer.writerows(customer.values() for customer in customers)
    return out.getvalue().encode()


def filed(
    content: bytes, model: Model, rows: Iterable[int] | None = None, only: list[str] | None = None
) -> bytes:
    """Make records as scoring does, each with the probability of 0.25."""
    layout, block = read(content, model.schema)
    chosen = np.arange(len(block)) if rows is None else np.array([*rows], dtype=np.intp)
    columns = {n: p for n, p in layout.columns.items() if only is None or n in only}
    upload = Filed('f00d"', AT, model.version, model.schema)
    foreign = layout.foreign(model.schema)
    delimiter = layout.dialect.delimiter
    packed = upload.records(block, chosen, columns, delimiter, foreign, ["0.25"] * len(chosen))
    assert packed == upload.records(
        block, chosen, columns, delimiter, foreign, ["0.25"] * len(chosen)
    )
    return packed


def unpacked(packed: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in gzip.decompress(packed).splitlines()]


def logged(model: Model, customers: Customers) -> list[dict[str, Any]]:
    """Return what the inference log keeps of an answer of the API to these customers."""
    predictions = [
        Prediction(
            prediction_id=f'f00d"-{line}',
            churn_probability=0.25,
            will_churn=False,
            threshold=0.5,
            risk="medium",
            model_version=model.version,
            ignored_fields=model.schema.unknown(customer.keys()),
        )
        for line, customer in enumerate(customers, 2)
    ]
    kept = records(model.schema, predictions, customers)
    return [orjson.loads(orjson.dumps({**record, "predicted_at": AT})) for record in kept]


@pytest.fixture
def customers(frame: pd.DataFrame) -> Customers:
    return frame.head(5).to_dict("records")


def test_records_are_those_of_the_api(model: Model, customers: Customers) -> None:
    assert unpacked(filed(written(customers), model)) == logged(model, customers)
    assert all("churned" not in record["customer"] for record in logged(model, customers))


def test_the_outcome_is_in_no_record_wherever_its_column_stands(
    model: Model, customers: Customers
) -> None:
    first = [{"churned": c["churned"], "Note": "100 %", **c} for c in customers]
    assert unpacked(filed(written(first), model)) == logged(model, first)
    assert b"churned" not in gzip.decompress(filed(written(first), model))


def test_only_the_chosen_rows_and_columns_are_kept(model: Model, customers: Customers) -> None:
    noted = [{**customer, "note": "a", "line": "7"} for customer in customers]
    only = [*customers[0], "note"]
    for note in ("a", 'a"'):
        some = [{**customer, "note": note} for customer in noted]
        found = unpacked(filed(written(some), model, [1, 3], only))
        expected = logged(model, [{n: c[n] for n in only} for c in some])
        assert found == [expected[1], expected[3]]
    assert gzip.decompress(filed(written(noted), model, [], only)) == b""


cells = st.text(
    st.one_of(
        st.sampled_from('"\\,;|\t\n\x01\x1f\x7f\u2028{}%é\U0001f600'),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"),
    ),
    max_size=5,
)
names = cells.map(lambda text: f"%b{text}x").filter(lambda text: text.isprintable())


@given(
    notes=st.lists(st.tuples(cells, cells), min_size=5, max_size=5),
    name=names,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_whatever_stands_in_a_cell_is_in_its_record(
    notes: list[tuple[str, str]],
    name: str,
    delimiter: str,
    quoting: int,
    model: Model,
    frame: pd.DataFrame,
) -> None:
    customers = [
        {"note": first, **customer, name: second}
        for (first, second), customer in zip(notes, frame.head(5).to_dict("records"), strict=True)
    ]
    found = unpacked(filed(written(customers, delimiter, quoting), model))
    expected = logged(model, customers)
    assert [record["customer"] for record in found] == [r["customer"] for r in expected]
    lines = [record.pop("prediction_id") for record in found]
    before = 2
    for customer, line in zip(customers, lines, strict=True):
        before += sum(cell.count("\n") for cell in customer.values())
        assert line == f'f00d"-{before}'
        before += 1


@pytest.mark.parametrize(
    "cell", ["plain", "a\tb", 'a"b', "a\\b", "a\x1fb", "é", "x" * 256, "é" * 129]
)
def test_both_ways_to_make_records_make_the_same(
    cell: str, model: Model, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = written([{**customer, "note": cell} for customer in customers])
    found = gzip.decompress(filed(noted, model))
    monkeypatch.setattr(Filed, "_simple", lambda *_: False)
    assert gzip.decompress(filed(noted, model)) == found


def test_foreign_numbers_are_kept_as_plain_ones(model: Model, customers: Customers) -> None:
    german = [
        {n: v.replace(".", ",") if n.endswith(("fee", "gb")) else v for n, v in c.items()}
        for c in customers
    ]
    german[0] |= {"data_usage_gb": " 1.234,50 "}
    customers[0] |= {"data_usage_gb": "1234.50"}
    noted = [{**customer, "note": "1,5"} for customer in german]
    expected = logged(model, [{**customer, "note": "1,5"} for customer in customers])
    assert unpacked(filed(written(noted, ";"), model)) == expected


def test_so_many_unknown_fields_of_such_a_length_are_kept_and_no_more(
    model: Model, customers: Customers
) -> None:
    for count in (KEPT_FIELDS - 1, KEPT_FIELDS, KEPT_FIELDS + 20):
        wide = [{**c, **{f"extra {i:03}": "x" for i in range(count)}} for c in customers]
        found = unpacked(filed(written(wide), model))
        assert found == logged(model, wide)
        kept = [name for name in found[0]["customer"] if name.startswith("extra")]
        assert kept == [f"extra {i:03}" for i in range(min(count, KEPT_FIELDS))]
    for length in (KEPT_LENGTH, KEPT_LENGTH + 1):
        for letter in "xé":
            long = [{**c, "note": letter * length} for c in customers]
            found = unpacked(filed(written(long), model))
            assert found == logged(model, long)
            assert ("note" in found[0]["customer"]) == (length == KEPT_LENGTH)
            named = [{**c, letter * length: "x"} for c in customers]
            assert unpacked(filed(written(named), model)) == logged(model, named)


def test_records_take_no_notice_of_the_time_or_of_how_they_are_packed(
    model: Model, customers: Customers
) -> None:
    packed = filed(written(customers), model)
    assert packed[4:8] == bytes(4)  # gzip's own time
