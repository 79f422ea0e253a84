"""What an unknown table's columns become, and that the schema of it reads the table."""

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.features import Numeric
from evergreen.customers.inference import Inference, infer
from evergreen.customers.numbers import formats
from evergreen.customers.schema import Schema
from evergreen.errors import InputError
from evergreen.jobs.learning.proposal import propose
from tests.unit.frames import Columns, bank, german, table, telecom

ROWS = 300
LEFT = [("yes", "no", "no")[n % 3] for n in range(ROWS)]


def became(columns: Columns, **wanted: Any) -> dict[str, tuple[str, str]]:
    return {c.name: (c.role, c.kind) for c in propose(table(columns), **wanted).columns}


def column(values: Sequence[object], name: str = "x") -> Inference:
    """Infer a column beside a key, another feature and the target."""
    other = [str(n % 7) for n in range(ROWS)]
    key = [f"C{n}" for n in range(ROWS)]
    return infer(table({"id": key, name: values, "other": other, "churn": LEFT}))


def field(inferred: Inference, name: str = "x") -> Any:
    return next((f for f in inferred.document["fields"] if f["name"] == name), None)


def why(inferred: Inference, name: str = "x") -> str:
    (found,) = (c for c in inferred.columns if c.name == name)
    return f"{found.role}, {found.kind}: {found.why}"


def repeated(*values: object) -> list[object]:
    return [values[n % len(values)] for n in range(ROWS)]


EXPORTS: dict[str, tuple[Callable[[], Columns], dict[str, tuple[str, str]]]] = {
    "bank": (
        bank,
        {
            "RowNumber": ("left out", "whole number"),
            "CustomerId": ("key", "key"),
            "Surname": ("left out", "text"),
            "CreditScore": ("feature", "whole number"),
            "Geography": ("feature", "category"),
            "Age": ("feature", "whole number"),
            "Balance": ("feature", "number"),
            "NumOfProducts": ("feature", "whole number"),
            "HasCrCard": ("feature", "category"),
            "Exited": ("target", "category"),
        },
    ),
    "telecom": (
        telecom,
        {
            "State": ("feature", "category"),
            "Account Length": ("feature", "whole number"),
            "Area Code": ("feature", "category"),
            "Phone": ("key", "key"),
            "Int'l Plan": ("feature", "category"),
            "Day Mins": ("feature", "number"),
            "CustServ Calls": ("feature", "whole number"),
            "Churn?": ("target", "category"),
        },
    ),
    "german": (
        german,
        {
            "Kundennummer": ("key", "key"),
            "Vertragsbeginn": ("left out", "date"),
            "Laufzeit": ("feature", "whole number"),
            "PLZ": ("feature", "category"),
            "Jahresbeitrag": ("feature", "number"),
            "Tarif": ("feature", "category"),
            "Land": ("left out", "constant"),
            "Bemerkung": ("left out", "text"),
            "Kündigungsgrund": ("left out", "category"),
            "Gekündigt": ("target", "category"),
        },
    ),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_is_understood_without_a_word(export: str) -> None:
    make, expected = EXPORTS[export]
    assert became(make()) == expected


@pytest.mark.parametrize("export", EXPORTS)
def test_every_row_of_an_export_fits_its_schema(export: str) -> None:
    columns = EXPORTS[export][0]()
    schema = propose(table(columns)).schema
    rows = len(columns[schema.target])
    assert schema.encode(columns, rows).problems == []
    assert schema.labels(columns[schema.target])[1] == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("export", "positive"), [("bank", 1), ("telecom", "True."), ("german", "ja")]
)
def test_the_outcome_is_guessed_and_said(export: str, positive: object) -> None:
    inferred = propose(table(EXPORTS[export][0]()))
    assert inferred.schema.positive == positive
    assert any(repr(positive) in note and "--positive" in note for note in inferred.notes)


