"""Campaigns: who was on a call list, noted as it was made, for `campaign_effects`."""

from datetime import datetime

import orjson

from evergreen.customers import files
from evergreen.jobs.files.call_list import CallList
from evergreen.store import keys
from evergreen.store.s3 import Bucket


def keep(logs: Bucket, calls: CallList, upload: str, predicted_at: str) -> None:
    """Note who is on a call list; nothing where nobody is. Written again it is the same.

    Args:
        logs: the log bucket.
        calls: the list.
        upload: the id of the upload that it was made from.
        predicted_at: the time that its predictions have.

    """
    lines = [
        orjson.dumps(
            {
                "identity": f"{who:016x}",
                "at": predicted_at,
                "contact": call.contact,
                "churn_probability": float(call.probability),
                "expected_value": call.expected,
                "model_version": calls.model.version,
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for who, call in calls.members()
    ]
    if lines:
        key = keys.campaign(datetime.fromisoformat(predicted_at), upload)
        logs.put(key, files.packed(lines), "application/gzip")
