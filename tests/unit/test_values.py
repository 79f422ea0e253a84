"""What a text means, and what a spreadsheet would make of it."""

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evergreen.customers.values import defused, folded, plain

SPACES = (" ", "\t", "\r", "\n", "\u00a0", "\u202f", "\u3000", "\u200b", "\ufeff", "\u2060")
odd_texts = st.text(st.sampled_from("'=+-@\t\r\n \u00a0\ufeff\uff1d\uff0b\uff0d\uff20aA1.,%eE"))
texts = odd_texts | st.text()


@pytest.mark.parametrize("space", SPACES)
def test_what_surrounds_a_text_is_no_part_of_it(space: str) -> None:
    assert plain(f"{space}{space}two words{space}") == "two words"
    assert plain(space) == ""


def test_all_that_python_takes_for_a_space_is_one() -> None:
    spaces = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace())
    assert plain(spaces) == ""


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        ("'=x", "=x"),
        ("  '=x", "=x"),
        ("' =x", "=x"),
        ("'-12", "-12"),
        ("'\tx", "x"),
        ("'\uff1dx", "\uff1dx"),
        ("'x", "'x"),
        ("''=x", "''=x"),
        ("'", "'"),
        ("'til", "'til"),
        ("it's", "it's"),
    ],
)
def test_an_apostrophe_before_a_formula_is_taken_off_and_any_other_stays(
    cell: str, meant: str
) -> None:
    assert plain(cell) == meant


@pytest.mark.parametrize(
    "formula",
    [
        *('=cmd|" /C calc"!A0', "+1+cmd", "-1-2", "@SUM(A1)", "\tx", "\rx", " =x", "\u00a0=x"),
        *("\ufeff@x", "\n=1", "\uff1dx", "\uff0bx", "\uff0dx", "\uff20x", "=", "-a", "+e5", "-2e"),
    ],
)
def test_what_a_spreadsheet_would_execute_is_defused(formula: str) -> None:
    assert defused(formula) == "'" + formula


@pytest.mark.parametrize(
    "cell",
    [
        *("-12.5", "+3", "-1.234,56", "-1,234.56", "-1e5", "-1.5E+05", "-5%", "-5 %", "-", "+"),
        *("- 5", "-1 234,5", "-1\u00a0234,5", "-1'234.5", " -3", "\t-3", "+49 170 123", "-.5"),
        *("", " ", "\t", "a=b", "'=x", "x", "12", "1-2"),
    ],
)
def test_numbers_and_harmless_texts_stay_as_they_are(cell: str) -> None:
    assert defused(cell) == cell


@given(texts)
@example("\t'=x")
@example("\t'foo")
def test_a_defused_text_is_the_same_value_and_is_not_defused_twice(cell: str) -> None:
    assert plain(defused(cell)) == plain(cell)
    assert defused(defused(cell)) == defused(cell)
    assert plain(plain(cell)) == plain(cell)


@given(odd_texts)
def test_no_defused_text_but_a_number_begins_as_formulas_do(cell: str) -> None:
    written = defused(cell)
    if written.lstrip(" \u00a0\ufeff\n")[:1] in tuple("=@\uff1d\uff0b\uff0d\uff20"):
        pytest.fail(written)
    if written.lstrip(" \u00a0\ufeff\n\t\r")[:1] in tuple("+-"):
        assert not any(letter in written for letter in "aA=@")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Fibre", "FIBRE"),
        ("stra\N{LATIN SMALL LETTER SHARP S}e", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("two  words", "two\u00a0words"),
        ("\uff21\uff22", "ab"),
        ("a\u200bb", "ab"),
    ],
)
def test_variants_of_a_text_have_something_in_common(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_other_texts_have_not() -> None:
    assert len(set(map(folded, ["a b", "ab", "\u00e1b", "a-b"]))) == 4


@given(texts)
def test_folding_is_done_once_and_for_all(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert folded(f" {text}\u00a0") == folded(text)


def test_all_that_python_calls_a_space_is_one() -> None:
    spaces = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace())
    assert plain(f"{spaces}a{spaces}") == "a"