def test_the_telco_table_is_read_as_by_the_schema_written_for_it() -> None:
    path = Path(os.environ.get("EVERGREEN_TELCO_CSV", "../shared/data/telco.csv"))
    if not path.is_file():
        missing = f"no Telco table: neither EVERGREEN_TELCO_CSV nor {path} is a file"
        (pytest.fail if os.environ.get("EVERGREEN_REQUIRE_ALL") else pytest.skip)(missing)
    rows = [*csv.DictReader(path.read_text().splitlines())]
    columns: Columns = {name: [row[name] for row in rows] for name in rows[0]}
    inferred = propose(table(columns))
    ours = Schema.parse(Path("local/schemas/telco.json").read_bytes())
    assert inferred.schema.primary_key == ours.primary_key
    assert (inferred.target, inferred.positive) == (ours.target, ours.positive)
    made, by_hand = (schema.encode(columns, len(rows)) for schema in (inferred.schema, ours))
    np.testing.assert_array_equal(made.matrix, by_hand.matrix)
    assert made.problems == by_hand.problems == []


# ------------------------------------------------------------ any table

CELLS = st.one_of(
    st.sampled_from(["", " ", "NA", "n/a", "-", "?", "None", "yes", "Yes", "no ", "0", "1", "1.0"]),
    st.integers(-5, 10**6).map(str),
    st.floats(-1e6, 1e6).map(lambda x: f"{x:.2f}"),
    st.floats(0, 1e6).map(lambda x: f"{x:.2f}".replace(".", ",")),
    st.dates().map(str),
    st.text(max_size=5),
)


@given(st.data())
@settings(max_examples=200)
def test_the_schema_reads_whatever_table_it_is_inferred_from(data: st.DataObject) -> None:
    rows = data.draw(st.integers(4, 40))
    few = st.lists(CELLS, min_size=1, max_size=4).flatmap(st.sampled_from)
    drawn = st.one_of(CELLS, few, *(st.just(cell) for cell in ("7,5", "x")))
    columns: Columns = {
        f"c{j}": data.draw(st.lists(drawn, min_size=rows, max_size=rows)) for j in range(3)
    }
    columns |= {"some": [str(n % 3) for n in range(rows)]}
    columns |= {"churned": [("ja", "nein")[n % 2] for n in range(rows)]}
    inferred = infer(table(columns))
    assert inferred.schema.encode(columns, rows).problems == []
    assert [c.name for c in inferred.columns] == [*columns]
    numbers = [f.name for f in inferred.schema.features if isinstance(f, Numeric)]
    found = formats({name: columns[name] for name in numbers})  # type: ignore[misc]
    assert Schema(inferred.document).reading(found).encode(columns, rows).problems == []


# ------------------------------------------------------------ who left


@pytest.mark.parametrize(
    "name", ["Churn", "CHURNED", "customer_exited", "Attrition_Flag", "isCanceled", "Kündigung"]
)
def test_the_target_is_known_by_its_name(name: str) -> None:
    inferred = infer(
        table({"a": repeated(1, 2, 3), name: LEFT, "left_handed": repeated("l", "r", "b")})
    )
    assert inferred.target == name
    assert repr(name) in inferred.notes[0]


def test_of_several_that_name_churn_the_plain_one_is_taken() -> None:
    columns = {
        "Churn Score": repeated(*range(50)),
        "Churn Label": LEFT,
        "Churn": [str(int(cell == "yes")) for cell in LEFT],
        "a": repeated("x", "y", "z"),
    }
    inferred = propose(table(columns))
    assert inferred.target == "Churn"
    (label,) = (c for c in inferred.columns if c.name == "Churn Label")
    assert label.role == "left out"
    assert "ROC AUC 1.000" in label.why


def test_without_a_target_the_candidates_are_listed() -> None:
    with pytest.raises(InputError, match=r"--target.*two values: answer, sex$"):
        infer(table({"answer": LEFT, "sex": repeated("f", "m"), "n": repeated(1, 2, 3)}))


