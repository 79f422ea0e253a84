"""What customers are worth: stated by the schema, the same for all or from a column."""

from typing import Any

import numpy as np
import pytest

from evergreen.customers.value import NEVER, Campaign, Value
from evergreen.errors import SchemaError

STATED: dict[str, Any] = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}
NUMBERS = {"cltv": 0, "monthly_charges": 2}
ROWS = np.array([[200, 0, 5], [5, 1, 5], [np.nan, 2, 5]], np.float32)
TYPICAL = [100.0, 0.0, 5.0]


def test_the_break_even_probability_is_the_one_of_the_paper() -> None:
    amounts = Value.parse(STATED, {}).amounts(ROWS, TYPICAL)
    assert amounts.break_even() == pytest.approx([11 / 67] * 3)
    assert round(11 / 67, 3) == 0.164


def test_at_break_even_a_contact_brings_nothing_and_above_it_something() -> None:
    amounts = Value.parse(STATED | {"worth": "cltv"}, NUMBERS).amounts(ROWS, TYPICAL)
    even = amounts.break_even()
    assert even[1] == NEVER  # an offer of 10 for a customer worth 5
    assert amounts.expected(even)[[0, 2]] == pytest.approx([0, 0], abs=1e-9)
    assert (amounts.expected(even + 0.1)[[0, 2]] > 0).all()
    assert (amounts.expected(np.ones(3))[1]) < 0


def test_an_amount_can_be_a_field_and_where_it_is_not_known_it_is_the_typical_one() -> None:
    value = Value.parse(STATED | {"worth": "cltv", "offer": "monthly_charges"}, NUMBERS)
    assert not value.fixed
    amounts = value.amounts(ROWS, TYPICAL)
    assert amounts.worth.tolist() == [200, 5, 100]
    assert amounts.offer.tolist() == [5, 5, 5]
    assert value.amounts(ROWS, [np.nan, 0, 0]).worth.tolist() == [200, 5, 0]


def test_a_chance_from_a_column_is_one() -> None:
    value = Value.parse(STATED | {"acceptance": "cltv"}, NUMBERS)
    assert value.amounts(ROWS, TYPICAL).acceptance.tolist() == [1, 1, 1]


def test_without_offer_and_contact_everybody_is_worth_a_call() -> None:
    amounts = Value.parse(STATED | {"offer": 0, "contact": 0}, {}).amounts(ROWS, TYPICAL)
    assert amounts.break_even().tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ([], "target.value must be an object"),
        (STATED | {"wort": 1}, "'wort', which there is not; did you mean 'worth'"),
        ({"worth": 1, "offer": 1, "contact": 1}, "lacks 'acceptance'"),
        (STATED | {"worth": -1}, "'worth' is -1, not a number from 0 on"),
        (STATED | {"acceptance": 30}, "'acceptance' is 30, not a number from 0 to 1"),
        (STATED | {"worth": float("nan")}, "'worth' is nan"),
        (STATED | {"worth": True}, "has True as 'worth'"),
        (STATED | {"worth": "cltvs"}, "names 'cltvs', not a number .* did you mean 'cltv'"),
    ],
)
def test_what_is_stated_wrong_is_named(stated: object, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Value.parse(stated, NUMBERS)


TARGET = {"field": "left", "positive": True}


def test_a_target_without_money_has_no_call_list() -> None:
    assert Campaign.parse(TARGET, {}) == Campaign(None, 1_000, 0.1, 0)


def test_a_campaign_is_stated_beside_the_money() -> None:
    more = {"value": STATED, "call_list": {"limit": 50, "control": 0}, "reasons": 3, "x-own": 1}
    found = Campaign.parse(TARGET | more, {})
    assert found == Campaign(Value(200.0, 10.0, 1.0, 0.3), 50, 0.0, 3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"valeu": STATED}, "target has 'valeu', which there is not; did you mean 'value'"),
        ({"call_list": {"limit": 5}}, "call_list needs target.value"),
        ({"value": STATED, "call_list": 5}, "call_list must be an object"),
        ({"value": STATED, "call_list": {"limits": 5}}, "did you mean 'limit'"),
        ({"value": STATED, "call_list": {"limit": 0}}, "limit is 0, not a whole number from 1"),
        ({"value": STATED, "call_list": {"control": 1}}, "control is 1, not a number from 0 to"),
        ({"reasons": True}, "reasons is True, not a whole number from 0 to 10"),
    ],
)
def test_what_a_target_states_wrong_is_named(more: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Campaign.parse(TARGET | more, {})
