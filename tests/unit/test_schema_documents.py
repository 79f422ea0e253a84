"""Schemas that people write: whatever is wrong with one, its message says so."""

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.numbers import FLOAT32, NumberFormat
from evergreen.customers.schema import Schema
from evergreen.errors import SchemaError

DOCUMENT: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 120}},
        {"name": "spend", "type": "number"},
        {"name": "plan", "constraints": {"required": True, "enum": ["basic", "pro"]}},
        {"name": "left", "constraints": {"enum": ["yes", "no"]}},
    ],
    "primaryKey": "id",
    "target": {"field": "left", "positive": "yes"},
}


def renamed(field: str, name: str, **members: object) -> dict[str, Any]:
    """The document with another name for one field."""
    return json.loads(json.dumps(DOCUMENT).replace(f'"{field}"', f'"{name}"')) | members  # type: ignore[no-any-return]


def with_field(name: str, **members: object) -> dict[str, Any]:
    """The document with one field changed."""
    document = copy.deepcopy(DOCUMENT)
    (field,) = (f for f in document["fields"] if f["name"] == name)
    field |= members
    return document


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (DOCUMENT | {"missingValues": None}, "missingValues"),
        (DOCUMENT | {"missingValues": "NA"}, "missingValues"),
        (DOCUMENT | {"missingValues": [[]]}, "missingValues"),
        (DOCUMENT | {"primaryKey": 5}, "primaryKey"),
        (DOCUMENT | {"primaryKey": {"id": 1}}, "primaryKey"),
        (DOCUMENT | {"primaryKey": [["id"]]}, "primaryKey"),
        (DOCUMENT | {"primaryKey": "left"}, "primaryKey"),
        (DOCUMENT | {"target": {"field": ["left"], "positive": "yes"}}, "target"),
        (with_field("age", constraints=None), "age"),
        (with_field("age", constraints=[]), "age"),
        (with_field("age", constraints={"minimum": "low"}), "age"),
        (with_field("age", constraints={"minimum": None}), "age"),
        (with_field("age", constraints={"maximum": 10**400}), "age"),
        (with_field("plan", constraints={"enum": None}), "plan"),
        (with_field("plan", constraints={"enum": "basic"}), "plan"),
        (with_field("plan", constraints={"enum": [{"a": 1}]}), "plan"),
        (with_field("plan", constraints={"enum": ["basic", "basic"]}), "plan"),
        (with_field("age", type="boolean", constraints={}, trueValues=None), "age"),
    ],
)
def test_a_malformed_member_is_named(document: dict[str, Any], named: str) -> None:
    with pytest.raises(SchemaError, match=named):
        Schema.parse(json.dumps(document))


def test_a_positive_outcome_that_nobody_can_have_is_told() -> None:
    with pytest.raises(SchemaError, match="'maybe'"):
        Schema(DOCUMENT | {"target": {"field": "left", "positive": "maybe"}})


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(
    st.sampled_from(["fields", "primaryKey", "target", "missingValues", "segments", "title"]),
    junk,
)
def test_a_document_is_a_schema_or_a_schema_error(member: str, value: object) -> None:
    try:
        Schema(DOCUMENT | {member: value})
    except SchemaError as error:
        assert str(error)


@given(st.integers(0, 4), st.sampled_from(["name", "type", "constraints"]), junk)
def test_a_field_is_a_field_or_a_schema_error(index: int, member: str, value: object) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["fields"][index][member] = value
    try:
        Schema(document)
    except SchemaError as error:
        assert str(error)


@pytest.mark.parametrize("constraints", [{}, {"enum": [True, False]}])
def test_an_outcome_may_be_a_boolean(constraints: dict[str, Any]) -> None:
    document = with_field("left", type="boolean", constraints=constraints)
    schema = Schema(document | {"target": {"field": "left", "positive": True}})
    labels, problems = schema.labels(["true", "false", "True", "0", "1"])
    assert labels.tolist() == [True, False, True, False, True]
    assert problems == []
    assert [p.row for p in schema.labels(["true", "perhaps", ""])[1]] == [1, 2]