def test_a_target_that_is_misspelt_is_suggested() -> None:
    with pytest.raises(InputError, match="did you mean 'answer'"):
        infer(table({"answer": LEFT, "n": repeated(1, 2, 3)}), "answr")
    assert infer(table({"answer": LEFT, "n": repeated(1, 2, 3)}), " ANSWER").target == "answer"


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (("Yes", "No"), "Yes"),
        (("0", "1"), 1),
        (("Existing Customer", "Attrited Customer"), "Attrited Customer"),
        (("Not churned", "Churned"), "Churned"),
        (("stayed", "left"), "left"),
        ((True, False), True),
        (("b", "a", "b"), "a"),  # the rarer
    ],
)
def test_what_means_left_is_guessed(values: tuple[object, ...], positive: object) -> None:
    inferred = infer(table({"n": repeated(1, 2, 3), "churn": repeated(*values)}))
    assert inferred.positive == positive
    assert inferred.schema.positive == positive


def test_what_means_left_can_be_said() -> None:
    inferred = infer(table({"n": repeated(1, 2, 3), "churn": LEFT}), positive="NO")
    assert inferred.positive == "no"
    with pytest.raises(InputError, match=r"never 'maybe': its values are no \(200\), yes \(100\)"):
        infer(table({"n": repeated(1, 2, 3), "churn": LEFT}), positive="maybe")


def test_of_three_statuses_a_person_says_which_means_left() -> None:
    columns = {"n": repeated(1, 2, 3), "status": repeated("active", "paused", "cancelled")}
    with pytest.raises(
        InputError, match=r"3 values: active \(100\), cancelled \(100\).*--positive"
    ):
        infer(table(columns), "status")
    inferred = infer(table(columns), "status", positive="cancelled")
    assert inferred.schema.labels(columns["status"])[0].sum() == ROWS / 3  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [("yes",), tuple(range(100)), ("",)])
def test_a_target_that_is_no_outcome_is_refused(values: tuple[object, ...]) -> None:
    with pytest.raises(InputError, match="can't be the target"):
        infer(table({"n": repeated(1, 2, 3), "churn": repeated(*values)}), "churn")


def test_rows_without_an_outcome_are_told() -> None:
    inferred = propose(table({"n": repeated(1, 2, 3, 4), "churn": ["yes", " ", *LEFT[2:]]}))
    assert "1 of 300 rows have no 'churn', the first of them in line 3" in inferred.unlabelled
    assert "training refuses the file" in inferred.unlabelled


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match="no rows"):
        infer(table({"churn": []}))


# ------------------------------------------------------------ who is who

NAMES = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmno"]


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"Row ID": range(ROWS), "Customer ID": range(ROWS)}, ("Customer ID",)),
        ({"number": range(ROWS), "user_key": NAMES}, ("user_key",)),
        ({"code": [f"{n}-QX" for n in range(ROWS)]}, ("code",)),
        ({"prediction_id": range(ROWS), "code": [f"{n}-QX" for n in range(ROWS)]}, ("code",)),
        ({"prediction_id": NAMES}, ()),
        ({"name": NAMES}, ()),
        ({"spend": [f"{n},5" for n in range(ROWS)]}, ()),
        ({"id": [*range(ROWS - 1), 0]}, ()),
        ({"id": [*range(ROWS - 1), ""]}, ()),
        ({"signed_id_date": [f"2020-01-01T00:{n // 60:02}:{n % 60:02}" for n in range(ROWS)]}, ()),
    ],
)
def test_a_key_is_guessed_where_one_is_told(columns: Columns, key: tuple[str, ...]) -> None:
    text = {name: [str(value) for value in values] for name, values in columns.items()}
    inferred = infer(table({**text, "n": repeated(1, 2, 3), "churn": LEFT}))
    assert inferred.key == key
    assert inferred.schema.primary_key == key
    assert any("--key" in note for note in inferred.notes)


