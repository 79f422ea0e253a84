"""What one field takes, and what it makes of each value."""

import math
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.features import UNSEEN, Categorical, Numeric, parse_feature
from evergreen.customers.values import folded
from evergreen.errors import SchemaError

MISSING = frozenset([None, "", "NA"])


def numeric(**constraints: object) -> Numeric:
    found = parse_feature({"name": "x", "type": "number", "constraints": constraints}, MISSING)
    assert isinstance(found, Numeric)
    return found


def categorical(levels: list[Any], kind: str = "string") -> Categorical:
    found = parse_feature({"name": "x", "type": kind, "constraints": {"enum": levels}}, MISSING)
    assert isinstance(found, Categorical)
    return found


def test_a_field_with_levels_is_a_category_whatever_its_type() -> None:
    for kind, levels in (("string", ["a", "b"]), ("integer", [3, 7]), ("number", [0.5, 1.5])):
        assert categorical(levels, kind).levels == tuple(levels)


def test_a_boolean_without_levels_has_two() -> None:
    found = parse_feature({"name": "x", "type": "boolean"}, MISSING)
    assert found.codes([False, True, "false", "TRUE", "0", "1", None]) == [
        *(0, 1, 0, 1, 0, 1),
        pytest.approx(math.nan, nan_ok=True),
    ]


def test_a_boolean_may_have_its_own_words() -> None:
    field = {"name": "x", "type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]}
    assert parse_feature(field, MISSING).codes(["ja", "nein", True, "true"]) == [1, 0, 1, UNSEEN]


@pytest.mark.parametrize("kind", ["string", "date", "object", "any", "geopoint"])
def test_a_type_that_no_number_can_be_made_of_says_what_to_do(kind: str) -> None:
    with pytest.raises(SchemaError, match=rf"field 'x' of type '{kind}' .* constraints\.enum"):
        parse_feature({"name": "x", "type": kind}, MISSING)


def test_a_number_of_any_size_stays_what_it_is_or_becomes_infinite() -> None:
    codes = numeric().codes([1, "2", 2.5, "-1e3", 10**400, "1" * 5_000, -(10**400), None, "NA"])
    assert codes[:4] == [1, 2, 2.5, -1000]
    assert all(map(math.isinf, codes[4:7]))
    assert all(map(math.isnan, codes[7:]))


@pytest.mark.parametrize("value", [True, False, "x", [], [1], {}, {"a": 1}, "1,5", "0x10", "--1"])
def test_what_is_no_number_is_out_of_every_bound(value: object) -> None:
    assert numeric().codes([1, value]) == [1, math.inf]


@pytest.mark.parametrize("text", ["1_000", "nan", "NaN", "-nan", "\N{FULLWIDTH DIGIT ONE}"])
def test_text_that_only_python_takes_for_a_number_is_none(text: str) -> None:
    (code,) = numeric().codes([text])
    assert math.isinf(code)


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ({}, "a number"),
        ({"minimum": 0}, "a number of at least 0"),
        ({"maximum": 1.5}, "a number of at most 1.5"),
        ({"minimum": -2, "maximum": 3}, "a number from -2 to 3"),
        ({"minimum": 0, "maximum": 1234567}, "a number from 0 to 1234567"),
    ],
)
def test_a_number_says_what_it_has_to_be(constraints: dict[str, float], expected: str) -> None:
    assert numeric(**constraints).expected == expected


@given(st.lists(st.text(max_size=3), min_size=1, max_size=8, unique=True))
def test_a_level_is_known_by_its_place(levels: list[str]) -> None:
    assert categorical(levels).codes(levels) == list(range(len(levels)))


@given(st.lists(st.integers(), min_size=1, max_size=8, unique=True))
def test_a_level_that_is_a_number_may_be_text(levels: list[int]) -> None:
    field = categorical(levels, "integer")
    assert field.codes(list(map(str, levels))) == field.codes(levels)


@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_no_levels_of_numbers(value: bool) -> None:
    assert categorical([0, 1], "integer").codes([value]) == [UNSEEN]


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20)
)
def test_numbers_survive_their_text(values: list[float]) -> None:
    exact = numeric().codes(list(map(repr, values)))
    assert np.array_equal(np.float32(exact), np.float32(values))


LEVELS = ["monthly", "two-year", "Fibre optic", "1", "Caf\u00e9"]


