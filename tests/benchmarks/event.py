"""A request as API Gateway hands it to a Lambda function, and what is read off the answer."""

import json
from pathlib import Path
from typing import Any


def predict_event(folder: Path) -> dict[str, Any]:
    """Ask for a prediction for the customer in a folder."""
    return {
        "resource": "/predict",
        "path": "/predict",
        "httpMethod": "POST",
        "headers": {"content-type": "application/json"},
        "multiValueHeaders": {"content-type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"resourcePath": "/predict", "stage": "local", "httpMethod": "POST"},
        "body": (folder / "customer.json").read_text(),
        "isBase64Encoded": False,
    }


def answered_probability(answer: dict[str, Any]) -> float:
    """Return the probability in an answer to that request."""
    if answer["statusCode"] != 200:
        raise SystemExit(answer["body"])
    return float(json.loads(answer["body"])["churn_probability"])
