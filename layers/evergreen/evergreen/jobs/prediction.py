"""Customers in, answers out: what the API gives back and what the inference log keeps."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from evergreen.customers.schema import Schema
from evergreen.errors import InvalidRows, Problem
from evergreen.models.answers import Risk, risk, rounded, will_churn
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
    """The answer for one customer."""

    prediction_id: str
    churn_probability: float
    will_churn: bool
    threshold: float
    risk: Risk
    model_version: str
    ignored_fields: tuple[str, ...]
    """The customer's fields that the model does not know, sorted."""


def predict(model: Model, customers: Sequence[Customer]) -> list[Prediction]:
    """Predict for customers, in their order.

    Raises:
        InvalidRows: a customer does not fit the schema; nothing was predicted for any of them.

    """
    schema, threshold, version = model.schema, model.threshold, model.version
    if problems := _too_long(schema, customers):
        raise InvalidRows(problems)
    matrix, problems = schema.encode_rows(customers)
    if problems:
        raise InvalidRows(problems)
    probabilities = rounded(model.probabilities(matrix)).tolist()
    return [
        Prediction(
            prediction_id=str(uuid.uuid4()),
            churn_probability=probability,
            will_churn=will_churn(probability, threshold),
            threshold=threshold,
            risk=risk(probability, threshold),
            model_version=version,
            ignored_fields=schema.unknown(customer.keys()),
        )
        for probability, customer in zip(probabilities, customers, strict=True)
    ]


def records(
    schema: Schema, predictions: Sequence[Prediction], customers: Sequence[Customer]
) -> list[Record]:
    """Return what the inference log keeps of some answers.

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
