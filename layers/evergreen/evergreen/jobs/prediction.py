"""Customers in, answers out: what the API gives back and what the inference log keeps."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from evergreen.errors import InvalidRows
from evergreen.models.golden import DIGITS
from evergreen.models.model import Model
from evergreen.store.inference_log import Record

Risk = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one customer."""

    prediction_id: str
    churn_probability: float
    will_churn: bool
    threshold: float
    risk: Risk
    model_version: str


def predict(model: Model, customers: Sequence[Mapping[str, object]]) -> list[Prediction]:
    """Predict for customers, in their order.

    Raises:
        InvalidRows: a customer does not fit the schema; nothing was predicted for any of them.

    """
    matrix, problems = model.schema.encode_rows(customers)
    if problems:
        raise InvalidRows(problems)
    return [
        Prediction(
            prediction_id=str(uuid.uuid4()),
            churn_probability=(probability := round(value, DIGITS)),
            will_churn=probability >= model.threshold,
            threshold=model.threshold,
            risk=risk(probability, model.threshold),
            model_version=model.version,
        )
        for value in model.probabilities(matrix).tolist()
    ]


def risk(probability: float, threshold: float) -> Risk:
    """Name the band: high from the threshold on, medium from half of it, low below."""
    if probability >= threshold:
        return "high"
    return "medium" if probability >= threshold / 2 else "low"


def records(
    predictions: Sequence[Prediction], customers: Sequence[Mapping[str, object]]
) -> list[Record]:
    """Return what the inference log keeps of some answers."""
    now = datetime.now(UTC).isoformat()
    return [
        {
            "prediction_id": prediction.prediction_id,
            "predicted_at": now,
            "model_version": prediction.model_version,
            "churn_probability": prediction.churn_probability,
            "customer": customer,
        }
        for prediction, customer in zip(predictions, customers, strict=True)
    ]
