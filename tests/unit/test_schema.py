import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.features import UNSEEN
from evergreen.customers.numbers import FLOAT32
from evergreen.customers.schema import Schema
from evergreen.errors import SchemaError

DOCUMENT: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string"},
        {
            "name": "plan",
            "type": "string",
            "description": "What is paid for",
            "example": "pro",
            "constraints": {"required": True, "enum": ["basic", "pro"]},
        },
        {"name": "senior", "type": "integer", "constraints": {"enum": [0, 1]}},
        {"name": "app", "type": "boolean"},
        {
            "name": "months",
            "type": "integer",
            "constraints": {"required": True, "minimum": 0, "maximum": 600},
        },
        {"name": "spend", "type": "number", "constraints": {"minimum": 0}},
        {"name": "left", "type": "string", "constraints": {"enum": ["yes", "no"]}},
    ],
    "missingValues": ["", "NA"],
    "primaryKey": "id",
    "target": {"field": "left", "positive": "yes"},
}
SCHEMA = Schema(DOCUMENT)
CUSTOMER: dict[str, object] = {
    "id": "7",
    "plan": "pro",
    "senior": 1,
    "app": False,
    "months": 12,
    "spend": 9.5,
}

rows = st.fixed_dictionaries(
    {
        "plan": st.sampled_from(["basic", "pro", "other", None, "", 5]),
        "senior": st.sampled_from([0, 1, "0", "1", 2, None]),
        "app": st.sampled_from([True, False, "true", "FALSE", None, "maybe"]),
        "months": st.one_of(st.integers(-5, 700), st.sampled_from([None, "12", "x", 1.5, True])),
        "spend": st.one_of(st.floats(allow_nan=False), st.sampled_from([None, "1e3", "NA"])),
    }
)


def test_a_customer_becomes_codes_and_numbers_in_the_order_of_the_schema() -> None:
    matrix, problems = SCHEMA.encode_rows([CUSTOMER])
    assert SCHEMA.feature_names == ("plan", "senior", "app", "months", "spend")
    assert problems == []
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[1, 1, 0, 12, 9.5]]


def test_missing_is_nan_whatever_stands_for_it() -> None:
    customers = [CUSTOMER | {"spend": value} for value in (None, "", "NA")]
    customers.append({name: v for name, v in CUSTOMER.items() if name != "spend"})
    matrix, problems = SCHEMA.encode_rows(customers)
    assert problems == []
    assert np.isnan(matrix[:, 4]).all()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("plan", None, "is required: expected one of 'basic', 'pro'"),
        ("plan", "gold", "expected one of 'basic', 'pro', got 'gold'"),
        ("plan", ["pro"], "expected one of 'basic', 'pro', got ['pro']"),
        ("plan", {"a": 1}, "expected one of 'basic', 'pro', got {'a': 1}"),
        ("app", "maybe", "expected one of False, True, got 'maybe'"),
        ("months", "", "is required: expected a whole number from 0 to 600"),
        ("months", -1, "expected a whole number from 0 to 600, got -1"),
        ("months", 601, "expected a whole number from 0 to 600, got 601"),
        ("months", 1.5, "expected a whole number from 0 to 600, got 1.5"),
        ("months", "soon", "expected a whole number from 0 to 600, got 'soon'"),
        ("months", True, "expected a whole number from 0 to 600, got True"),
        ("months", [1], "expected a whole number from 0 to 600, got [1]"),
        ("spend", 10**400, "expected a number of at least 0"),
        ("spend", "inf", "expected a number of at least 0, got 'inf'"),
        ("spend", 1e39, "expected a number of at least 0, got 1e+39"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(
    field: str, value: object, message: str
) -> None:
    _, problems = SCHEMA.encode_rows([CUSTOMER, CUSTOMER | {field: value}])
    (problem,) = problems
    assert (problem.row, problem.field) == (1, field)
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    "more", [{"left": "no"}, {"lefft": "yes"}, {"coupon": 3}, {"mnths": 3}, {"spend_eur": []}]
)
def test_a_field_that_the_schema_does_not_know_is_ignored(more: dict[str, object]) -> None:
    matrix, problems = SCHEMA.encode_rows([CUSTOMER | more])
    assert problems == []
    assert matrix.tolist() == SCHEMA.encode_rows([CUSTOMER]).matrix.tolist()
    assert SCHEMA.unknown((CUSTOMER | more).keys()) == tuple(more)


@pytest.mark.parametrize(
    ("slip", "meant"), [("spned", "spend"), ("Spend", "spend"), ("APP", "app"), (" id ", "id")]
)
def test_a_slip_is_refused_rather_than_taken_for_a_missing_value(slip: str, meant: str) -> None:
    customer = {name: value for name, value in CUSTOMER.items() if name != meant}
    _, problems = SCHEMA.encode_rows([CUSTOMER, customer | {slip: CUSTOMER[meant]}])
    assert problems == [(1, slip, f"is not a field of the schema; did you mean {meant!r}?")]
    assert SCHEMA.encode_rows([customer | {slip: 1, meant: None}]).problems == []


def test_a_required_field_under_a_wrong_name_is_told_both_ways() -> None:
    customer = {name: value for name, value in CUSTOMER.items() if name != "months"} | {"mnths": 3}
    assert [(p.field, p.message) for p in SCHEMA.encode_rows([customer]).problems] == [
        ("mnths", "is not a field of the schema; did you mean 'months'?"),
        ("months", "is required: expected a whole number from 0 to 600"),
    ]


