"""The least that an API with FastAPI, Mangum and boto3 can do: one object, one route, no model."""

import json
from typing import Any

import boto3
from fastapi import FastAPI
from mangum import Mangum

answer = json.load(boto3.client("s3").get_object(Bucket="models", Key="floor.json")["Body"])
app = FastAPI()


@app.post("/predict")
async def predict(customer: dict[str, Any]) -> dict[str, Any]:
    return answer


handler = Mangum(app, lifespan="off")
