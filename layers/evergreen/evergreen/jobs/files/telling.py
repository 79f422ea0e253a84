"""What is told of each customer of a file: the answer, what a contact brings, and the reasons."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.answering.explaining import explain
from evergreen.jobs.files.answers import ANSWERS, EXPECTED, WHY, Answer, Answers, answer, millionths
from evergreen.models.answers import rounded
from evergreen.models.decisions import Decisions, decide
from evergreen.models.model import Model

Floats = npt.NDArray[np.float64]


def names(schema: Schema, reasons: int) -> tuple[str, ...]:
    """Name the columns that a scored row gains, where so many reasons are wanted."""
    valued, explained = schema.campaign.value is not None, reasons > 0
    return (*ANSWERS, *[EXPECTED] * valued, *[WHY] * explained)


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of some customers, all in their order."""

    probabilities: Floats
    millionths: list[int]
    decisions: Decisions
    reasons: list[list[str]] | None
    """The strongest, in sentences; None where none are wanted."""

    @property
    def will_churn(self) -> int:
        """How many are expected to leave."""
        return int((self.probabilities >= self.decisions.thresholds).sum())

    def answers(self, known: Answers) -> list[Answer]:
        """Return the answers; without money they are those at the model's own threshold."""
        if self.decisions.expected is None:
            return [known[each] for each in self.millionths]
        thresholds = self.decisions.thresholds.tolist()
        return [answer(*each) for each in zip(self.millionths, thresholds, strict=True)]


def tell(model: Model, matrix: Matrix, reasons: int) -> Told:
    """Answer encoded customers, shape (rows, features), each with so many reasons."""
    probabilities = rounded(model.probabilities(matrix))
    decisions = decide(model, matrix, probabilities)
    why = None
    if reasons:
        explained = explain(model, matrix, strongest=reasons)
        why = [[reason.sentence for reason in each.reasons] for each in explained]
    return Told(probabilities, millionths(probabilities), decisions, why)
