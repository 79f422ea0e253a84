"""What people would otherwise build: FastAPI + Mangum + boto3 + pandas + a joblib pipeline."""

import sys
from pathlib import Path
from typing import Any

import boto3
import joblib
import pandas as pd
from fastapi import FastAPI
from mangum import Mangum

from tests.benchmarks.event import answered_probability, predict_event


def predict(pipeline: Any, customer: dict[str, Any]) -> float:
    """Predict one customer."""
    return float(pipeline.predict_proba(pd.DataFrame([customer]))[0, 1])


def main() -> None:
    """Start, answer one request, and print the probability."""
    pipeline = joblib.load(Path(sys.argv[1], "peer.joblib"))
    for service in ("s3", "firehose"):
        boto3.client(service)
    app = FastAPI()

    @app.post("/predict")
    def predict_one(customer: dict[str, Any]) -> dict[str, float]:
        return {"churn_probability": round(predict(pipeline, customer), 6)}

    answer = Mangum(app, lifespan="off")(predict_event(Path(sys.argv[1])), None)  # type: ignore[arg-type]
    print(answered_probability(answer), flush=True)


if __name__ == "__main__":
    main()