@pytest.mark.parametrize("positive", [1, "1"])
def test_an_outcome_may_be_a_number(positive: object) -> None:
    document = with_field("left", type="integer", constraints={"enum": [0, 1]})
    schema = Schema(document | {"target": {"field": "left", "positive": positive}})
    labels, problems = schema.labels(["1", "0"])
    assert (labels.tolist(), problems) == ([True, False], [])


def test_segments_are_the_levels_of_a_category_if_the_schema_says_so() -> None:
    assert Schema(DOCUMENT | {"segments": "plan"}).segments == "plan"
    assert Schema(DOCUMENT).segments is None
    assert Schema(DOCUMENT | {"segments": None}).segments is None


def test_a_primary_key_may_be_of_several_fields() -> None:
    schema = Schema(DOCUMENT | {"primaryKey": ["id", "spend"]})
    assert schema.primary_key == ("id", "spend")
    assert schema.feature_names == ("age", "plan")


customers = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(
            [
                *("7", 7, 7.0, None, 1.5, True, {"a": 1}, ["7"], "x" * 256, "x" * 257),
                *(1 - 2**63, -(2**63), 2**64 - 1, 2**64, 2.0**64, 1e300),
            ]
        ),
        "age": st.sampled_from([0, 120, 121, -1, 1.5, 2.0, True, None, [], {}]),
        "spend": st.sampled_from(
            [0, -2.5, FLOAT32, -FLOAT32, 3.5e38, 1.7e308, 10**400, True, None, []]
        ),
        "plan": st.sampled_from(["basic", "pro", "gold", 0, None, ["pro"], {}]),
        "left": st.sampled_from(["yes"]),
        "other": st.sampled_from([1, []]),
    },
)


@given(customers)
def test_a_request_is_taken_if_and_only_if_its_description_says_so(
    customer: dict[str, object],
) -> None:
    schema = Schema(DOCUMENT)
    described = jsonschema.Draft202012Validator(schema.json_schema()).is_valid(customer)
    assert (schema.encode_rows([customer]).problems == []) == described


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("limits", [{}, {"minimum": 0}])
@pytest.mark.parametrize("value", [-99, -99.0, -1.5, 0, 7, None, "unknown", "", [], 3.5e38])
def test_a_number_that_stands_for_a_missing_one_is_described_as_such(
    value: object, limits: dict[str, float], required: bool
) -> None:
    document = with_field(
        "spend", constraints=limits | {"required": required}, missingValues=["unknown", "-99"]
    )
    schema, customer = Schema(document), {"spend": value, "plan": "pro"}
    described = jsonschema.Draft202012Validator(schema.json_schema()).is_valid(customer)
    blank = value == "" and not required  # which the page says in words
    assert (schema.encode_rows([customer]).problems == []) == (described or blank)


def test_what_stands_for_a_missing_level_is_described() -> None:
    document = with_field("plan", constraints={"enum": ["basic", "pro"]}, missingValues=["?", " "])
    described = Schema(document).json_schema()["properties"]["plan"]
    assert described == {"anyOf": [{"enum": ["basic", "pro"]}, {"enum": ["?"]}, {"type": "null"}]}


