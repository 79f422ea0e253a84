"""Labelled tables: what there are, and how they are read."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.customers.table import Table
from evergreen.errors import InputError, TableError
from evergreen.jobs.learning.history import History, Source, Sources

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SCHEMA_FILE = Source("training/schema.json", "1", NOON)
A, B = (Source(f"training/{name}.csv", name, NOON) for name in "ab")


def csv(frame: pd.DataFrame) -> bytes:
    return str(frame.to_csv(index=False)).encode()


def with_field(schema: Schema, **field: object) -> Schema:
    return Schema({**schema.document, "fields": [*schema.document["fields"], field]})


def test_a_table_is_read_as_the_text_that_it_is(schema: Schema, frame: pd.DataFrame) -> None:
    odd = frame.head(3).assign(customer_id=["007", "NA", "1e3"], region="north", note="a, b")
    read = Table.read(csv(odd), "h.csv", schema)
    assert read.columns["customer_id"] == ["007", "NA", "1e3"]
    assert read.columns["note"] == ["a, b"] * 3


def test_a_long_table_is_read_whole(schema: Schema, frame: pd.DataFrame) -> None:
    long = pd.concat([frame] * 3)  # several chunks, the last of them not full
    read = Table.read(csv(long.head(2_345)), "h.csv", schema)
    assert list(read.lines) == list(range(2, 2_347))
    assert read.columns == {name: long[name].head(2_345).tolist() for name in long}


def test_a_byte_order_mark_is_no_part_of_the_header(schema: Schema, frame: pd.DataFrame) -> None:
    assert list(Table.read(b"\xef\xbb\xbf" + csv(frame), "h.csv", schema).columns) == list(frame)


def test_a_row_is_known_by_the_line_on_which_it_ends(schema: Schema, frame: pd.DataFrame) -> None:
    noted = frame.head(3).assign(note=["", "on two\nlines", ""])
    after_a_gap = csv(noted).replace(b"\n", b"\n\n", 1)
    assert Table.read(after_a_gap, "h.csv", schema).lines == [3, 5, 6]


def test_a_row_with_too_few_or_too_many_cells_is_told(schema: Schema, frame: pd.DataFrame) -> None:
    outcome_first = frame[["churned", *frame.columns.drop("churned")]]  # what is cut is optional
    lines = csv(outcome_first).splitlines()
    lines[3] += b",?"
    lines[-1] = lines[-1].rpartition(b",")[0]
    read = Table.read(b"\n".join(lines), "h.csv", schema)
    assert [(each.line, each.reason) for each in read.rejected] == [
        (4, "the row has 17 cells, the header 16"),
        (1_001, "the row has 15 cells, the header 16"),
    ]
    assert len(read.lines) == len(frame) - 2


def test_a_column_that_is_named_twice_is_told(schema: Schema, frame: pd.DataFrame) -> None:
    twice = csv(frame.assign(extra="?")).replace(b",extra\n", b",contract\n", 1)
    with pytest.raises(TableError, match="names contract twice"):
        Table.read(twice, "h.csv", schema)


def test_a_table_with_semicolons_is_read(schema: Schema, frame: pd.DataFrame) -> None:
    read = Table.read(csv(frame).replace(b",", b";"), "h.csv", schema)
    assert read.columns == Table.read(csv(frame), "h.csv", schema).columns


@pytest.mark.parametrize("column", ["customer_id", "contract", "churned"])
def test_a_column_that_must_be_known_may_not_be_left_out(
    schema: Schema, frame: pd.DataFrame, column: str
) -> None:
    with pytest.raises(TableError, match=rf"^h\.csv: the header lacks {column}; found: "):
        Table.read(csv(frame.drop(columns=column)), "h.csv", schema)


def test_a_file_from_before_an_optional_field_need_not_have_it(
    schema: Schema, frame: pd.DataFrame
) -> None:
    newer = with_field(schema, name="visits", type="integer")
    later = frame.assign(customer_id="N" + frame["customer_id"], visits="7")
    tables = [Table.read(csv(f), n, newer) for n, f in {"old.csv": frame, "new.csv": later}.items()]
    found = History.join(tables, range(9)).cohort(newer)
    visits = found.labelled.matrix[:, newer.feature_names.index("visits")]
    assert np.isnan(visits[: len(frame)]).all()
    assert (visits[len(frame) :] == 7).all()
    assert found.warnings == ("'visits' is no column of old.csv; it counts as missing there",)


def test_a_slip_for_an_optional_field_is_refused(schema: Schema, frame: pd.DataFrame) -> None:
    slip = frame.rename(columns={"satisfaction": "satisfacton"})
    with pytest.raises(
        TableError, match=r"^h\.csv: column 'satisfacton' .*did you mean 'satisfaction'"
    ):
        Table.read(csv(slip), "h.csv", schema)


def test_columns_may_stand_in_any_order(schema: Schema, frame: pd.DataFrame) -> None:
    shuffled = History.of({"h": frame[frame.columns[::-1]]}).labelled(schema)
    expected = History.of({"h": frame}).labelled(schema)
    assert np.array_equal(shuffled.matrix, expected.matrix, equal_nan=True)
    assert np.array_equal(shuffled.held_out, expected.held_out)


def test_a_header_alone_adds_nothing(schema: Schema, frame: pd.DataFrame) -> None:
    nothing = Table.read(csv(frame.head(0)), "empty.csv", schema)
    alone = History.join([nothing], range(9)).cohort(schema)
    assert alone.labelled.matrix.shape == (0, len(schema.features))
    both = History.of({"empty": frame.head(0), "h": frame}).cohort(schema)
    assert set(both.source) == {"h"}
    assert both.census["rows"] == len(frame)


def test_a_wrong_value_is_named_by_its_file_and_line(schema: Schema, frame: pd.DataFrame) -> None:
    wrong = frame.assign(churned=frame["churned"].where(frame.index != 6, "perhaps"))
    with pytest.raises(InputError, match=r"bad\.csv, line 8, column 'churned': expected one of"):
        History.of({"good.csv": frame, "bad.csv": wrong}).labelled(schema)


def test_a_wrong_value_is_found_in_any_chunk(
    schema: Schema, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evergreen.jobs.learning.history._CHUNK", 300)
    history = History.of({"h": frame})
    expected = schema.encode(
        {n: frame[n].tolist() for n in schema.feature_names}, len(frame)
    ).matrix
    assert np.array_equal(history.labelled(schema).matrix, expected, equal_nan=True)
    wrong = frame.assign(contract=frame["contract"].where(frame.index < 998, "weekly"))
    with pytest.raises(InputError, match=r"h, line 1000, column 'contract'.*\(and 1 more\)"):
        History.of({"h": wrong}).labelled(schema)


def test_a_champions_schema_reads_rows_that_it_does_not_know(
    schema: Schema, frame: pd.DataFrame
) -> None:
    document = json.loads(json.dumps(schema.document))
    (contract,) = (field for field in document["fields"] if field["name"] == "contract")
    contract["constraints"]["enum"] = ["weekly", "monthly"]
    document["fields"] = [f for f in document["fields"] if f["name"] != "monthly_fee"]
    newer = frame.assign(contract="weekly").drop(columns="monthly_fee")
    found = History.of({"h": newer}).cohort(Schema(document))
    for chosen in (np.arange(3), np.arange(len(frame)) < 3):
        matrix = found.encode(schema, chosen)
        assert (matrix[:, schema.feature_names.index("contract")] == -1).all()
        assert np.isnan(matrix[:, schema.feature_names.index("monthly_fee")]).all()
        assert len(matrix) == 3


def test_files_are_read_in_order_of_arrival_whatever_their_names() -> None:
    late = replace(A, modified=NOON + timedelta(seconds=1))
    assert Sources.of([SCHEMA_FILE, late, B]).tables == [B.key, A.key]
    assert Sources.of([SCHEMA_FILE, B, A]).tables == [A.key, B.key]


def test_there_is_nothing_to_learn_from_without_a_schema_and_a_file() -> None:
    assert Sources.of([SCHEMA_FILE, A]).complete
    assert not Sources.of([SCHEMA_FILE]).complete
    assert not Sources.of([A, B]).complete


def test_content_is_left_out_under_any_name_and_the_schema_never() -> None:
    copied = replace(B, etag=A.etag)
    left = Sources.of([SCHEMA_FILE, A, B]).without({A.etag, SCHEMA_FILE.etag})
    assert list(left.etags) == [B.key, SCHEMA_FILE.key]
    assert Sources.of([SCHEMA_FILE, A, copied]).without({A.etag}).tables == []


def test_a_fingerprint_tells_names_contents_and_schema_apart() -> None:
    seen = {
        Sources.of(found).fingerprint
        for found in (
            [SCHEMA_FILE, A],
            [SCHEMA_FILE, replace(A, etag="3")],
            [replace(SCHEMA_FILE, etag="3"), A],
            [SCHEMA_FILE, A, B],
            [SCHEMA_FILE, replace(B, etag=A.etag)],
        )
    }
    assert len(seen) == 5


def test_a_fingerprint_is_the_same_when_the_same_arrived_at_other_times() -> None:
    later = [replace(s, modified=NOON + timedelta(days=d)) for d, s in enumerate([B, A])]
    assert (
        Sources.of([SCHEMA_FILE, *later]).fingerprint == Sources.of([SCHEMA_FILE, A, B]).fingerprint
    )
