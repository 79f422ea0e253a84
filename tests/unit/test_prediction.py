import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import InvalidRows
from evergreen.jobs.prediction import DIGITS, predict, records, risk
from evergreen.models.model import Model
from local.demo.source import to_json


@pytest.fixture
def given(frame: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    return to_json(frame.head(40), schema)


@pytest.mark.parametrize(
    ("probability", "band"),
    [
        (0, "low"),
        (0.199999, "low"),
        (0.2, "medium"),
        (0.399999, "medium"),
        (0.4, "high"),
        (1, "high"),
    ],
)
def test_the_band_is_high_from_the_threshold_and_medium_from_half_of_it(
    probability: float, band: str
) -> None:
    assert risk(probability, 0.4) == band


def test_the_decision_and_the_band_follow_from_the_numbers_that_are_given(
    model: Model, given: list[dict[str, Any]]
) -> None:
    for answer in predict(model, given):
        assert answer.will_churn == (answer.churn_probability >= answer.threshold)
        assert answer.risk == risk(answer.churn_probability, answer.threshold)
        assert (answer.risk == "high") == answer.will_churn


def test_probability_and_threshold_have_as_many_digits_as_are_promised(
    model: Model, given: list[dict[str, Any]]
) -> None:
    for answer in predict(model, given):
        for number in (answer.churn_probability, answer.threshold):
            assert number == round(number, DIGITS)


def test_a_customer_is_answered_the_same_alone_and_among_others(
    model: Model, given: list[dict[str, Any]]
) -> None:
    together = [p.churn_probability for p in predict(model, given)]
    alone = [predict(model, [customer])[0].churn_probability for customer in given]
    backwards = [p.churn_probability for p in predict(model, given[::-1])]
    assert together == alone == backwards[::-1]
    assert len(set(together)) > 10


def test_the_customers_id_makes_no_difference(model: Model, given: list[dict[str, Any]]) -> None:
    anonymous = [{k: v for k, v in c.items() if k != "customer_id"} for c in given]
    assert [p.churn_probability for p in predict(model, anonymous)] == [
        p.churn_probability for p in predict(model, given)
    ]


def test_one_wrong_customer_is_named_and_nobody_is_answered(
    model: Model, given: list[dict[str, Any]]
) -> None:
    given[3] |= {"contract": "eternal", "monthly_fee": -1}
    given[5] |= {"nickname": "Al"}
    with pytest.raises(InvalidRows, match=r"row 3, field 'contract': .* \(and 2 more\)") as raised:
        predict(model, given)
    assert [(p.row, p.field) for p in raised.value.problems] == [
        (3, "contract"),
        (3, "monthly_fee"),
        (5, "nickname"),
    ]


def test_nobody_is_answered_with_nothing(model: Model) -> None:
    assert predict(model, []) == []


def test_a_record_holds_the_answer_and_the_customer_as_given(
    model: Model, given: list[dict[str, Any]]
) -> None:
    answers = predict(model, given)
    for answer, customer, record in zip(answers, given, records(answers, given), strict=True):
        assert record["customer"] == customer
        for name in ("prediction_id", "model_version", "churn_probability"):
            assert record[name] == getattr(answer, name)
        passed = datetime.now(UTC) - datetime.fromisoformat(record["predicted_at"])
        assert timedelta(0) <= passed < timedelta(seconds=10)
        assert json.loads(json.dumps(record)) == record
