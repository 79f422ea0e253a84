"""Which column of a file is which field of a schema."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers import header
from evergreen.customers.schema import Schema
from evergreen.errors import TableError

FIELDS = ["tenure", "monthly fee", "plan", "Größe", "visits"]
REQUIRED = FIELDS[:3]
EVERY = ["id", *FIELDS, "left"]


def schema(*more: str) -> Schema:
    def numeric(name: str) -> dict[str, Any]:
        return {"name": name, "type": "number", "constraints": {"required": name in REQUIRED}}

    return Schema(
        {
            "fields": [
                {"name": "id", "type": "string"},
                *map(numeric, [*FIELDS, *more]),
                {"name": "left", "type": "boolean"},
            ],
            "primaryKey": "id",
            "target": {"field": "left", "positive": True},
        }
    )


SCHEMA = schema()


@pytest.mark.parametrize(
    "written",
    [
        *("tenure", " tenure ", "Tenure", "TENURE", "\ttenure", "tenure\xa0", "\ufefftenure"),
        *("\u200btenure\u200b", "\u2003tenure\u3000", "tenure\r", "tenure\n"),
        "\uff34enure",  # a full-width T, as East Asian keyboards write it
    ],
)
def test_a_column_is_the_field_that_it_is_called(written: str) -> None:
    found = header.match([written, "monthly fee", "plan"], SCHEMA)
    assert found.names == ("tenure", "monthly fee", "plan")
    assert found.written == (written, "monthly fee", "plan")
    assert found.matched == ({} if written == "tenure" else {written: "tenure"})


@pytest.mark.parametrize(
    "written", ["GRÖSSE", "größe", "gro\u0308ße", "Gro\u0308\u00dfe ", "GRÖẞE", "grösse"]
)
def test_letters_are_the_same_in_either_form_and_case(written: str) -> None:
    found = header.match([*REQUIRED, written], SCHEMA)
    assert found.names[3] == "Größe"


@pytest.mark.parametrize(
    "written", ["MONTHLY\xa0FEE", "Monthly\u2009Fee", "monthly\u3000fee", "Monthly\nFee"]
)
def test_a_space_of_any_kind_within_a_name_is_a_space(written: str) -> None:
    assert header.match(["tenure", written, "plan"], SCHEMA).names[1] == "monthly fee"


def test_the_closer_column_is_the_field_and_the_other_one_the_users_own() -> None:
    found = header.match([" tenure", "tenure", "TENURE", "monthly fee", "Plan", "plan "], SCHEMA)
    assert found.names == (" tenure", "tenure", "TENURE", "monthly fee", "Plan", "plan")
    assert found.matched == {"plan ": "plan"}


def test_a_name_that_two_fields_are_alike_to_is_neither() -> None:
    two = schema("Visits")
    found = header.match([*REQUIRED, "visits", "VISITS", "Visits"], two)
    assert found.names == (*REQUIRED, "visits", "VISITS", "Visits")
    assert found.matched == {}
    with pytest.raises(TableError, match=r"column 'VISITS' .* did you mean 'visits'"):
        header.match([*REQUIRED, "VISITS"], two)


@pytest.mark.parametrize(
    ("cells", "where"),
    [
        (["plan", "tenure", "tenure"], "column 2, 'tenure' and column 3, 'tenure'"),
        (["Tenure", "plan", "TENURE "], "column 1, 'Tenure' and column 3, 'TENURE '"),
        ([" tenure", "tenure\xa0"], r"column 1, ' tenure' and column 2, 'tenure\\xa0'"),
        (["tenure"] * 3, "column 1, 'tenure' and column 2, 'tenure' and column 3, 'tenure'"),
    ],
)
def test_a_field_is_there_once(cells: list[str], where: str) -> None:
    with pytest.raises(TableError, match=f"^the header names tenure twice: {where}$"):
        header.match([*cells, "monthly fee"], SCHEMA)


def test_the_target_and_the_key_are_fields_as_well() -> None:
    found = header.match([*REQUIRED, "ID", "Left "], SCHEMA, "left", "id")
    assert found.names == (*REQUIRED, "id", "left")
    with pytest.raises(TableError, match="names left twice"):
        header.match([*REQUIRED, "left", "left"], SCHEMA)


def test_two_columns_of_the_users_own_may_have_one_name() -> None:
    assert header.match([*REQUIRED, "note", "note "], SCHEMA).names == (*REQUIRED, "note", "note")


def test_columns_without_a_name_are_no_fields() -> None:
    found = header.match([*REQUIRED, "", " \u200b", "note"], SCHEMA)
    assert found.names == (*REQUIRED, "", "", "note")
    assert found.unnamed == (3, 4)


def test_optional_features_may_be_absent_and_are_named() -> None:
    assert header.match(REQUIRED, SCHEMA).absent == ("Größe", "visits")
    assert header.match([*REQUIRED, "VISITS"], SCHEMA).absent == ("Größe",)
    assert header.match(EVERY, SCHEMA).absent == ()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["plan", "note"], "the header lacks tenure, monthly fee; found: plan, note"),
        (
            ["plan", "tenur", "Monthly-Fee", "x"],
            "the header lacks tenure, monthly fee; found: plan, tenur, Monthly-Fee, x;"
            " 'tenur' looks like 'tenure'; 'Monthly-Fee' looks like 'monthly fee'",
        ),
        (
            ["id"],
            "the header lacks tenure, monthly fee, plan, Größe, visits; found: id",
        ),
        (
            ["7590", "12", "", "yes"],
            "the header lacks tenure, monthly fee, plan, Größe, visits; found: 7590, 12, yes;"
            " is the first line the header, and is it split by comma, semicolon, tab or pipe?",
        ),
        (
            [],
            "the header lacks tenure, monthly fee, plan, Größe, visits; found: nothing;"
            " is the first line the header, and is it split by comma, semicolon, tab or pipe?",
        ),
    ],
)
def test_what_lacks_is_named_with_what_was_found(cells: list[str], message: str) -> None:
    with pytest.raises(TableError) as raised:
        header.match(cells, SCHEMA)
    assert str(raised.value) == message


def test_what_is_asked_for_beside_the_features_has_to_be_there() -> None:
    with pytest.raises(TableError, match=r"^the header lacks left, id; found: .*'Leftt' looks"):
        header.match([*REQUIRED, "Leftt"], SCHEMA, "left", "id")


def test_a_message_does_not_grow_with_the_file() -> None:
    with pytest.raises(TableError) as raised:
        header.match(["x" * 10_000, *(f"column {n}" for n in range(10_000))], SCHEMA)
    assert len(str(raised.value)) < 700
    assert "column 18, …" in str(raised.value)


def test_a_slip_for_an_absent_optional_field_is_refused() -> None:
    with pytest.raises(TableError, match=r"^column 'visit' is not a field .* mean 'visits'"):
        header.match([*REQUIRED, " visit "], SCHEMA)
    assert header.match([*REQUIRED, "visit", "visits"], SCHEMA).names[3] == "visit"


def test_without_a_schema_names_are_trimmed() -> None:
    found = header.of([" Plan\xa0", "", "\ufeffid"])
    assert (found.names, found.unnamed) == (("Plan", "", "id"), (1,))
    assert (found.written, found.matched, found.absent) == ((" Plan\xa0", "", "\ufeffid"), {}, ())


AROUND = st.text(" \t\xa0\u200b\u2009\ufeff", max_size=3)
CASES: list[Callable[[str], str]] = [str.lower, str.upper, str.title, str.casefold]


@given(st.permutations(EVERY), st.data())
def test_order_padding_and_case_do_not_matter(order: list[str], data: st.DataObject) -> None:
    written = [
        data.draw(AROUND) + data.draw(st.sampled_from(CASES))(name) + data.draw(AROUND)
        for name in order
    ]
    found = header.match(written, SCHEMA, "left", "id")
    assert found.names == tuple(order)
    assert found.matched == {a: b for a, b in zip(written, order, strict=True) if a != b}


@given(st.lists(st.sampled_from(["tenure", "Tenure", " tenure", "note", "Note ", "", " "])))
def test_a_field_is_never_the_name_of_two_columns(some: list[str]) -> None:
    cells = [*some, *REQUIRED[1:]]
    try:
        found = header.match(cells, SCHEMA)
    except TableError as error:
        assert "twice" in str(error) or "lacks tenure" in str(error)
        return
    assert found.names.count("tenure") == 1
    assert len(found.names) == len(cells)
    assert all(not cells[index].strip() for index in found.unnamed)
