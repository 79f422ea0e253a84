"""From a probability to a decision: the threshold of each customer, and what a contact brings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.customers.schema import Matrix
from evergreen.models.answers import rounded
from evergreen.models.model import Model

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What follows from the probabilities of some customers, all of shape (rows,)."""

    thresholds: Floats
    """The probability from which each is said to leave, as answers give it."""
    expected: Floats | None
    """What contacting each brings, in the currency of the schema, to the cent; None where the
    schema does not state what is at stake."""


def decide(model: Model, matrix: Matrix, probabilities: npt.NDArray[np.floating[Any]]) -> Decisions:
    """Decide about customers by their rounded probabilities.

    Where the schema states what customers and offers are worth, the threshold is the break-even
    probability; else it is the model's own.
    """
    value = model.schema.campaign.value
    if value is None:
        return Decisions(np.full(len(matrix), model.threshold), None)
    amounts = value.amounts(matrix, model.typical.tolist())
    expected = np.round(amounts.expected(probabilities), 2) + 0.0  # no negative zero
    return Decisions(rounded(amounts.break_even()), expected)
