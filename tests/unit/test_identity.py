"""Who a customer is, whatever its values look like and wherever its fields stand."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.identity import contents, identities, keyless
from evergreen.customers.numbers import NumberFormat
from evergreen.customers.schema import Schema
from local.demo.source import to_json

FIELDS: list[dict[str, Any]] = [
    {"name": "region", "type": "string"},
    {"name": "id", "type": "string"},
    {"name": "plan", "type": "string", "constraints": {"enum": ["basic", "pro"]}},
    {"name": "app", "type": "boolean"},
    {"name": "months", "type": "integer"},
    {"name": "spend", "type": "number"},
    {"name": "left", "type": "string", "constraints": {"enum": ["yes", "no"]}},
]
CUSTOMER: dict[str, object] = {"plan": "pro", "app": True, "months": 12, "spend": 9.5}

Columns = Mapping[str, Sequence[object]]


def schema_of(*key: str, fields: Sequence[Mapping[str, Any]] = FIELDS, **more: Any) -> Schema:
    """The fields with a key; those that could only be one are left out where they are none."""
    used = [f for f in fields if f["name"] not in {"region", "id"} - set(key)]
    target = {"field": "left", "positive": "yes"}
    return Schema({"fields": used, "primaryKey": list(key), "target": target, **more})


def who(of: Schema, **customer: object) -> int:
    return int(identities(of, {name: [value] for name, value in customer.items()}, 1)[0])


def columns(frame: pd.DataFrame) -> dict[str, list[str]]:
    return {str(name): frame[name].tolist() for name in frame}


KEYED, NAMELESS = schema_of("id"), schema_of()


def test_a_customer_is_the_same_in_every_process_and_on_every_machine() -> None:
    # written down once: another number would hold out other customers than all versions before
    assert who(KEYED, id="C-7") == 11723353537046492024
    assert who(NAMELESS, **CUSTOMER) == 4506569711148517839


@pytest.mark.parametrize("form", ["42", " 42\t", "0042", 42, "42.0", "042.00", 42.0])
def test_a_key_is_the_same_in_all_forms_that_programs_give_a_number(form: object) -> None:
    assert who(KEYED, id=form) == who(KEYED, id="42")


@pytest.mark.parametrize("number", [10**16, 2**53 + 2, 0, -7])
def test_a_whole_number_is_who_it_is_whether_a_program_writes_it_with_a_fraction(
    number: int,
) -> None:
    assert who(KEYED, id=float(number)) == who(KEYED, id=number) == who(KEYED, id=str(number))


@pytest.mark.parametrize("other", ["420", "4.2", "42.01", "-42", "C42", "4 2", "42e0", "٤٢", ""])
def test_other_keys_are_other_customers(other: str) -> None:
    assert who(KEYED, id=other) != who(KEYED, id="42")


def test_all_zeros_are_a_key_and_not_a_blank() -> None:
    assert (
        keyless(KEYED, {"id": ["0", "000", "", " ", None]}, 5).tolist() == [False] * 2 + [True] * 3
    )


def test_what_stands_for_missing_is_no_key() -> None:
    missing = schema_of("id", missingValues=["NA"])
    assert keyless(missing, {"id": ["NA", "", "N"]}, 3).tolist() == [True, True, False]


def test_a_key_of_two_fields_is_each_of_them_by_its_name() -> None:
    both = schema_of("region", "id")
    assert who(both, region="1", id="2") == who(schema_of("id", "region"), id=2, region=1)
    assert who(both, region="1", id="2") != who(both, region="2", id="1")
    assert who(both, region="1", id="1") != who(both, region="2", id="2")
    assert who(both, region="", id="2") == who(both, id="2")
    assert keyless(both, {"region": ["", ""], "id": ["2", ""]}, 2).tolist() == [False, True]


def test_who_has_a_key_is_known_by_nothing_else() -> None:
    assert who(KEYED, id="7", **CUSTOMER) == who(KEYED, id="7")


def test_who_has_no_key_is_known_by_all_else() -> None:
    without = who(KEYED, id="", **CUSTOMER)
    assert without == who(KEYED, **CUSTOMER) == who(NAMELESS, **CUSTOMER)
    for changed in ({"plan": "basic"}, {"app": False}, {"months": 13}, {"spend": None}):
        assert who(NAMELESS, **{**CUSTOMER, **changed}) != without


def test_one_without_a_key_among_others_is_known_by_its_own_values() -> None:
    mixed: Columns = {"id": ["1", "", "2"], "months": [1, 12, 3], "plan": ["pro", "basic", "pro"]}
    assert identities(KEYED, mixed, 3)[1] == who(KEYED, months=12, plan="basic")


@pytest.mark.parametrize(
    "form",
    [
        {"months": "12", "spend": "9.50", "app": "true"},
        {"months": "12.0", "spend": "95e-1", "app": "1"},
        {"months": 12.0, "app": "TRUE"},
    ],
)
def test_values_are_the_same_as_json_and_as_text(form: dict[str, object]) -> None:
    assert who(NAMELESS, **{**CUSTOMER, **form}) == who(NAMELESS, **CUSTOMER)


def test_customers_are_the_same_in_a_file_and_in_a_request(
    schema: Schema, frame: pd.DataFrame
) -> None:
    some = frame.head(200)
    requests = to_json(some, schema)
    for key in (["customer_id"], []):
        given = {n: [r[n] for r in requests] for n in (*key, *schema.feature_names)}
        text = {name: some[name].tolist() for name in given}
        assert np.array_equal(identities(schema, given, 200), identities(schema, text, 200))


def test_a_new_field_of_which_nothing_is_known_changes_nobody() -> None:
    newer = schema_of(fields=[{"name": "visits", "type": "integer"}, *FIELDS])
    assert who(newer, **CUSTOMER) == who(newer, **CUSTOMER, visits="") == who(NAMELESS, **CUSTOMER)
    assert who(newer, **CUSTOMER, visits=0) != who(NAMELESS, **CUSTOMER)


def test_a_new_level_changes_nobody_not_even_those_who_had_it_before() -> None:
    levels = {"name": "plan", "type": "string", "constraints": {"enum": ["max", "pro", "basic"]}}
    newer = schema_of(fields=[levels if f["name"] == "plan" else f for f in FIELDS])
    for plan in ("basic", "pro", "max"):
        assert who(newer, **{**CUSTOMER, "plan": plan}) == who(
            NAMELESS, **{**CUSTOMER, "plan": plan}
        )


def test_values_that_can_not_be_read_are_still_told_apart() -> None:
    assert len({who(NAMELESS, months=odd) for odd in ("x", "y", 1e400, True, [1], None)}) == 6


@settings(max_examples=25)
@given(order=st.randoms())
def test_the_order_of_fields_and_columns_means_nothing(
    order: Random, schema: Schema, frame: pd.DataFrame
) -> None:
    fields, some = list(schema.document["fields"]), frame.head(50)
    churned = (some["churned"] == "yes").to_numpy()
    names = [str(name) for name in some]
    order.shuffle(fields)
    order.shuffle(names)
    other = Schema({**schema.document, "fields": fields})
    shuffled, blank = columns(some[names]), {"customer_id": [""] * 50}
    for key in ({}, blank):
        before, after = {**columns(some), **key}, {**shuffled, **key}
        assert np.array_equal(identities(other, after, 50), identities(schema, before, 50))
        expected = contents(schema, before, 50, churned)
        assert np.array_equal(contents(other, after, 50, churned), expected)


@pytest.mark.parametrize("key", ["id", "months"])
def test_consecutive_customers_are_spread_evenly_over_all_bits(key: str) -> None:
    rows = 100_000
    found = identities(KEYED, {key: list(range(rows))}, rows)
    assert len(np.unique(found)) == rows
    # 5 standard deviations of a fair draw; a hash that is not mixed misses by hundreds
    for share, expected in [
        *((np.mean(found % np.uint64(5) == rest), 1 / 5) for rest in range(5)),
        *((np.mean(found >> np.uint64(bit) & np.uint64(1)), 1 / 2) for bit in range(64)),
    ]:
        assert abs(share - expected) < 5 * np.sqrt(expected * (1 - expected) / rows)


def test_a_row_is_its_key_its_values_and_its_outcome() -> None:
    rows: Columns = {"id": ["1", "1", "2", "1", "01"], "months": [3, 3, 3, 4, "3.0"]}
    churned = np.array([True, False, True, True, True])
    found = contents(KEYED, rows, 5, churned)
    assert len(np.unique(found)) == 4
    assert found[4] == found[0]


def test_a_row_stays_the_same_when_the_schema_grows() -> None:
    newer = schema_of("id", fields=[*FIELDS, {"name": "visits", "type": "integer"}])
    rows: Columns = {"id": ["1"], "months": [3]}
    churned = np.array([True])
    assert contents(newer, rows, 1, churned) == contents(KEYED, rows, 1, churned)


def test_nobody_is_nobody() -> None:
    assert identities(KEYED, {}, 0).shape == keyless(KEYED, {"id": []}, 0).shape == (0,)
    assert identities(NAMELESS, {"months": []}, 0).dtype == np.uint64


@pytest.mark.parametrize("form", ["\u00a042", "\ufeff42 ", "42\u200b"])
def test_what_surrounds_a_key_is_no_part_of_it(form: str) -> None:
    assert who(KEYED, id=form) == who(KEYED, id="42")


def test_a_key_is_what_it_was_before_it_was_defused_and_capitals_count() -> None:
    assert who(KEYED, id="'=C7") == who(KEYED, id="=C7")
    assert who(KEYED, id="c-7") != who(KEYED, id="C-7")
    assert keyless(KEYED, {"id": ["\u00a0", " \ufeff", "x"]}, 3).tolist() == [True, True, False]


def test_a_key_has_its_own_missing_values_and_its_own_way_to_write_a_number() -> None:
    key = {"name": "id", "type": "integer", "groupChar": ".", "decimalChar": ","}
    own = schema_of("id", fields=[key | {"missingValues": ["0", "none"]}, *FIELDS[2:]])
    assert keyless(own, {"id": ["0", 0, "none", "1"]}, 4).tolist() == [True] * 3 + [False]
    for form in ("1.234", "1234", 1234, "1.234,0", "01234"):
        assert who(own, id=form) == who(KEYED, id="1234")
    long = "12.345.678.901.234.567.890"
    assert who(own, id=long) == who(KEYED, id=long.replace(".", ""))
    german = schema_of("id", fields=[{"name": "id", "type": "integer"}, *FIELDS[2:]]).reading(
        {"id": NumberFormat(",", ".")}
    )
    assert who(german, id="1.234") == who(KEYED, id="1234")


@pytest.mark.parametrize(
    "form",
    [
        {"plan": "PRO", "app": "tRue"},
        {"plan": " pro\u00a0", "months": "\u00a012 ", "spend": " 9.5\ufeff"},
        {"app": 1, "months": "'12"},
    ],
)
def test_a_variant_of_a_value_is_the_same_customer(form: dict[str, object]) -> None:
    same = {"months": "12"} if form.get("months") == "'12" else {}
    assert who(NAMELESS, **{**CUSTOMER, **form, **same}) == who(NAMELESS, **CUSTOMER)


def test_a_number_is_the_same_in_the_format_of_its_field() -> None:
    german = NAMELESS.reading({"spend": NumberFormat(",", ".")})
    assert who(german, **{**CUSTOMER, "spend": "9,50"}) == who(NAMELESS, **CUSTOMER)