def test_a_key_can_be_said_though_it_repeats() -> None:
    columns = {"id": [str(n // 2) for n in range(ROWS)], "n": repeated(1, 2, 3), "churn": LEFT}
    inferred = infer(table(columns), key=["id"])
    assert inferred.schema.primary_key == ("id",)
    assert "of 150 rows a later one of the same customer counts" in why(inferred, "id")
    columns["id"] = [str(n * 2 // 3) for n in range(ROWS)]
    assert "with --key 'id', the last row" in why(infer(table(columns)), "id")


def test_a_key_may_be_several_columns() -> None:
    columns = {
        "a": repeated(1, 2, 3),
        "b": repeated("x", "y"),
        "n": repeated(5, 6, 7, 8),
        "churn": LEFT,
    }
    inferred = infer(table(columns), key=["a", "b"])
    assert inferred.document["primaryKey"] == ["a", "b"]
    assert inferred.schema.feature_names == ("n",)


# ------------------------------------------------------------ one column


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (repeated(""), "left out, empty"),
        (repeated("NA", "-", ""), "left out, empty"),
        (repeated("DE"), "left out, constant: always 'DE'"),
        (NAMES, "left out, text: every customer has another one"),
        ([f"{n // 2}x" for n in range(ROWS)], "left out, text: 150 different ones among 300"),
        ([f"text {n * n % 199}" * 12 for n in range(ROWS)], "left out, text: it is free text"),
        ([f"{n if n < 30 else n % 25}x" for n in range(ROWS)], "left out, category: too many lev"),
        (repeated("a", "b", None), "feature, category: 2 levels: a, b"),
        (repeated("on", ""), "feature, category: 1 level: on"),
        (repeated("1", "2", "3"), "feature, whole number: from 1 to 3"),
        (repeated("0", "1"), "feature, category: 2 levels: 0, 1"),
        (repeated("0.0", "1.0", ""), "feature, category: 2 levels: 0, 1"),
        (repeated("0.5", "1.5"), "feature, number: from 0.5 to 1.5"),
        (repeated("1.0", "2.0", "3.0"), "feature, number: from 1 to 3"),
        (repeated("-3", "1200", "7"), "feature, whole number: from -3 to 1,200"),
        (repeated("01234", "11234", "21234"), "feature, category: 3 levels: 01234, 11234, 21234"),
        (repeated("1", "2", "?", "3"), "feature, whole number: from 1 to 3"),
        (repeated("a", "b", "c", "?"), "feature, category: 4 levels"),
        (repeated(*range(1, 9), "n.b.", 9), "feature, whole number: from 1 to 9"),
        ([*range(ROWS - 1), "12a"], "left out, number: 1 of its cells are none, such as '12a'"),
        ([str(n) for n in range(ROWS)], "left out, whole number: it numbers the rows"),
        (repeated("1" * 20, "1" * 19 + "2"), "left out, number: numbers so large are names"),
        ([str(10**40 + n) for n in range(ROWS)], "left out, number: numbers so large are names"),
        (repeated("74,90", "10,00", "8,5"), "feature, number: from 8.5 to 74.9, ',' before"),
        (repeated("1.234,50", "10,25", "8,5"), "feature, number: from 8.5 to 1,234.5"),
        (repeated("$12.50", "$1,300.00", "$7.25"), "feature, number: from 7.25 to 1,300"),
        (repeated("12,5 %", "7,25 %", "8 %"), "feature, number: from 7.25 to 12.5"),
        (repeated("1,234", "2,345", "8,100"), "left out, number: column 'x': '1,234' may be"),
        (["1,234", "x", "y", "z"] * (ROWS // 4), "feature, category: 4 levels: 1,234, x, y, z"),
        ([{"a": 1}] * ROWS, "left out, nested"),
        (repeated(True, False, None), "feature, category: 2 levels: False, True"),
        (repeated(1.5, 2, 3), "feature, number: from 1.5 to 3"),
    ],
)
def test_a_column_becomes_what_its_cells_show(values: Sequence[object], expected: str) -> None:
    inferred = column(values)
    assert why(inferred).startswith(expected)
    assert inferred.schema.encode({"x": values, "other": ["1"] * ROWS}, ROWS).problems == []


@pytest.mark.parametrize(
    "values",
    [
        ("2024-01-31", "2023-12-01"),
        ("2024-01-31T10:00:00Z", "2023-12-01T11:30:00.123+01:00"),
        ("2024/1/31 10:00", "2023/12/1 9:30 PM"),
        ("31.01.2024", "1.12.23"),
        ("1/31/2024", "12/1/2023"),
        ("31-Jan-2024", "01-Dez-2023"),
        ("Jan 31, 2024", "December 1, 2023"),
        ("20240131", "20231201"),
        ("2024-01", "2023-12"),
    ],
)
def test_dates_are_left_out_with_advice(values: tuple[str, ...]) -> None:
    assert why(column(repeated(*values, ""))).startswith("left out, date: turn it into days")


def test_unix_time_is_known_by_name_and_size() -> None:
    seconds = [str(1_700_000_000 + 977 * n) for n in range(ROWS)]
    assert "date" in why(column(seconds, "created_at"), "created_at")
    assert "feature" in why(column(seconds, "revenue"), "revenue")


def test_many_levels_are_a_category_where_new_ones_will_be_rare() -> None:
    assert why(column(repeated(*NAMES[:60]))).startswith("feature, category: 60 levels")


def test_a_level_is_written_as_most_have_it() -> None:
    values = repeated("Gold", "gold ", "Gold", "silver")
    inferred = column(values)
    assert field(inferred)["constraints"]["enum"] == ["Gold", "silver"]
    assert len(np.unique(inferred.schema.encode({"x": values}, ROWS).matrix[:, 0])) == 2


def test_na_is_a_code_among_codes() -> None:
    assert (
        "NA" in field(column(repeated("DE", "FR", "NA", "ZA", "US", "CN")))["constraints"]["enum"]
    )
    assert field(column(repeated("A", "B", "NA")))["constraints"]["enum"] == ["A", "B"]


def test_what_was_seen_is_no_rule_for_what_may_come() -> None:
    inferred = column(repeated("3", "7", "9"))
    assert field(inferred)["constraints"] == {"required": True}
    assert inferred.schema.encode({"x": ["-1", "1000000"], "other": ["1", "1"]}, 2).problems == []


def test_a_column_with_a_gap_is_not_required() -> None:
    assert "constraints" not in field(column(["", *repeated("3", "7", "9")[1:]]))


def test_only_what_occurs_stands_for_missing() -> None:
    inferred = column(repeated("1", "2", "-", "N/A", "3", "4"))
    assert inferred.document["missingValues"] == ["", "-", "N/A"]
    assert column(repeated("a", "b")).document["missingValues"] == [""]


def test_a_word_that_is_a_level_elsewhere_stands_for_missing_in_its_own_field() -> None:
    columns: Columns = {
        "n": repeated("1", "2", "None", "3"),
        "line": repeated("None", "DSL", "fibre"),
        "churn": LEFT,
    }
    inferred = infer(table(columns))
    assert field(inferred, "n")["missingValues"] == ["", "None"]
    assert inferred.document["missingValues"] == [""]
    matrix, problems = inferred.schema.encode(columns, ROWS)
    assert problems == []
    assert np.isnan(matrix).mean(axis=0).tolist() == [0.25, 0]


def test_a_decimal_comma_is_found_again_in_each_file_and_not_written() -> None:
    inferred = column(repeated("74,90", "10,00", "8,5"))
    assert field(inferred).keys().isdisjoint({"decimalChar", "groupChar"})
    plain = Schema(inferred.document)
    assert plain.encode({"x": ["74.90"], "other": ["1"]}, 1).problems == []
    assert inferred.schema.encode({"x": ["74,90"], "other": ["1"]}, 1).matrix[0, 0] == np.float32(
        74.9
    )


def test_beside_a_currency_the_decimal_comma_is_written() -> None:
    written = field(column(repeated("1.212,50 €", "7,25 €", "8 €")))
    assert (written["bareNumber"], written["decimalChar"], written["groupChar"]) == (
        False,
        ",",
        ".",
    )


def test_examples_are_no_customer() -> None:
    inferred = propose(table(bank()))
    assert inferred.schema.example().keys() >= set(inferred.schema.feature_names)
    assert "example" not in field(inferred, "CustomerId")


def test_a_leak_can_be_kept() -> None:
    columns = german()
    assert "Kündigungsgrund" not in propose(table(columns)).schema.feature_names
    kept = propose(table(columns), keep=["Kündigungsgrund"])
    assert "Kündigungsgrund" in kept.schema.feature_names
