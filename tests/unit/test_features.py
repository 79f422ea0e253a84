"""What one field takes, and what it makes of each value."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.features import UNSEEN, Categorical, Numeric, parse_feature
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
