"""Many customers are answered at once, by column: as each of them would be, one after the other."""

from typing import Any

import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.schema import Schema
from evergreen.errors import InvalidRows, Problem
from evergreen.jobs.answering.prediction import Prediction, attempt, predict
from evergreen.models.answers import rounded
from evergreen.models.model import Model
from local.demo.source import to_json

Customer = dict[str, Any]

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 70),
    st.floats(0, 90),
    st.sampled_from(["monthly", " Monthly", "yes", "12", "1e1", "", "?", " " * 1_001, [], {}]),
)
FIELDS = ("customer_id", "contract", "monthly_fee", "has_app", "days_since_last_login")
CHANGES = st.dictionaries(st.sampled_from([*FIELDS, "newsletter", "contrct", "churned"]), VALUES)


@st.composite
def changed(draw: st.DrawFn) -> list[tuple[Customer, list[str], bool]]:
    """For some customers: what to change, what to leave out, and whether to turn them around."""
    alike = draw(st.booleans())
    left_out = st.lists(st.sampled_from(FIELDS), max_size=1)
    change = st.tuples(st.just({}) if alike else CHANGES, left_out, st.booleans())
    return draw(st.lists(change, min_size=1, max_size=8))


def slowly(model: Model, customer: Customer, name: str) -> Prediction:
    """Answer a customer who fits, one step after the other."""
    schema = model.schema
    columns = {field: [customer.get(field)] for field in schema.feature_names}
    matrix, problems = schema.encode(columns, 1)
    assert problems == []
    probability = float(rounded(model.probabilities(matrix))[0])
    at_risk = probability >= model.threshold / 2
    leaves = probability >= model.threshold
    return {
        "prediction_id": name,
        "churn_probability": probability,
        "will_churn": leaves,
        "threshold": model.threshold,
        "risk": "high" if leaves else "medium" if at_risk else "low",
        "model_version": model.version,
        "ignored_fields": tuple(sorted(customer.keys() - {*schema.feature_names, "customer_id"})),
        "key": {"customer_id": customer.get("customer_id")},
    }


@pytest.fixture(scope="session")
def usual(frame: pd.DataFrame, schema: Schema) -> list[Customer]:
    return to_json(frame.head(8), schema)


@given(changes=changed())
@settings(max_examples=150)
def test_many_are_answered_as_each_would_be(
    model: Model, usual: list[Customer], changes: list[tuple[Customer, list[str], bool]]
) -> None:
    customers = []
    for customer, (change, left_out, turned) in zip(usual, changes, strict=False):
        made = {**customer, **change}
        made = {field: value for field, value in made.items() if field not in left_out}
        customers.append(dict(reversed(made.items())) if turned else made)
    names = [f"id-{index}" for index in range(len(customers))]
    expected: list[Prediction | None] = []
    wrong: list[Problem] = []
    for index, (customer, name) in enumerate(zip(customers, names, strict=True)):
        try:
            (alone,) = predict(model, [customer], [name])
        except InvalidRows as error:
            wrong += [problem._replace(row=index) for problem in error.problems]
            expected.append(None)
        else:
            expected.append(slowly(model, customer, name))
            assert orjson.dumps(alone) == orjson.dumps(expected[-1])
    found = attempt(model, customers, names)
    assert orjson.dumps(found.predictions) == orjson.dumps(expected)
    assert found.problems == wrong
    if wrong:
        with pytest.raises(InvalidRows) as raised:
            predict(model, customers, names)
        assert raised.value.problems == wrong
    else:
        assert predict(model, customers, names) == found.predictions
