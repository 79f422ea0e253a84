"""Schemas that people write: whatever is wrong with one, its message says so."""

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    st.sampled_from(["fields", "primaryKey", "target", "missingValues", "title"]),
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


def test_a_primary_key_may_be_of_several_fields() -> None:
    schema = Schema(DOCUMENT | {"primaryKey": ["id", "spend"]})
    assert schema.primary_key == ("id", "spend")
    assert schema.feature_names == ("age", "plan")


customers = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["7", 7, None, 1.5, {"a": 1}, ["7"]]),
        "age": st.sampled_from([0, 120, 121, -1, 1.5, 2.0, True, None, [], {}]),
        "spend": st.sampled_from([0, -2.5, 1e300, True, None, []]),
        "plan": st.sampled_from(["basic", "pro", "Pro", 0, None, ["pro"], {}]),
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
    if customer.get("spend") == 1e300:  # float32's limits are not described
        described = False
    assert (schema.encode_rows([customer]).problems == []) == described
