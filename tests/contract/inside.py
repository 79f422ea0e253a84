"""The API in this process: the app itself around a model that says nothing but its schema."""

import sys
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import orjson
import schemathesis

from evergreen.customers.schema import Schema
from evergreen.models.artifact import Manifest
from evergreen.store import keys
from evergreen.store.registry import Move
from local.demo.stack import ROOT
from tests.contract.page import Page
from tests.contract.run import Api, config

_VERSION = "20260101T000000Z-0123abcd"
_WHEN = "2026-01-01T00:00:00+00:00"

_REPORTS = {
    keys.PERFORMANCE: orjson.dumps(
        {
            "performance_version": 1,
            "measured_at": _WHEN,
            "horizon_days": 90.0,
            "outcomes": {
                **{"received": 0, "matched": 0, "unmatched": 0, "contradictions": 0},
                "examples": [],
            },
            "weeks": [],
            "campaigns": [],
            "decay": None,
        }
    ),
    keys.DRIFT_LATEST: orjson.dumps(
        {"report_version": 1, "checked_at": _WHEN, "verdict": "no_drift", "columns": []}
    ),
    keys.DRIFT_LATEST_PAGE: b"<!doctype html>",
}

EVERYTHING: dict[str, Any] = {
    "fields": [
        {"name": "tenant", "type": "integer"},
        {"name": "id", "type": "string"},
        {"name": "age", "type": "integer", "constraints": {"minimum": 0, "maximum": 120}},
        {"name": "born", "type": "year", "constraints": {"required": True}},
        {
            "name": "balance",
            "type": "number",
            "constraints": {"required": True, "minimum": -100, "maximum": 100.5},
            "missingValues": ["-99", "unknown"],
        },
        {
            "name": "share",
            "type": "number",
            "constraints": {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "missingValues": ["-1"],
        },
        {"name": "calls", "type": "integer", "missingValues": ["999"]},
        {"name": "plan", "constraints": {"enum": ["basic", "Pro Plus", "größer"]}},
        {"name": "size", "constraints": {"required": True, "enum": ["1", "2", "3"]}},
        {"name": "stars", "type": "integer", "constraints": {"enum": [1, 2, 5]}},
        {"name": "rate", "type": "number", "constraints": {"required": True, "enum": [0.5, 1]}},
        {"name": "app", "type": "boolean", "constraints": {"required": True}},
        {"name": "web", "type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]},
        {"name": "left", "type": "boolean"},
    ],
    "missingValues": ["", "n/a"],
    "primaryKey": ["tenant", "id"],
    "target": {"field": "left", "positive": True},
}
"""A schema with everything that a schema may have."""


class Fair:
    """A model to which every customer is as likely to stay as to leave."""

    version = _VERSION
    threshold = 0.5
    metrics: dict[str, Any] = {"held_out": {"roc_auc": 0.5}}  # noqa: RUF012
    manifest = Manifest(_VERSION, _WHEN, None, "manual", "0123abcd", {}, {}, {"promoted": True})

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.typical = np.zeros(len(schema.features), dtype=np.float32)

    def probabilities(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return np.full(len(matrix), 0.5)


class Champion:
    """The place where the app finds it."""

    def __init__(self, model: Fair) -> None:
        self._model = model

    def model(self) -> Fair:
        return self._model

    def moves(self, count: int) -> list[Move]:
        return [Move(_VERSION, None, _WHEN, "the first model")]


class Log:
    """The log bucket: it takes everything, and has nothing but the latest reports."""

    def put_once(self, key: str, content: bytes, content_type: str) -> bool:
        return True

    def get(self, key: str) -> tuple[bytes, str]:
        return _REPORTS[key], '"1"'


def inside(document: dict[str, Any], *, examples: int, seed: int) -> tuple[Api, Page]:
    """Build the app for a schema, and load its page; the key is the gateway's to ask for."""
    folder = str(ROOT / "functions/predict")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import docs
    from api import create_app
    from repeats import Repeats

    champion: Any = Champion(Fair(Schema(document)))
    with patch("api.Repeats", lambda: Repeats(room=0)):  # cases share few keys
        app = create_app(champion, lambda records: None, Log)
    described = docs.describe(app, champion)
    described.pop("security")
    api = schemathesis.openapi.from_dict(described, config=config(seed, examples))
    api.app = app
    api.location = "/openapi.json"
    return api, Page(described, document)
