"""Reasons in words: why a customer is at risk, for those who will talk to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evergreen.customers.features import Categorical, Feature
from evergreen.customers.levels import Level
from evergreen.customers.schema import Matrix, Schema
from evergreen.models.answers import DIGITS
from evergreen.models.model import Model
from evergreen.models.reasons import reasons

STRONGEST = 5
"""So many reasons are given, if there are as many."""

_EXACT = 2.0**53  # beyond, whole numbers are written as others are: JSON knows 64 bits at the most


@dataclass(frozen=True, slots=True)
class Reason:
    """What one feature changes, against a typical customer."""

    feature: str
    value: Level | None
    """The customer's; None where it is not known, as for `typical`."""
    typical: Level | None
    change: float
    """Of the probability of leaving: above 0 it raises the risk."""
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a customer has another probability than a typical one.

    The changes and `other_changes` add up to the difference of the two.
    """

    typical_probability: float
    reasons: tuple[Reason, ...]
    """The strongest, strongest first."""
    other_changes: float
    """What all other features change, taken together."""


def explain(model: Model, matrix: Matrix, strongest: int = STRONGEST) -> list[Explanation]:
    """Explain the model's answers for encoded customers, shape (rows, features), in their order."""
    found = reasons(model, matrix)
    typical = round(found.typical, DIGITS)
    order = np.argsort(-np.abs(found.changes), axis=1, kind="stable")[:, :strongest]
    labels = _labels(model.schema)
    explanations = []
    for row, probability, changes, places in zip(
        matrix, found.probabilities.tolist(), found.changes, order.tolist(), strict=True
    ):
        told = tuple(
            _reason(model.schema.features[place], labels[place], row[place], usual, change)
            for place in places
            if (change := round(float(changes[place]), DIGITS))
            for usual in [model.typical[place]]
        )
        rest = round(probability, DIGITS) - typical - sum(reason.change for reason in told)
        explanations.append(Explanation(typical, told, round(rest, DIGITS)))
    return explanations


def _labels(schema: Schema) -> Sequence[str]:
    """Return what people call the features: their titles, where the schema has some."""
    titles = {
        field["name"]: field.get("title") or field["name"] for field in schema.document["fields"]
    }
    return [titles[name] for name in schema.feature_names]


def _reason(
    feature: Feature, label: str, value: np.float32, typical: np.float32, change: float
) -> Reason:
    own, usual = _decoded(feature, value), _decoded(feature, typical)
    points = round(abs(change) * 100)
    how_much = f"{points} point{'s' if points > 1 else ''}" if points else "less than a point"
    does = "raises" if change > 0 else "lowers"
    sentence = f"{label} is {_said(own)}, typically {_said(usual)}: {does} the risk by {how_much}"
    return Reason(feature.name, own, usual, change, sentence)


def _decoded(feature: Feature, code: np.float32) -> Level | None:
    """Return the value that a code stands for, as JSON has it."""
    if np.isnan(code):
        return None
    if isinstance(feature, Categorical):
        return feature.levels[int(code)] if code >= 0 else None
    if feature.integer and abs(code) < _EXACT:
        return int(code)
    return float(str(code))  # the shortest that is this float32


def _said(value: Level | None) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