@pytest.mark.parametrize(
    ("levels", "value", "code"),
    [
        (LEVELS, " monthly\u00a0", 0),
        (LEVELS, "\ufeffMONTHLY", 0),
        (LEVELS, "Two-Year", 1),
        (LEVELS, "fibre  OPTIC", 2),
        (LEVELS, "fibre\u00a0optic", 2),
        (LEVELS, "1.0", 3),
        (LEVELS, "1.00", 3),
        (LEVELS, 1, 3),
        (LEVELS, 1.0, 3),
        (LEVELS, "cafe\u0301", 4),
        (LEVELS, True, UNSEEN),
        (LEVELS, 1.5, UNSEEN),
        (LEVELS, "01", UNSEEN),
        (LEVELS, "1.01", UNSEEN),
        (LEVELS, "fibreoptic", UNSEEN),
        (LEVELS, ["monthly"], UNSEEN),
        (LEVELS, {}, UNSEEN),
        (LEVELS, "  ", math.nan),
        (LEVELS, " NA ", math.nan),
        (LEVELS, "na", UNSEEN),
        ([0, 1], "0.0", 0),
        ([0, 1], "1.0", 1),
        ([0, 1], 1.0, 1),
        ([0, 1], "01", 1),
        ([0, 1], True, UNSEEN),
        ([0.5, 1.5], "0.50", 0),
        (["1.0", "2.0"], 1, 0),
        (["1.0", "2.0"], "2", 1),
        (["1.1", "1.10"], 1.1, 0),
        (["1.1", "1.10"], "1.10", 1),
        (["a", "A"], "a", 0),
        (["a", "A"], "A", 1),
        (["a", "A"], " A", 1),
        (["ab", "AB"], "Ab", UNSEEN),
        (["na", "b"], "na", 0),
        (["na", "b"], "NA", math.nan),
        (["na", "b"], "Na", UNSEEN),
        ([" ", "b"], " ", 0),
        ([" ", "b"], "  ", math.nan),
        (["=a", "-"], "'=a", 0),
        (["=a", "-"], "'-", 1),
    ],
)
def test_a_value_is_the_level_that_it_is_a_variant_of(
    levels: list[Any], value: object, code: float
) -> None:
    found = categorical(levels)
    for _ in range(2):  # also when it is remembered
        assert found.codes([value]) == pytest.approx([code], nan_ok=True)
        assert found.codes([levels[0], value] * 8)[1::2] == pytest.approx([code] * 8, nan_ok=True)


@pytest.mark.parametrize(
    ("field", "values", "codes"),
    [
        (
            {},
            ["true ", "FALSE", "True", "tRuE", "1.0", "0.00", 1, 0, 1.0],
            [1, 0, 1, 1, 1, 0, 1, 0, 1],
        ),
        ({}, ["yes", "t", "2", 2, []], [UNSEEN] * 5),
        (
            {"trueValues": ["yes", "y", "t"], "falseValues": ["no", "0"]},
            ["Yes", "Y", "T ", "NO", "0.0", 0, "true", 1],
            [1, 1, 1, 0, 0, 0, UNSEEN, UNSEEN],
        ),
        ({"trueValues": ["0"], "falseValues": ["1"]}, ["0", 0, "1", 1, True], [1, 1, 0, 0, 1]),
        ({"trueValues": ["false"]}, ["false", "False", "0"], [1, 0, 0]),
    ],
)
def test_a_boolean_is_read_by_its_words(
    field: dict[str, Any], values: list[object], codes: list[float]
) -> None:
    assert parse_feature({"name": "x", "type": "boolean"} | field, MISSING).codes(values) == codes


levels_of_text = st.lists(
    st.text(st.sampled_from("abAB\u00e9 1.0-"), min_size=1, max_size=5).filter(str.strip),
    min_size=1,
    max_size=6,
    unique_by=lambda text: folded(text.strip()).removesuffix(".0"),
)


@given(levels_of_text, st.data())
def test_any_level_in_any_variant_is_its_level(levels: list[str], data: st.DataObject) -> None:
    found = categorical(levels)
    place = data.draw(st.integers(0, len(levels) - 1))
    level = levels[place]
    before, after = data.draw(st.text(" \t\u00a0\ufeff", max_size=2)), data.draw(st.text("\u00a0 "))
    form = data.draw(st.sampled_from([str, str.upper, str.lower, str.swapcase, str.title]))(level)
    assert found.codes([level]) == [place]
    assert found.codes([before + form + after]) == [place]


@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=6, unique=True),
    st.booleans(),
    st.one_of(st.integers(-21, 21), st.integers(-42, 42).map(lambda n: n / 2)),
)
def test_a_number_is_the_same_level_as_json_and_as_text(
    levels: list[int], as_text: bool, value: float
) -> None:
    found = categorical(list(map(str, levels)) if as_text else levels)
    code = levels.index(int(value)) if value in levels else UNSEEN
    assert found.codes([value]) == found.codes([str(value)]) == [code]


