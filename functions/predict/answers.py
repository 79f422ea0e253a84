"""What the API answers. Names and fields are those of the description."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Literal

import orjson

from evergreen.errors import Problem
from evergreen.jobs.answering.champion import Champion
from evergreen.jobs.answering.prediction import Attempt, Prediction
from evergreen.store.registry import Move

EACH = 5
"""So many wrong values of a customer who is passed over are named at the most."""

_PROMOTIONS = 10


@dataclass(frozen=True, slots=True)
class InvalidValue:
    """A value of a customer that does not fit the schema."""

    index: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Predictions, in the order of the customers."""

    predictions: list[Prediction | None]
    errors: list[InvalidValue] | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """The model that serves."""

    version: str
    trained_at: str
    trigger: str
    parent: str | None
    decision: dict[str, Any]
    warnings: list[str]
    history: dict[str, Any]
    threshold: float
    metrics: dict[str, Any]
    schema: dict[str, Any]
    promotions: list[Move]


@dataclass(frozen=True, slots=True)
class Health:
    """The function runs."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Predictions can be given."""

    model_version: str
    status: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """An outcome that says the opposite of one before it."""

    index: int
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Outcomes that are kept."""

    accepted: int
    contradictions: list[Contradiction]


def one(found: Attempt) -> bytes:
    """Answer for one customer."""
    (prediction,) = found.predictions
    return orjson.dumps(prediction)


def many(found: Attempt, *, skipping: bool) -> bytes:
    """Answer for a batch; what is wrong is told where those who don't fit are passed over."""
    batch: dict[str, object] = {"predictions": found.predictions}
    if skipping:
        batch["errors"] = wrong(found.problems)
    return orjson.dumps(batch)


def wrong(problems: Sequence[Problem]) -> list[InvalidValue]:
    """Name wrong values, `EACH` of a customer at the most, so that all customers are named."""
    return [
        InvalidValue(*problem)
        for _, own in groupby(problems, key=lambda problem: problem.row)
        for problem in islice(own, EACH)
    ]


def describe(champion: Champion) -> Model:
    """Describe the model that serves."""
    served = champion.model()
    manifest = served.manifest
    return Model(
        version=served.version,
        trained_at=manifest.created,
        trigger=manifest.trigger,
        parent=manifest.parent,
        decision=manifest.decision,
        warnings=manifest.warnings,
        history=manifest.history,
        threshold=served.threshold,
        metrics=served.metrics,
        schema=dict(served.schema.document),
        promotions=champion.moves(_PROMOTIONS),
    )
