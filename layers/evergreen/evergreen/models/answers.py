"""What an answer is: a probability of so many decimals, and what follows from it at a threshold.

Whoever answers, compares or counts answers does it with these numbers, so that the API, a scored
file and the drift check's reference can't disagree about a customer.
"""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

DIGITS = 6
"""Probabilities and thresholds are given, compared and logged with so many decimals."""

_SCALE: npt.NDArray[np.float64] = np.array(10.0**DIGITS)  # which widens float32 to float64

Risk = Literal["low", "medium", "high"]


def rounded(probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return probabilities as they are answered, shape (rows,): they print with `DIGITS` decimals.

    For float32, which models give, each is the very number that `round(probability, DIGITS)` is:
    24 bits times a million are exact in float64. A float64 next to a tie may go the other way.
    """
    scaled: npt.NDArray[np.float64] = np.rint(probabilities * _SCALE)
    return scaled / _SCALE


def will_churn(probability: float, threshold: float) -> bool:
    """Whether a customer of this probability is expected to leave."""
    return probability >= threshold


def risk(probability: float, threshold: float) -> Risk:
    """Name the band: high for who `will_churn`, medium from half the threshold on, low below."""
    (band,) = risks([probability], [threshold])
    return band


def risks(probabilities: Iterable[float], thresholds: Iterable[float]) -> list[Risk]:
    """Name the bands of many."""
    return [
        "high" if probability >= threshold else "medium" if probability >= threshold / 2 else "low"
        for probability, threshold in zip(probabilities, thresholds, strict=True)
    ]