def test_what_has_no_field_of_the_schema_is_no_customer() -> None:
    document = changed(
        fields=[f for f in DOCUMENT["fields"] if f["name"] not in ("plan", "months")]
    )
    (problem,) = Schema(document).encode_rows([{"customer": CUSTOMER}]).problems
    assert problem.field == "customer"
    assert problem.message.endswith("they are senior, app, spend")


def test_an_unseen_category_keeps_a_code_and_other_wrong_values_are_missing() -> None:
    matrix, _ = SCHEMA.encode_rows([CUSTOMER | {"plan": "gold", "months": "x", "spend": -3}])
    assert matrix[0, 0] == UNSEEN
    assert np.isnan(matrix[0, 3:]).all()


def test_what_was_meant_is_suggested_for_the_first_slips_of_many() -> None:
    problems = SCHEMA.encode({"plan": ["bsic"] * 600, "months": [1] * 600}, 600).problems
    told = [problem.message.endswith("did you mean 'basic'?") for problem in problems]
    assert told == [True] * 500 + [False] * 100


def test_nothing_at_all_is_an_empty_matrix() -> None:
    matrix, problems = SCHEMA.encode_rows([])
    assert (matrix.shape, problems) == ((0, 5), [])


@given(st.lists(rows, max_size=20))
def test_rows_and_columns_mean_the_same(customers: list[dict[str, object]]) -> None:
    columns = {name: [c[name] for c in customers] for name in SCHEMA.feature_names}
    by_row, by_column = SCHEMA.encode_rows(customers), SCHEMA.encode(columns, len(customers))
    alone = [SCHEMA.encode_rows([customer]).matrix for customer in customers]
    assert np.array_equal(by_row.matrix, by_column.matrix, equal_nan=True)
    assert np.array_equal(by_row.matrix, np.vstack([by_row.matrix[:0], *alone]), equal_nan=True)
    assert by_row.problems == by_column.problems


@given(st.lists(rows, min_size=1, max_size=20))
def test_json_and_the_text_of_a_csv_mean_the_same(customers: list[dict[str, object]]) -> None:
    customers = [c | {"months": 3 if c["months"] is True else c["months"]} for c in customers]
    text = [
        {
            name: ""
            if value is None
            else str(value).lower()
            if isinstance(value, bool)
            else repr(value)
            if isinstance(value, float)
            else str(value)
            for name, value in customer.items()
        }
        for customer in customers
    ]
    typed, read = SCHEMA.encode_rows(customers), SCHEMA.encode_rows(text)
    assert np.array_equal(typed.matrix, read.matrix, equal_nan=True)
    assert [p[:2] for p in typed.problems] == [p[:2] for p in read.problems]


def test_labels_are_read_and_what_is_none_is_told() -> None:
    labels, problems = SCHEMA.labels(["yes", "no", "", "perhaps"])
    assert labels.tolist() == [True, False, False, False]
    assert [(p.row, p.message) for p in problems] == [
        (2, "expected one of 'yes', 'no', got ''"),
        (3, "expected one of 'yes', 'no', got 'perhaps'"),
    ]


def test_the_request_is_described_as_json_schema() -> None:
    described = SCHEMA.json_schema()
    assert described["required"] == ["plan", "months"]
    assert "ignored_fields" in described["additionalProperties"]["description"]
    assert described["properties"]["plan"] == {
        "enum": ["basic", "pro"],
        "description": "What is paid for",
        "examples": ["pro"],
    }
    assert described["properties"]["months"] == {"type": "integer", "minimum": 0, "maximum": 600}
    assert described["properties"]["spend"]["anyOf"] == [
        {"type": "number", "minimum": 0, "maximum": FLOAT32},
        {"enum": ["NA"]},
        {"type": "null"},
    ]


def test_the_example_is_a_customer_who_fits() -> None:
    assert SCHEMA.json_schema()["examples"] == [{"plan": "pro", "months": 0}]
    fields = [f | {"example": -1} if f["name"] == "spend" else f for f in DOCUMENT["fields"]]
    assert Schema(changed(fields=fields)).example() == {"plan": "pro", "months": 0, "spend": 0.0}


def changed(**members: object) -> dict[str, Any]:
    return json.loads(json.dumps(DOCUMENT)) | members


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "needs 'fields'"),
        (changed(fields=[]), "needs 'fields'"),
        (changed(fields=[{"type": "string"}]), r"fields\[0\] needs a 'name'"),
        (changed(fields=[*DOCUMENT["fields"], {"name": "id"}]), "two fields are named 'id'"),
        (changed(target=None), "needs 'target'"),
        (changed(target={"field": "left"}), "needs 'target'"),
        (changed(target={"field": "gone", "positive": 1}), "target names 'gone'"),
        (changed(primaryKey="gone"), "primaryKey names 'gone'"),
        (changed(primaryKey=None), "field 'id' of type 'string' can't be a feature"),
        (
            changed(fields=[{"name": "id"}, DOCUMENT["fields"][-1]]),
            "no field left that could be a feature",
        ),
        (
            changed(fields=[*DOCUMENT["fields"], {"name": "e", "constraints": {"enum": []}}]),
            "field 'e' has an empty enum",
        ),
        (
            changed(
                fields=[
                    *DOCUMENT["fields"],
                    {"name": "n", "type": "number", "constraints": {"minimum": 2, "maximum": 1}},
                ]
            ),
            "field 'n' has a minimum above its maximum",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(document: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Schema(document)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_what_is_no_json_object_is_no_schema(text: str) -> None:
    with pytest.raises(SchemaError):
        Schema.parse(text)
