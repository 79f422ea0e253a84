"""Labelled tables: how they are read, and who is held out of them."""

import json
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.schema import Schema
from evergreen.errors import InputError, TableError
from evergreen.jobs.history import HELD_OUT_OF, History, Sources, read_table


def csv(frame: pd.DataFrame) -> bytes:
    return str(frame.to_csv(index=False)).encode()


def held_out(frame: pd.DataFrame, schema: Schema) -> set[str]:
    chosen = History.of({"h": frame}).labelled(schema).held_out
    return set(frame["customer_id"][chosen])


def test_a_table_is_read_as_the_text_that_it_is(schema: Schema, frame: pd.DataFrame) -> None:
    odd = frame.head(3).assign(customer_id=["007", "NA", "1e3"], region="north", note="a, b")
    read = read_table(csv(odd), "h", schema)
    assert read["customer_id"].tolist() == ["007", "NA", "1e3"]
    assert read["note"].tolist() == ["a, b"] * 3


def test_a_byte_order_mark_is_no_part_of_the_header(schema: Schema, frame: pd.DataFrame) -> None:
    assert list(read_table(b"\xef\xbb\xbf" + csv(frame), "h", schema)) == list(frame)


def test_columns_may_stand_in_any_order(schema: Schema, frame: pd.DataFrame) -> None:
    shuffled = read_table(csv(frame[frame.columns[::-1]]), "h", schema)
    expected = History.of({"h": frame}).labelled(schema)
    found = History.of({"h": shuffled}).labelled(schema)
    assert np.array_equal(found.matrix, expected.matrix, equal_nan=True)
    assert np.array_equal(found.held_out, expected.held_out)


def test_a_row_with_too_few_cells_is_told(schema: Schema, frame: pd.DataFrame) -> None:
    outcome_first = frame[["churned", *frame.columns.drop("churned")]]  # what is cut is optional
    short = csv(outcome_first).rstrip().rpartition(b",")[0] + b"\n"
    with pytest.raises(TableError, match="fewer cells"):
        read_table(short, "h", schema)


def test_a_table_whose_rows_are_all_too_long_is_told(schema: Schema, frame: pd.DataFrame) -> None:
    longer = csv(frame).replace(b"\r\n", b"\n").replace(b"\n", b",?\n")
    header, rest = longer.split(b",?\n", 1)
    with pytest.raises(TableError, match="more cells"):
        read_table(header + b"\n" + rest, "h", schema)


def test_a_column_that_is_named_twice_is_told(schema: Schema, frame: pd.DataFrame) -> None:
    twice = csv(frame.assign(extra="?")).replace(b",extra\n", b",contract\n", 1)
    with pytest.raises(TableError, match="names contract twice"):
        read_table(twice, "h", schema)


def test_a_table_with_semicolons_is_told_what_separates_columns(
    schema: Schema, frame: pd.DataFrame
) -> None:
    with pytest.raises(TableError, match="comma"):
        read_table(csv(frame).replace(b",", b";"), "h", schema)


def test_a_header_alone_adds_nothing(schema: Schema, frame: pd.DataFrame) -> None:
    nothing = read_table(csv(frame.head(0)), "empty", schema)
    both = History.of({"empty": nothing, "h": frame})
    assert len(both.labelled(schema).churned) == len(frame)
    assert set(both.source) == {"h"}


@settings(max_examples=20)
@given(order=st.randoms(), rows=st.integers(20, 400))
def test_the_same_customers_are_held_out_whatever_stands_around_them(
    order: Random, rows: int, schema: Schema, frame: pd.DataFrame
) -> None:
    some = frame.iloc[order.sample(range(len(frame)), rows)].reset_index(drop=True)
    assert held_out(some, schema) == held_out(frame, schema) & set(some["customer_id"])


def test_about_one_in_five_is_held_out(schema: Schema, frame: pd.DataFrame) -> None:
    share = len(held_out(frame, schema)) / len(frame)
    assert share == pytest.approx(1 / HELD_OUT_OF, abs=0.04)


def test_a_customers_rows_are_all_held_out_or_none(schema: Schema, frame: pd.DataFrame) -> None:
    later = frame.assign(tenure_months="99", churned="no")
    both = History.of({"old": frame, "new": later}).labelled(schema)
    assert np.array_equal(both.held_out[: len(frame)], both.held_out[len(frame) :])


def test_without_a_primary_key_a_customer_is_known_by_its_features(
    schema: Schema, frame: pd.DataFrame
) -> None:
    document = json.loads(json.dumps(schema.document))
    document["fields"] = [f for f in document["fields"] if f["name"] != "customer_id"]
    del document["primaryKey"]
    keyless = Schema(document)
    twice = History.of({"a": frame, "b": frame.assign(customer_id="?")}).labelled(keyless)
    assert np.array_equal(twice.held_out[: len(frame)], twice.held_out[len(frame) :])


def test_a_wrong_outcome_is_named_by_its_file_and_row(schema: Schema, frame: pd.DataFrame) -> None:
    wrong = frame.copy()
    wrong.loc[6, "churned"] = "perhaps"
    history = History.of({"good.csv": frame, "bad.csv": wrong})
    with pytest.raises(InputError, match=r"bad\.csv, row 7, column 'churned': expected one of"):
        history.labelled(schema)


def test_a_champions_schema_reads_rows_that_it_does_not_know(
    schema: Schema, frame: pd.DataFrame
) -> None:
    newer = frame.assign(contract="weekly", monthly_fee="")
    matrix = History.of({"h": newer}).encode(schema)
    assert (matrix[:, schema.feature_names.index("contract")] == -1).all()
    assert np.isnan(matrix[:, schema.feature_names.index("monthly_fee")]).all()


def test_a_fingerprint_tells_names_contents_and_schema_apart() -> None:
    etags = {"training/schema.json": "1", "training/a.csv": "2"}
    seen = {
        Sources(found).fingerprint
        for found in (
            etags,
            etags | {"training/a.csv": "3"},
            etags | {"training/schema.json": "3"},
            etags | {"training/b.csv": "2"},
            {"training/schema.json": "1", "training/b.csv": "2"},
        )
    }
    assert len(seen) == 5
    assert Sources(dict(reversed(etags.items()))).fingerprint in seen
