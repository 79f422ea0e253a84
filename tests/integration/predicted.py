"""Customers who were predicted for, in the log as Firehose puts them there."""

from datetime import datetime

import orjson

from evergreen.jobs.answering.prediction import predict, records
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.s3 import Bucket
from local.demo.customers import customers
from local.demo.source import to_json


def put(
    logs: Bucket, model: Model, at: datetime, rows: int, *, shift: float = 0, seed: int = 2
) -> None:
    """Answer customers at a time, and log that."""
    given = to_json(customers(rows, seed=seed, shift=shift), model.schema)
    lines = records(model.schema, predict(model, given), given)
    members = {"predicted_at": at.isoformat()}
    content = b"\n".join(orjson.dumps(record | members) for record in lines)
    logs.put(f"{keys.inference_hour(at)}{at:%M%S.%f}-{seed}", content)
