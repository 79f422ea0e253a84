"""Thresholds and expected values follow from what the schema states."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evergreen.customers.schema import Schema
from evergreen.models.decisions import decide
from evergreen.models.model import Model
from evergreen.models.training import Labelled

STATED: dict[str, Any] = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}


def with_value(model: Model, **amounts: Any) -> Model:
    document = json.loads(json.dumps(model.schema.document))
    document["target"]["value"] = STATED | amounts
    return replace(model, schema=Schema(document))


def test_without_money_the_threshold_is_the_models_own(model: Model, labelled: Labelled) -> None:
    found = decide(model, labelled.matrix[:3], np.array([0.1, 0.5, 0.9]))
    assert found.thresholds.tolist() == [model.threshold] * 3
    assert found.expected is None


def test_with_money_it_is_break_even_and_each_contact_has_its_worth(
    model: Model, labelled: Labelled
) -> None:
    found = decide(with_value(model), labelled.matrix[:3], np.array([0.0, 0.164179, 0.9]))
    assert found.thresholds.tolist() == [0.164179] * 3
    assert found.expected is not None
    assert found.expected.tolist() == [-11.0, 0.0, 49.3]
    assert str(found.expected[1]) == "0.0"


def test_worth_can_differ_from_customer_to_customer(model: Model, labelled: Labelled) -> None:
    number = next(f.name for f in model.schema.features if not hasattr(f, "levels"))
    place = model.schema.feature_names.index(number)
    matrix = labelled.matrix[:2].copy()
    matrix[:, place] = [1_000, np.nan]
    found = decide(with_value(model, worth=number), matrix, np.array([0.5, 0.5]))
    assert found.expected is not None
    assert found.expected[0] == pytest.approx(0.5 * 0.3 * 990 - 0.5 * 10 - 1)
    usual = float(model.typical[place])
    assert found.expected[1] == pytest.approx(0.15 * (usual - 10) - 6, abs=0.005)
    assert found.thresholds[0] < found.thresholds[1]