def test_variants_without_end_are_not_remembered_without_end() -> None:
    found = categorical(["a"])
    spaced = [" " * (n % 100) + "A" + " " * (n // 100) for n in range(10_000)]
    assert found.codes(spaced) == [0] * 10_000
    assert found.codes([f"{n}" for n in range(10_000)]) == [UNSEEN] * 10_000
    assert len(found._codes) < 6_000


@pytest.mark.parametrize("text", [" " * 1_000 + "a", "a" + " " * 1_000, " " * 1_001, "a" * 1_001])
def test_a_text_that_is_too_long_is_not_looked_at(text: str) -> None:
    found, number = categorical(["a"]), numeric()
    assert found.codes([text, "a"]) == [UNSEEN, 0]
    assert number.codes([text.replace("a", "1"), "1"]) == [math.inf, 1]
    for feature in (found, number):
        assert feature.complaint(text) == "expected at most 1,000 characters, got 1,001"


def test_the_level_that_was_meant_is_suggested() -> None:
    found = categorical(["dsl", "cable", "fibre"])
    assert found.complaint("fiber").endswith("got 'fiber'; did you mean 'fibre'?")
    assert found.complaint("Cabel ").endswith("did you mean 'cable'?")
    for value in ("satellite", "", 5, None, "x" * 10_000):
        assert "did you mean" not in found.complaint(value)
    assert "did you mean" not in found.complaint("fiber", 1_000)


def test_a_long_list_of_levels_is_cut() -> None:
    expected = categorical([f"city {n}" for n in range(3_000)]).expected
    assert expected.endswith("'city 9' and 2,990 more")
    assert expected.startswith("one of 'city 0', 'city 1'")


def with_format(**members: object) -> Numeric:
    found = parse_feature({"name": "x", "type": "number"} | members, MISSING)
    assert isinstance(found, Numeric)
    return found


def test_the_text_of_a_number_is_read_by_the_format_that_the_field_states() -> None:
    both = with_format(decimalChar=",", groupChar=".")
    assert both.codes(["1.234", "1.234,56", "74,90", " 74,90\u00a0", "'-5,5"]) == [
        *(1234, 1234.56, 74.9, 74.9, -5.5)
    ]
    assert both.codes([1.234, 74.9, "74,90", None, "NA"])[:3] == [1.234, 74.9, 74.9]
    assert both.codes(["1.234"]) == [1234]
    comma = with_format(decimalChar=",")
    assert comma.codes(["1.234"]) == [math.inf]
    assert comma.codes(["1.234", "74,90"]) == [math.inf, 74.9]
    assert comma.codes(["74,90", "5"]) == [74.9, 5]
    assert with_format(bareNumber=False).codes(["€ 5.5", "95%", True]) == [5.5, 95, math.inf]
    assert with_format(groupChar=" ").codes(["1\u00a0234.5"]) == [1234.5]


@pytest.mark.parametrize("members", [{}, {"decimalChar": ","}, {"bareNumber": False}])
def test_a_number_that_stands_for_missing_is_missing_however_it_is_written(
    members: dict[str, object],
) -> None:
    found = with_format(missingValues=["-99", "none"], **members)
    fraction = "-99,0" if "decimalChar" in members else "-99.0"
    values = ["-99", " -99 ", -99, -99.0, fraction, "none", "", " \u00a0", None]
    assert all(map(math.isnan, found.codes(values)))
    assert all(math.isnan(code) for value in values for code in found.codes([value]))
    assert found.codes(["-98", -98, "NA"]) == [-98, -98, math.inf]
    assert with_format(missingValues=["1"]).codes([True, 0]) == [math.inf, 0]


def test_levels_that_are_numbers_are_written_as_the_field_says() -> None:
    field = {"name": "x", "type": "number", "decimalChar": ",", "groupChar": "."}
    found = parse_feature(field | {"constraints": {"enum": [0.5, 1.234, 1234]}}, MISSING)
    assert found.codes(["0,5", "0,50", "1,234", "1.234", "0.5"]) == [0, 0, 1, 2, UNSEEN]
    assert found.codes([0.5, 1.234, 1234]) == [0, 1, 2]
    one = parse_feature(field | {"constraints": {"enum": [1, 2]}}, MISSING)
    assert one.codes(["1,0", "1.000", 1.0]) == [0, UNSEEN, 0]


@pytest.mark.parametrize(
    ("kind", "limits", "inside", "outside", "expected"),
    [
        ("number", {"exclusiveMinimum": 0}, [1e-9, 1], [0, -1], "a number above 0"),
        ("number", {"exclusiveMaximum": 5}, [4.999], [5, 6], "a number below 5"),
        ("number", {"minimum": 0, "exclusiveMinimum": 0}, [1], [0], "a number above 0"),
        ("number", {"minimum": 1, "exclusiveMinimum": 0}, [1], [0.5], "a number of at least 1"),
        (
            "number",
            {"minimum": 0, "exclusiveMaximum": 1},
            [0, 0.9],
            [1],
            "a number of at least 0 and below 1",
        ),
        ("integer", {"exclusiveMinimum": 0}, [1], [0], "a whole number of at least 1"),
        ("integer", {"exclusiveMaximum": 2.5}, [2], [3], "a whole number of at most 2"),
        ("year", {"minimum": 1990}, [2024], [1980], "a whole number of at least 1990"),
    ],
)
def test_a_bound_may_be_excluded(
    kind: str, limits: dict[str, float], inside: list[float], outside: list[float], expected: str
) -> None:
    found = parse_feature({"name": "x", "type": kind, "constraints": limits}, MISSING)
    assert found.expected == expected
    assert all(found.low <= code <= found.high for code in found.codes(inside))
    assert not any(found.low <= code <= found.high for code in found.codes(outside))
    described = jsonschema.Draft202012Validator(found.json_schema())
    assert all(map(described.is_valid, inside))
    assert not any(map(described.is_valid, outside))
