"""How numbers are written in files, and how that is found out."""

from math import inf, isinf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evergreen.customers.numbers import PLAIN, NumberFormat, formats
from evergreen.errors import TableError

GERMAN, ENGLISH = NumberFormat(",", "."), NumberFormat(".", ",")
COMMA, SWISS, FRENCH = NumberFormat(","), NumberFormat(".", "'"), NumberFormat(",", " ")


@pytest.mark.parametrize(
    ("written", "text", "number"),
    [
        (PLAIN, "-12.5", -12.5),
        (PLAIN, "+1e3", 1000),
        (PLAIN, ".5", 0.5),
        (PLAIN, "1,5", inf),
        (PLAIN, "1_000", inf),
        (PLAIN, "", inf),
        (PLAIN, "nan", inf),
        (PLAIN, "1e999", inf),
        (COMMA, "74,90", 74.9),
        (COMMA, ",5", 0.5),
        (COMMA, "1.234", inf),
        (COMMA, "1,2,3", inf),
        (GERMAN, "1.234", 1234),
        (GERMAN, "1.234,56", 1234.56),
        (GERMAN, "-1.234.567,8e2", -123456780),
        (GERMAN, "1234567,8", 1234567.8),
        (GERMAN, "74,90", 74.9),
        (GERMAN, "1.23", inf),
        (GERMAN, "1.2345", inf),
        (GERMAN, "1234.567", inf),
        (GERMAN, "0.125", inf),
        (GERMAN, "1,234.5", inf),
        (ENGLISH, "1,234.5", 1234.5),
        (SWISS, "1'234.5", 1234.5),
        (SWISS, "1\u2019234", 1234),
        (FRENCH, "1 234,5", 1234.5),
        (FRENCH, "1\u00a0234\u202f567", 1234567),
        (FRENCH, "1 2", inf),
        (ENGLISH, "\u0661,234", inf),
        (GERMAN, "12 €", inf),
    ],
)
def test_a_text_is_the_number_that_its_format_says(
    written: NumberFormat, text: str, number: float
) -> None:
    assert written.number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,56 €", 1234.56),
        ("€5", 5),
        ("-€5", -5),
        ("€ -5", -5),
        ("95%", 95),
        ("EUR 1,5", 1.5),
        ("Fr.5", 5),
        ("12", 12),
        ("5-", inf),
        ("(5)", inf),
        ("-€-5", inf),
        ("a1b2", inf),
        ("€", inf),
        ("", inf),
    ],
)
def test_a_number_that_is_not_bare_is_read_without_what_stands_around(
    text: str, number: float
) -> None:
    assert NumberFormat(",", ".", bare=False).number(text) == number


def grouped(number: float, written: NumberFormat) -> str:
    text = f"{number:,.2f}"
    swap = {",": written.group, ".": written.decimal}
    return "".join(swap.get(sign, sign) for sign in text)


usual = st.sampled_from([PLAIN, COMMA, GERMAN, ENGLISH, SWISS, FRENCH, NumberFormat(".", " ")])
cents = st.integers(-(10**9), 10**9).map(lambda n: n / 100)


@given(cents, usual)
def test_a_number_comes_back_from_its_text(number: float, written: NumberFormat) -> None:
    assert written.number(grouped(number, written)) == number
    assert written.number(written.written(number)) == number
    assert (
        NumberFormat(written.decimal, written.group, bare=False).number(
            f"{grouped(number, written)} kWh"
        )
        == number
    )


@given(st.lists(cents, min_size=1), usual)
def test_the_format_of_a_column_is_found(numbers: list[float], written: NumberFormat) -> None:
    column = [grouped(number, written) for number in numbers]
    found = formats({"x": column}).get("x", PLAIN)
    assert [found.number(cell) for cell in column] == numbers


@given(st.lists(st.text(st.sampled_from("0123456789.,' -e"), max_size=9)))
def test_a_column_is_never_read_worse_than_plainly(column: list[str]) -> None:
    try:
        found = formats({"x": column}).get("x", PLAIN)
    except TableError:
        return
    cells = [cell.strip() for cell in column]
    plainly = [PLAIN.number(cell) for cell in cells]
    assume(not all(map(isinf, plainly)))
    read = [found.number(cell) for cell in cells]
    for cell, before, now in zip(cells, plainly, read, strict=True):
        if not isinf(before):
            assert now == before or "." in cell  # 1.234 beside 1.234.567


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"a": ["1", "-2.5", "1e3", ""]}, {}),
        ({"a": ["74,90", "12", " ", "n/a"]}, {"a": COMMA}),
        ({"a": ["1.234,56", "74,90"]}, {"a": GERMAN}),
        ({"a": ["1,234.56"]}, {"a": ENGLISH}),
        ({"a": ["1.234.567"]}, {"a": GERMAN}),
        ({"a": ["1'234.50"]}, {"a": SWISS}),
        ({"a": ["1 234,50"]}, {"a": FRENCH}),
        ({"a": ["1 234"], "b": ["0,5"]}, {"a": FRENCH, "b": FRENCH}),
        ({"a": ["\u00a074,90\ufeff"]}, {"a": COMMA}),
        ({"a": ["1,234"], "b": ["0.5"]}, {"a": ENGLISH}),
        ({"a": ["1,234"], "b": ["0,5"]}, {"a": COMMA, "b": COMMA}),
        ({"a": ["1,234", "74,90"]}, {"a": COMMA}),
        ({"a": ["1.234", "5"]}, {}),
        ({"a": ["1.234", "5"], "b": ["0,5"]}, {"a": GERMAN, "b": GERMAN}),
        ({"a": ["0.125"], "b": ["0,5"]}, {"b": COMMA}),
        ({"a": ["1.234", "1.5"], "b": ["0,5"]}, {"b": COMMA}),
        ({"a": ["74,90", "12.5"]}, {}),
        ({"a": ["74,90", "12.5"], "b": ["0,5"]}, {"b": COMMA}),
        ({"a": ["12.11.2024"], "b": ["x,y"], "c": []}, {}),
    ],
)
def test_each_column_is_read_as_it_and_the_others_show(
    columns: dict[str, list[str]], found: dict[str, NumberFormat]
) -> None:
    assert formats(columns) == found


@pytest.mark.parametrize("others", [{}, {"b": ["12"]}, {"b": ["0,5"], "c": ["0.5"]}])
def test_what_can_be_read_in_two_ways_is_refused_with_both(others: dict[str, list[str]]) -> None:
    with pytest.raises(TableError, match=r"'fee': '1,234' may be 1.234 or 1234.*decimalChar"):
        formats({"fee": ["7", "1,234"], **others})