@pytest.mark.parametrize(
    "document",
    [
        DOCUMENT
        | {"title": "T", "description": "D", "licenses": [], "version": "1", "created": "x"},
        DOCUMENT
        | {"$schema": "https://x", "sources": [], "homepage": "h", "keywords": [], "id": "i"},
        DOCUMENT | {"contributors": [], "name": "n", "x-team": 1, "evergreen:note": {}},
        DOCUMENT | {"foreignKeys": [], "fieldsMatch": "partial"},
        with_field("age", format="default", rdfType="r", title="t", example=3, examples=[3]),
        with_field("age", **{"x-unit": "years", "evergreen:seen": [0, 9]}),
        with_field("age", constraints={"unique": False, "required": False}),
        with_field("plan", categoriesOrdered=True),
        with_field("id", constraints={"required": True, "unique": True}),
        with_field("id", type="integer", groupChar=".", missingValues=["0"]),
        with_field("age", type="year", constraints={}),
    ],
)
def test_what_changes_no_meaning_passes(document: dict[str, Any]) -> None:
    Schema.parse(json.dumps(document))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (DOCUMENT | {"foreignKeys": [{}]}, "'foreignKeys' are not checked"),
        (DOCUMENT | {"uniqueKeys": [["age"]]}, "'uniqueKeys' are not checked"),
        (DOCUMENT | {"fieldsMatch": "superset"}, "'fieldsMatch' is 'superset': leave it out"),
        (DOCUMENT | {"missingValue": ["-"]}, "'missingValue'.*did you mean 'missingValues'"),
        (DOCUMENT | {"primarykey": "id"}, "'primarykey'.*did you mean 'primaryKey'"),
        (DOCUMENT | {"dialect": {}}, "'dialect', which is not honoured; leave it out"),
        (DOCUMENT | {"segments": "Plan"}, "'segments'.*not 'Plan'; did you mean 'plan'"),
        (DOCUMENT | {"segments": "age"}, "'segments'.*not 'age'; those are plan"),
        (DOCUMENT | {"segments": "left"}, "'segments'.*not 'left'; those are plan"),
        (DOCUMENT | {"segments": ["plan"]}, r"'segments'.*not \['plan'\]; those are plan"),
        (with_field("spend", decimalchar=","), "field 'spend'.*did you mean 'decimalChar'"),
        (with_field("spend", decimal_char=","), "field 'spend'.*did you mean 'decimalChar'"),
        (with_field("spend", currency="EUR"), "field 'spend'.*'currency'.*begin with 'x-'"),
        (with_field("spend", format="currency"), "field 'spend': the format 'currency' is not"),
        (with_field("id", format="uuid"), "field 'id': the format 'uuid' is not"),
        (
            with_field("plan", decimalChar=","),
            "field 'plan': 'decimalChar' is for fields of type n",
        ),
        (with_field("spend", trueValues=["1"]), "field 'spend': 'trueValues' is for .* boolean"),
        (with_field("spend", type="nubmer"), "field 'spend' is of type 'nubmer'.*'number'"),
        (with_field("spend", type="money"), "field 'spend' is of type 'money'.*the types are"),
        (with_field("spend", type=["number"]), "field 'spend' is of type"),
        *(
            (
                with_field(name, constraints={constraint: value}),
                f"'{name}', .*'{constraint}' is not",
            )
            for constraint, value in [
                *(("minLength", 1), ("maxLength", 9), ("pattern", "C.*"), ("jsonSchema", {})),
            ]
            for name in ("id", "age", "left")
        ),
        (with_field("age", constraints={"unique": True}), "'age', .*'unique' is not checked"),
        (with_field("id", constraints={"enum": ["a"]}), "'id', .*'enum' is not checked"),
        (with_field("age", constraints={"min": 3}), "'age', constraints.*'min', which is not"),
        (with_field("age", constraints={"Minimum": 3}), "'age', constraints.*mean 'minimum'"),
        (with_field("age", constraints={"required": "yes"}), "'age': 'required' must be true or"),
        (
            with_field("id", constraints={"unique": True}) | {"primaryKey": ["id", "age"]},
            "'id', .*'unique' is not checked",
        ),
        (with_field("spend", decimalChar=""), "'spend': 'decimalChar' must be one sign"),
        (with_field("spend", decimalChar="1"), "'spend': 'decimalChar' must be one sign"),
        (with_field("spend", groupChar=".."), "'spend': 'groupChar' must be one sign"),
        (with_field("spend", groupChar="."), "'spend': decimalChar and groupChar can't both"),
        (with_field("spend", bareNumber="no"), "'spend': 'bareNumber' must be"),
        (with_field("spend", missingValues=[-99]), "'spend': 'missingValues' must be.*strings"),
        (with_field("spend", missingValues=[{"label": "x"}]), "'spend': 'missingValues'"),
        (with_field("plan", categories=[]), "'plan' has an empty categories"),
        (with_field("plan", categories=["basic"]), "'plan': 'pro' is in its enum, but no"),
        (
            with_field("age", constraints={"enum": [1, 5], "maximum": 4}),
            "'age': its level 5 is out of its own bounds",
        ),
        (with_field("age", constraints={"enum": [True, 1]}), "'age' lists a level twice"),
        (
            with_field("age", type="boolean", constraints={}, trueValues=["a"], falseValues=["a"]),
            "'age': 'a' is both true and false",
        ),
        (with_field("spend", type="date"), "field 'spend' of type 'date' .* leave it out"),
    ],
)
def test_what_would_change_a_meaning_and_is_not_honoured_is_refused_by_name(
    document: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        Schema.parse(json.dumps(document))


def read(schema: Schema, field: str, *values: object) -> list[float | None]:
    column = schema.feature_names.index(field)
    matrix = schema.encode({field: values, "plan": ["pro"] * len(values)}, len(values)).matrix
    return [None if math.isnan(code) else code for code in matrix[:, column].tolist()]


def test_missing_values_of_a_field_take_the_place_of_the_schemas() -> None:
    document = with_field("age", missingValues=["", "7"]) | {"missingValues": ["", "-"]}
    schema = Schema(document)
    assert read(schema, "age", "7", 7, "7.0", "8", "") == [None, None, None, 8, None]
    assert [p.row for p in schema.encode({"age": ["-"], "plan": ["pro"]}, 1).problems] == [0]
    assert read(schema, "spend", "-", "7") == [None, 7]


@pytest.mark.parametrize("where", ["schema", "field"])
def test_missing_values_may_have_labels(where: str) -> None:
    entries = [{"value": "-99", "label": "refused"}, {"value": "-98"}, "-97"]
    document = (
        DOCUMENT | {"missingValues": entries}
        if where == "schema"
        else with_field("spend", missingValues=entries)
    )
    schema = Schema(document)
    assert read(schema, "spend", "-99", -99, "-98", "-97", "-96", "", " ") == [
        *(None, None, None, None, -96, None, None)
    ]
    assert schema.encode({"spend": ["-99"], "plan": ["pro"]}, 1).problems == []


def test_what_is_missing_to_its_own_field_is_required_there() -> None:
    document = with_field(
        "age", missingValues=["-99"], constraints={"required": True, "minimum": 0}
    )
    ages = ["-99", -99, " ", None, "-98"]
    problems = Schema(document).encode({"age": ages, "plan": ["pro"] * 5}, 5).problems
    assert [p.message.startswith("is required") for p in problems] == [True] * 4 + [False]


@pytest.mark.parametrize(
    "categories",
    [["basic", "pro", "max"], [{"value": "basic", "label": "B"}, {"value": "pro"}, "max"]],
)
def test_categories_are_levels_and_an_enum_picks_among_them(categories: list[object]) -> None:
    wide = Schema(with_field("plan", categories=categories, constraints={"required": True}))
    assert wide.json_schema()["properties"]["plan"] == {"enum": ["basic", "pro", "max"]}
    narrow = Schema(with_field("plan", categories=categories, constraints={"enum": ["pro"]}))
    assert narrow.features[-1].codes(["pro", "basic", "B"]) == [0, -1, -1]
    numbers = with_field(
        "age", constraints={}, categories=[{"value": 1, "label": "a"}, {"value": 2}]
    )
    assert read(Schema(numbers), "age", 1, "2", "2.0", 3) == [0, 1, 1, -1]


def test_a_file_may_write_numbers_its_own_way_unless_the_field_says_how() -> None:
    german = NumberFormat(",", ".")
    plainly = Schema(DOCUMENT)
    reading = plainly.reading({"spend": german, "other": german, "plan": german})
    assert read(reading, "spend", "1.234", "74,90", 1.5) == [1234, pytest.approx(74.9), 1.5]
    assert read(reading, "age", "5") == [5]
    assert read(plainly, "spend", "1.234") == [pytest.approx(1.234)]
    stated = Schema(with_field("spend", decimalChar="."))
    assert read(stated.reading({"spend": german}), "spend", "1.234") == [pytest.approx(1.234)]
    around = Schema(with_field("spend", bareNumber=False)).reading({"spend": german})
    assert read(around, "spend", "1.234,5 €") == [1234.5]
    assert reading.document is plainly.document


@pytest.mark.parametrize("variant", ["Yes", " yes ", "YES\u00a0", "\ufeffyes"])
def test_an_outcome_is_read_as_any_value(variant: str) -> None:
    labels, problems = Schema(DOCUMENT).labels([variant, "no"])
    assert (labels.tolist(), problems) == ([True, False], [])
    assert Schema(DOCUMENT | {"target": {"field": "left", "positive": "Yes"}}).positive == "yes"


def test_an_outcome_that_is_none_is_told_with_the_one_that_was_meant() -> None:
    (problem,) = Schema(DOCUMENT).labels(["yess"])[1]
    assert problem.message == "expected one of 'yes', 'no', got 'yess'; did you mean 'yes'?"


@given(customers, st.sampled_from([str.upper, str.title, "\u00a0{} ".format]))
def test_variants_of_values_are_taken_as_the_values(
    customer: dict[str, Any], variant: Callable[[str], str]
) -> None:
    schema = Schema(DOCUMENT)
    written = {
        name: variant(str(value)) if name in schema.feature_names and value == str(value) else value
        for name, value in customer.items()
    }
    before, after = schema.encode_rows([customer]), schema.encode_rows([written])
    assert np.array_equal(before.matrix, after.matrix, equal_nan=True)


def test_a_number_beyond_all_bounds_is_refused_with_the_reason() -> None:
    (problem,) = Schema(DOCUMENT).encode_rows([{"plan": "pro", "spend": 1.7e308}]).problems
    assert problem.message == "expected a number, got 1.7e+308; numbers go up to 3.4e+38"


@pytest.mark.parametrize(
    ("limits", "value"),
    [
        ({"exclusiveMinimum": 0}, 1),
        ({"exclusiveMaximum": 0}, -1),
        ({"exclusiveMinimum": 0, "maximum": 0.5}, 5e-324),
        ({"minimum": 0.5}, 1),
    ],
)
def test_the_example_fits_where_bounds_are_excluded(limits: dict[str, float], value: float) -> None:
    schema = Schema(with_field("spend", constraints=limits | {"required": True}))
    assert schema.example()["spend"] == value
    assert schema.encode_rows([schema.example()]).problems == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        *(
            (renamed("id", name), f"^the primary key's field is called {name!r}, as .* rename it")
            for name in ("prediction_id", "churned", "observed_at")
        ),
        (renamed("age", "observed_at", primaryKey=["id", "observed_at"]), "'observed_at'.*rename"),
        (renamed("left", "observed_at"), "^the target's field is called 'observed_at'.*rename it"),
        (renamed("left", "prediction_id"), "^the target's field is called 'prediction_id'"),
    ],
)
def test_a_name_by_which_an_outcome_would_say_two_things_is_refused(
    document: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        Schema.parse(json.dumps(document))


@pytest.mark.parametrize(
    "document",
    [
        renamed("left", "churned"),
        renamed("id", "key"),
        renamed("id", "Churned"),
        *(renamed("age", name) for name in ("prediction_id", "churned", "observed_at", "key")),
    ],
)
def test_a_name_that_an_outcome_has_for_the_same_or_nothing_passes(
    document: dict[str, Any],
) -> None:
    Schema.parse(json.dumps(document))
