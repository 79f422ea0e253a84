"""What people would otherwise deploy: FastAPI, Mangum, boto3, pandas and a joblib pipeline.

Its requests and answers are pydantic models, as FastAPI's users have them: so it looks at the
customers' fields, and answers the same ones as ours, but for those that the model does not know.
It keeps the same records of its predictions: a line of JSON for each, in batches for a Firehose.
"""

import io
import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import batched
from typing import Any

import boto3
import joblib
import pandas as pd
from fastapi import FastAPI
from mangum import Mangum
from nowhere import Nowhere
from pydantic import BaseModel, create_model

KEY = "customer_id"
THRESHOLD = 0.3
VERSION = "1"

firehose = Nowhere()
stored = boto3.client("s3").get_object(Bucket="models", Key="peer.joblib")["Body"].read()
pipeline = joblib.load(io.BytesIO(stored))
((_, _, categories), (_, _, numbers)) = pipeline[0].transformers
fields: dict[str, Any] = {KEY: (str | int | None, None)}
fields |= dict.fromkeys(categories, (str | int | bool | None, None))
fields |= dict.fromkeys(numbers, (float | None, None))
Customer = create_model("Customer", **fields)
app = FastAPI()


class Prediction(BaseModel):
    prediction_id: str
    churn_probability: float
    will_churn: bool
    threshold: float
    risk: str
    model_version: str
    key: dict[str, str | int | None]


class Batch(BaseModel):
    predictions: list[Prediction]


@app.post("/predict")
async def predict(customer: Customer) -> Prediction:
    (prediction,) = predictions([customer])
    return prediction


@app.post("/predict/batch")
async def predict_batch(customers: list[Customer]) -> Batch:
    return Batch(predictions=predictions(customers))


def predictions(customers: list[Customer]) -> list[Prediction]:
    rows = [customer.model_dump() for customer in customers]
    probabilities = pipeline.predict_proba(pd.DataFrame(rows))[:, 1]
    found = [
        Prediction(
            prediction_id=str(uuid.uuid4()),
            churn_probability=round(probability, 6),
            will_churn=probability >= THRESHOLD,
            threshold=THRESHOLD,
            risk="high" if probability >= THRESHOLD else "low",
            model_version=VERSION,
            key={KEY: row[KEY]},
        )
        for row, probability in zip(rows, probabilities.tolist(), strict=True)
    ]
    keep(found, rows)
    return found


def keep(predictions: Iterable[Prediction], rows: Iterable[dict[str, Any]]) -> None:
    now = datetime.now(UTC).isoformat()
    records = [
        {
            "prediction_id": prediction.prediction_id,
            "predicted_at": now,
            "model_version": prediction.model_version,
            "churn_probability": prediction.churn_probability,
            "customer": row,
        }
        for prediction, row in zip(predictions, rows, strict=True)
    ]
    for batch in batched(records, 500, strict=False):  # as many as one call may have
        lines = [{"Data": f"{json.dumps(record)}\n".encode()} for record in batch]
        firehose.put_record_batch(DeliveryStreamName="inference", Records=lines)


handler = Mangum(app, lifespan="off")
