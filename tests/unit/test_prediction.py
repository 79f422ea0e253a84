import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import InvalidRows
from evergreen.jobs.answering.prediction import predict, records
from evergreen.models.answers import DIGITS, risk
from evergreen.models.model import Model
from local.demo.source import to_json


@pytest.fixture
def given(frame: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    return to_json(frame.head(40), schema)


def test_the_decision_and_the_band_follow_from_the_numbers_that_are_given(
    model: Model, given: list[dict[str, Any]]
) -> None:
    for answer in predict(model, given):
        assert answer["will_churn"] == (answer["churn_probability"] >= answer["threshold"])
        assert answer["risk"] == risk(answer["churn_probability"], answer["threshold"])
        assert (answer["risk"] == "high") == answer["will_churn"]


def test_probability_and_threshold_have_as_many_digits_as_are_promised(
    model: Model, given: list[dict[str, Any]]
) -> None:
    for answer in predict(model, given):
        for number in (answer["churn_probability"], answer["threshold"]):
            assert number == round(number, DIGITS)


def test_a_customer_is_answered_the_same_alone_and_among_others(
    model: Model, given: list[dict[str, Any]]
) -> None:
    together = [p["churn_probability"] for p in predict(model, given)]
    alone = [predict(model, [customer])[0]["churn_probability"] for customer in given]
    backwards = [p["churn_probability"] for p in predict(model, given[::-1])]
    assert together == alone == backwards[::-1]
    assert len(set(together)) > 10


def test_the_customers_id_makes_no_difference(model: Model, given: list[dict[str, Any]]) -> None:
    anonymous = [{k: v for k, v in c.items() if k != "customer_id"} for c in given]
    assert [p["churn_probability"] for p in predict(model, anonymous)] == [
        p["churn_probability"] for p in predict(model, given)
    ]


def test_one_wrong_customer_is_named_and_nobody_is_answered(
    model: Model, given: list[dict[str, Any]]
) -> None:
    given[3] |= {"contract": "eternal", "monthly_fee": -1}
    given[5]["satisfacton"] = given[5].pop("satisfaction")
    first = r"customer 3 \(counted from 0\), field 'contract': .* \(and 2 more\)"
    with pytest.raises(InvalidRows, match=first) as raised:
        predict(model, given)
    assert [(p.row, p.field) for p in raised.value.problems] == [
        (3, "contract"),
        (3, "monthly_fee"),
        (5, "satisfacton"),
    ]


def test_a_text_of_a_known_field_is_bounded_though_a_level_is_in_it(
    model: Model, given: list[dict[str, Any]]
) -> None:
    assert predict(model, [given[0] | {"contract": " " * 993 + "monthly"}])
    given[3]["contract"] = " " * 994 + "monthly"
    given[5]["monthly_fee"] = "0" * 2_000 + "9.5"
    with pytest.raises(InvalidRows, match="at most 1,000 characters, got 1,001") as raised:
        predict(model, given)
    assert [(p.row, p.field) for p in raised.value.problems] == [
        (3, "contract"),
        (5, "monthly_fee"),
    ]


def test_an_unknown_text_may_be_long_as_it_is_not_kept(
    model: Model, given: list[dict[str, Any]]
) -> None:
    (answer,) = predict(model, [given[0] | {"essay": "x" * 5_000}])
    assert answer["ignored_fields"] == ("essay",)


def test_fields_that_the_model_does_not_know_are_named_and_change_nothing(
    model: Model, given: list[dict[str, Any]]
) -> None:
    more = [customer | {"newsletter": True, "churned": "no", "app": None} for customer in given]
    known, answers = predict(model, given), predict(model, [*more[:20], *given[20:]])
    assert {answer["ignored_fields"] for answer in known} == {()}
    assert [a["ignored_fields"] for a in answers[:20]] == [("app", "churned", "newsletter")] * 20
    assert {answer["ignored_fields"] for answer in answers[20:]} == {()}
    assert [a["churn_probability"] for a in answers] == [a["churn_probability"] for a in known]


def test_nobody_is_answered_with_nothing(model: Model) -> None:
    assert predict(model, []) == []


def test_a_record_holds_the_answer_and_the_customer_as_given(
    model: Model, given: list[dict[str, Any]]
) -> None:
    answers = predict(model, given)
    logged = records(model.schema, answers, given)
    for answer, customer, record in zip(answers, given, logged, strict=True):
        assert record["customer"] == customer
        for name in ("prediction_id", "model_version", "churn_probability"):
            assert record[name] == answer[name]
        passed = datetime.now(UTC) - datetime.fromisoformat(record["predicted_at"])
        assert timedelta(0) <= passed < timedelta(seconds=10)
        assert json.loads(json.dumps(record)) == record


def test_a_record_keeps_short_scalars_that_the_model_does_not_know_and_no_outcome(
    model: Model, given: list[dict[str, Any]]
) -> None:
    kept = {"newsletter": True, "visits": 3, "score": 0.5, "city": "x" * 256, "mood": None}
    lost = {"churned": "yes", "essay": "x" * 257, "tags": ["a"], "address": {}, "n" * 257: 1}
    (record,) = records(
        model.schema, predict(model, [given[0] | kept | lost]), [given[0] | kept | lost]
    )
    assert record["customer"] == given[0] | kept


def test_a_record_never_outgrows_what_firehose_takes(
    model: Model, given: list[dict[str, Any]]
) -> None:
    many = given[0] | {f"{'ü' * 250}{n:06}": "ü" * 256 for n in range(5_000)}
    (answer,) = predict(model, [many])
    (record,) = records(model.schema, [answer], [many])
    assert len(answer["ignored_fields"]) == 5_000
    assert record["customer"].keys() > given[0].keys()
    assert len(json.dumps(record, ensure_ascii=False).encode()) < 1_000 * 1_024
