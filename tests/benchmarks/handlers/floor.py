"""The least that an API with FastAPI, Mangum and boto3 can do: one object, one route, no model.

It keeps a record of what it answers, as ours does: one line of JSON for a Firehose.
"""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
from fastapi import FastAPI
from mangum import Mangum
from nowhere import Nowhere

firehose = Nowhere()
answer = json.load(boto3.client("s3").get_object(Bucket="models", Key="floor.json")["Body"])
app = FastAPI()


@app.post("/predict")
async def predict(customer: dict[str, Any]) -> dict[str, Any]:
    record = {
        "prediction_id": answer["prediction_id"],
        "predicted_at": datetime.now(UTC).isoformat(),
        "model_version": answer["model_version"],
        "churn_probability": answer["churn_probability"],
        "customer": customer,
    }
    line = json.dumps(record) + "\n"
    firehose.put_record_batch(DeliveryStreamName="inference", Records=[{"Data": line.encode()}])
    return answer


handler = Mangum(app, lifespan="off")
