"""Customers in, answers out: what the API gives back and what the inference log keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import InvalidRows, Problem
from evergreen.jobs import ids
from evergreen.jobs.explaining import Explanation, Reason, explain
from evergreen.models.answers import Risk, risk, rounded, will_churn
from evergreen.models.decisions import decide
from evergreen.models.model import Model
from evergreen.store.inference_log import Record

LONGEST = 1_000
"""So many characters a text may have that is the value of one of the schema's fields."""
KEPT_LENGTH = 256
"""So many characters of a field that the schema does not know are kept, …"""
KEPT_FIELDS = 100  # a record has to fit into Firehose's 1,000 KiB
"""… of so many fields."""

Customer = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one customer; parts that are None are left out of it."""

    prediction_id: str
    churn_probability: float
    will_churn: bool
    threshold: float
    risk: Risk
    model_version: str
    ignored_fields: tuple[str, ...]
    """The customer's fields that the model does not know, sorted."""
    key: Mapping[str, object] | None = None
    """The fields of the primary key as they were given; None where the schema has none."""
    expected_value: float | None = None
    """What contacting the customer brings; None where the schema does not say what is at stake."""
    typical_probability: float | None = None
    """As of here, see `Explanation`; None where nobody asked."""
    reasons: tuple[Reason, ...] | None = None
    other_changes: float | None = None


class Attempt(NamedTuple):
    """The answers for those customers who fit the schema."""

    predictions: list[Prediction | None]
    """In the order of the customers; None for each who does not fit."""
    problems: list[Problem]
    """What is wrong with those, in order."""


class _Fitting(NamedTuple):
    places: Sequence[int]
    matrix: Matrix
    problems: list[Problem]


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
    _, matrix, problems = _fitting(model.schema, customers)
    if problems:
        raise InvalidRows(problems)
    return _answers(model, customers, matrix, names or ids.new(len(customers)), explained=explained)


def attempt(
    model: Model,
    customers: Sequence[Customer],
    names: Sequence[str] | None = None,
    *,
    explained: bool = False,
) -> Attempt:
    """Predict for those customers who fit the schema; else as `predict`."""
    names = names or ids.new(len(customers))
    places, matrix, problems = _fitting(model.schema, customers)
    fitting = [customers[place] for place in places]
    own = [names[place] for place in places]
    predictions: list[Prediction | None] = [None] * len(customers)
    answers = _answers(model, fitting, matrix, own, explained=explained) if fitting else []
    for place, answer in zip(places, answers, strict=True):
        predictions[place] = answer
    return Attempt(predictions, problems)


def _fitting(schema: Schema, customers: Sequence[Customer]) -> _Fitting:
    """Encode those customers who fit, and say where they are and what is wrong with the others."""
    places: Sequence[int] = range(len(customers))
    if too_long := _too_long(schema, customers):
        places = _without(places, {problem.row for problem in too_long})
        customers = [customers[place] for place in places]
    matrix, problems = schema.encode_rows(customers)
    if not problems and not too_long:
        return _Fitting(places, matrix, [])
    wrong = {problem.row for problem in problems}
    own = [problem._replace(row=places[problem.row]) for problem in problems]
    matrix = matrix[[row not in wrong for row in range(len(customers))]]
    places = _without(places, {problem.row for problem in own})
    return _Fitting(places, matrix, sorted([*too_long, *own], key=lambda p: p.row))


def _without(places: Sequence[int], wrong: set[int]) -> list[int]:
    return [place for place in places if place not in wrong]


def _answers(
    model: Model,
    customers: Sequence[Customer],
    matrix: Matrix,
    names: Sequence[str],
    *,
    explained: bool,
) -> list[Prediction]:
    schema, version = model.schema, model.version
    probabilities = rounded(model.probabilities(matrix))
    decisions = decide(model, matrix, probabilities)
    count = len(customers)
    expected = [None] * count if decisions.expected is None else decisions.expected.tolist()
    explanations = explain(model, matrix) if explained else [None] * count
    return [
        Prediction(
            name,
            probability,
            will_churn(probability, threshold),
            threshold,
            risk(probability, threshold),
            version,
            schema.unknown(customer.keys()),
            _key(schema, customer),
            value,
            *_flat(explanation),
        )
        for name, probability, threshold, value, explanation, customer in zip(
            names,
            probabilities.tolist(),
            decisions.thresholds.tolist(),
            expected,
            explanations,
            customers,
            strict=True,
        )
    ]


def _key(schema: Schema, customer: Customer) -> Mapping[str, object] | None:
    return {name: customer.get(name) for name in schema.primary_key} or None


def _flat(
    explanation: Explanation | None,
) -> tuple[float, tuple[Reason, ...], float] | tuple[()]:
    if explanation is None:
        return ()
    return explanation.typical_probability, explanation.reasons, explanation.other_changes


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
            "prediction_id": prediction.prediction_id,
            "predicted_at": now,
            "model_version": prediction.model_version,
            "churn_probability": prediction.churn_probability,
            "customer": kept(schema, customer, prediction.ignored_fields),
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


def _too_long(schema: Schema, customers: Sequence[Customer]) -> list[Problem]:
    """Find texts that no level and no number is worth, also where spaces are most of them."""
    lengths = (len(v) for c in customers for v in c.values() if isinstance(v, str))
    if max(lengths, default=0) <= LONGEST:
        return []
    return [
        Problem(index, name, f"expected at most {LONGEST:,} characters, got {len(value):,}")
        for index, customer in enumerate(customers)
        for name in schema.feature_names
        if isinstance(value := customer.get(name), str) and len(value) > LONGEST
    ]


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= KEPT_LENGTH
    return value is None or isinstance(value, int | float)
