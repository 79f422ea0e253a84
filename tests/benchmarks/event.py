"""A request as API Gateway hands it to a Lambda function, and what is read off the answer."""

import json
from typing import Any


def event(path: str, body: object, **query: str) -> dict[str, Any]:
    """Post something to a path."""
    return {
        "resource": path,
        "path": path,
        "httpMethod": "POST",
        "headers": {"content-type": "application/json"},
        "multiValueHeaders": {"content-type": ["application/json"]},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} or None,
        "requestContext": {
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "resourcePath": path,
            "stage": "local",
            "httpMethod": "POST",
        },
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def answered(answer: dict[str, Any]) -> Any:
    """Return what an answer says; only a 200 will do."""
    if answer["statusCode"] != 200:
        raise SystemExit(answer["body"])
    return json.loads(answer["body"])
