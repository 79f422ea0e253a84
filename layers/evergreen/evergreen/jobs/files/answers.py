"""What a scored row gains, and what those columns are called beside the user's own."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evergreen.customers.values import folded
from evergreen.errors import Problem
from evergreen.models.answers import DIGITS, Risk, risk, will_churn

ANSWERS = ("churn_probability", "will_churn", "risk", "model_version")
"""The columns that a scored row gains, …"""
EXPECTED, WHY = "expected_value", "reasons"
"""Two more, where a schema states money, and where reasons are wanted."""
REASONS = ("line", "reason")
"""… and those of a rejected one."""
CALLS = ("churn_probability", "expected_value", "reason", "contact")
"""What a customer on a call list has behind their own columns."""

_ANSWERED = (
    ANSWERS,
    (*ANSWERS, EXPECTED),
    (*ANSWERS, WHY),
    (*ANSWERS, EXPECTED, WHY),
    CALLS,
)
_ASIDE = "evergreen_"


def aside(names: Sequence[str], taken: Iterable[str]) -> tuple[str, ...]:
    """Name columns of ours so that none is called like the user's: `risk` → `evergreen_risk`."""
    others = {folded(name) for name in taken}
    return tuple(_free(name, others) for name in names)


def earlier(names: Sequence[str], columns: Sequence[str], fields: AbstractSet[str]) -> int:
    """How many of the last columns are ours, from a scoring before: all of the names, or none."""
    last = columns[-len(names) :]
    ours = [*map(_unprefixed, last)] == [*names] and fields.isdisjoint(last)
    return len(names) if ours else 0


def answered(columns: Sequence[str], fields: AbstractSet[str]) -> int:
    """How many of the last columns are the answers of a scoring before, or of a call list."""
    return max(earlier(names, columns, fields) for names in _ANSWERED)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of customers with the same probability."""

    probability: str
    """As it is printed, with a decimal point."""
    will_churn: bool
    risk: Risk


def reasons(problems: Iterable[Problem]) -> dict[int, str]:
    """Say of each row that has problems what is wrong with it, all in one line."""
    told: dict[int, list[str]] = {}
    for problem in problems:
        told.setdefault(problem.row, []).append(f"{problem.field}: {problem.message}")
    return {row: "; ".join(messages) for row, messages in told.items()}


def millionths(probabilities: npt.NDArray[np.float64]) -> list[int]:
    """Return probabilities as `Answers` are found by, shape (rows,); they are `rounded` before."""
    found: list[int] = np.rint(probabilities * 10**DIGITS).astype(np.int64).tolist()
    return found


class Answers(dict[int, Answer]):
    """The answers at a threshold, by the probability in millionths."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self._threshold = threshold

    def __missing__(self, millionths: int) -> Answer:
        self[millionths] = answer(millionths, self._threshold)
        return self[millionths]


def answer(millionths: int, threshold: float) -> Answer:
    """Return what is said of customers with a probability, in millionths, at a threshold."""
    probability = millionths / 10**DIGITS
    return Answer(
        printed(millionths), will_churn(probability, threshold), risk(probability, threshold)
    )


def printed(millionths: int) -> str:
    """Return a probability as it is printed, with a decimal point."""
    digits = f"{millionths / 10**DIGITS:.{DIGITS}f}".rstrip("0")
    return f"{digits}0" if digits.endswith(".") else digits


def _free(name: str, others: Collection[str]) -> str:
    while folded(name) in others:
        name = _ASIDE + name
    return name


def _unprefixed(column: str) -> str:
    while column.startswith(_ASIDE):
        column = column.removeprefix(_ASIDE)
    return column
