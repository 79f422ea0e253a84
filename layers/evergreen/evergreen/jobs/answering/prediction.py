"""Customers in, answers out: what the API gives back and what the inference log keeps."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, NotRequired, TypedDict

from evergreen.customers.given import Given
from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import InvalidRows, Problem
from evergreen.jobs.answering import ids
from evergreen.jobs.answering.explaining import Reason, explain
from evergreen.models.answers import Risk, risks, rounded
from evergreen.models.decisions import decide
from evergreen.models.model import Model
from evergreen.store.inference_log import Record

KEPT_LENGTH = 256
"""So many characters of a field that the schema does not know are kept, …"""
KEPT_FIELDS = 100  # a record has to fit into Firehose's 1,000 KiB
"""… of so many fields."""

Customer = Mapping[str, object]


class Prediction(TypedDict):
    """The answer for one customer, as it is given."""

    prediction_id: str
    churn_probability: float
    will_churn: bool
    threshold: float
    risk: Risk
    model_version: str
    ignored_fields: tuple[str, ...]
    """The customer's fields that the model does not know, sorted."""
    key: NotRequired[Mapping[str, object]]
    """The fields of the primary key as they were given, where the schema has one."""
    expected_value: NotRequired[float]
    """What contacting the customer brings, where the schema says what is at stake."""
    typical_probability: NotRequired[float]
    """As of here, see `Explanation`; where somebody asked."""
    reasons: NotRequired[tuple[Reason, ...]]
    other_changes: NotRequired[float]


class Attempt(NamedTuple):
    """The answers for those customers who fit the schema."""

    predictions: list[Prediction | None]
    """In the order of the customers; None for each who does not fit."""
    problems: list[Problem]
    """What is wrong with those, in order."""


def predict(
    model: Model,
    customers: Sequence[Customer],
    names: Sequence[str] | None = None,
    *,
    explained: bool = False,
) -> list[Prediction]:
    """Predict for customers, in their order.

    Args:
        model: which answers.
        customers: their fields.
        names: the ids of their predictions; without it they get new ones.
        explained: whether to give reasons, which costs a few times as much.

    Raises:
        InvalidRows: a customer does not fit the schema; nothing was predicted for any of them.

    """
    given = Given(customers)
    matrix, problems = model.schema.encode_given(given)
    if problems:
        raise InvalidRows(problems)
    return _answers(model, given, matrix, names or ids.new(len(given)), explained=explained)


def attempt(
    model: Model,
    customers: Sequence[Customer],
    names: Sequence[str] | None = None,
    *,
    explained: bool = False,
) -> Attempt:
    """Predict for those customers who fit the schema; else as `predict`."""
    given, names = Given(customers), names or ids.new(len(customers))
    matrix, problems = model.schema.encode_given(given)
    wrong = {problem.row for problem in problems}
    places = [place for place in range(len(given)) if place not in wrong]
    predictions: list[Prediction | None] = [None] * len(given)
    if places:
        own = [names[place] for place in places]
        answers = _answers(model, given.only(places), matrix[places], own, explained=explained)
        for place, answer in zip(places, answers, strict=True):
            predictions[place] = answer
    return Attempt(predictions, problems)


def _answers(
    model: Model, given: Given, matrix: Matrix, names: Sequence[str], *, explained: bool
) -> list[Prediction]:
    schema, version = model.schema, model.version
    column = rounded(model.probabilities(matrix))
    decisions = decide(model, matrix, column)
    probabilities, thresholds = column.tolist(), decisions.thresholds.tolist()
    answers: list[Prediction] = [
        {
            "prediction_id": name,
            "churn_probability": probability,
            "will_churn": band == "high",
            "threshold": threshold,
            "risk": band,
            "model_version": version,
            "ignored_fields": ignored,
        }
        for name, probability, threshold, band, ignored in zip(
            names,
            probabilities,
            thresholds,
            risks(probabilities, thresholds),
            given.told(schema.unknown),
            strict=True,
        )
    ]
    if schema.primary_key:
        for answer, key in zip(answers, given.parts(schema.primary_key), strict=True):
            answer["key"] = key
    if decisions.expected is not None:
        for answer, value in zip(answers, decisions.expected.tolist(), strict=True):
            answer["expected_value"] = value
    if explained:
        for answer, explanation in zip(answers, explain(model, matrix), strict=True):
            answer["typical_probability"] = explanation.typical_probability
            answer["reasons"] = explanation.reasons
            answer["other_changes"] = explanation.other_changes
    return answers


def records(
    schema: Schema, predictions: Sequence[Prediction | None], customers: Sequence[Customer]
) -> list[Record]:
    """Return what the inference log keeps of some answers, where there is one.

    Of the fields that the schema does not know it keeps short scalars, a hundred at most, so that a
    later model may learn from them; the outcome of a labelled customer it does not keep.
    """
    now = datetime.now(UTC).isoformat()
    return [
        {
            "prediction_id": prediction["prediction_id"],
            "predicted_at": now,
            "model_version": prediction["model_version"],
            "churn_probability": prediction["churn_probability"],
            "customer": kept(schema, customer, prediction["ignored_fields"]),
        }
        for prediction, customer in zip(predictions, customers, strict=True)
        if prediction
    ]


def kept(schema: Schema, customer: Customer, ignored: tuple[str, ...]) -> Customer:
    """Return what the inference log keeps of a customer, of whose fields some are unknown."""
    if not ignored:
        return customer
    short = [n for n in ignored if n != schema.target and _is_short(n) and _is_short(customer[n])]
    dropped = set(ignored).difference(short[:KEPT_FIELDS])
    return {name: value for name, value in customer.items() if name not in dropped}


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= KEPT_LENGTH
    return value is None or isinstance(value, int | float)
