"""What people would otherwise deploy: FastAPI, Mangum, boto3, pandas and a joblib pipeline.

Its requests and answers are pydantic models, as FastAPI's users have them: so it looks at the
customers' fields, and answers the same ones as ours, but for those that the model does not know.
"""

import io
import uuid
from typing import Any

import boto3
import joblib
import pandas as pd
from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel, create_model

THRESHOLD = 0.3

stored = boto3.client("s3").get_object(Bucket="models", Key="peer.joblib")["Body"].read()
pipeline = joblib.load(io.BytesIO(stored))
((_, _, categories), (_, _, numbers)) = pipeline[0].transformers
fields: dict[str, Any] = dict.fromkeys(categories, (str | int | bool | None, None))
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
    probabilities = pipeline.predict_proba(
        pd.DataFrame([customer.model_dump() for customer in customers])
    )[:, 1]
    return [
        Prediction(
            prediction_id=str(uuid.uuid4()),
            churn_probability=round(probability, 6),
            will_churn=probability >= THRESHOLD,
            threshold=THRESHOLD,
            risk="high" if probability >= THRESHOLD else "low",
            model_version="1",
        )
        for probability in probabilities.tolist()
    ]


handler = Mangum(app, lifespan="off")
