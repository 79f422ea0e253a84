"""How good a model probably is on customers whose outcome nobody knows yet.

Where probabilities are right, so that of the customers who are given 0.3 three in ten leave, they
say by themselves how often they are wrong. What they can't say is whether they still are right:
that the customers have changed is seen here, that the reasons for leaving have is not.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating[Any]]


def estimate(scores: Scores) -> dict[str, float | int | None]:
    """Return what to expect of calibrated probabilities, shape (customers,), one or more.

    A customer of probability p is a leaver by p, and a stayer by 1 - p. At every threshold that
    gives the true and false positives to be expected, and with them the ROC curve; of a loss it
    gives the mean. `roc_auc` is None where all are sure to leave, or to stay.

    Source: confidence-based performance estimation, as NannyML's documentation defines it.
    """
    ordered = np.sort(scores.astype(np.float64))[::-1]
    return {
        "customers": len(scores),
        "roc_auc": _roc_auc(ordered),
        "log_loss": float(_entropy(ordered).mean()),
        "brier": float((ordered * (1 - ordered)).mean()),
        "churn_rate": float(ordered.mean()),
    }


def _roc_auc(ordered: npt.NDArray[np.float64]) -> float | None:
    """Return the area under the curve through all thresholds, the highest first."""
    true, false = np.cumsum(ordered), np.cumsum(1 - ordered)
    if not true[-1] or not false[-1]:
        return None
    height = true - ordered / 2  # of the trapezium that a customer adds
    return float((height * (1 - ordered)).sum() / true[-1] / false[-1])


def _entropy(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the log loss to be expected of each, in nats; none of who is sure to leave or stay."""
    sides = np.stack([probabilities, 1 - probabilities])
    return -(sides * np.log(np.where(sides > 0, sides, 1))).sum(axis=0)
