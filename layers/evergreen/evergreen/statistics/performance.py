"""How good a model really was, on customers whose outcome is known by now, and how sure that is.

Every interval is of 95 %. What is measured here is what `evaluation` measures of a version's
hold-out, by the same definitions, so that the two can be compared.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.customers.value import Amounts
from evergreen.statistics.profit import brought

LOWEST = 1e-7
"""The smallest probability that is told apart from none, as the gate has it."""

_Z = 1.959964
_BINS = 10
_DRAWN = (2_000, _BINS)

Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]
Interval = dict[str, float]
"""A value, and the low and the high end of what the truth may be."""


def measure(labels: Labels, scores: Scores, amounts: Amounts | None = None) -> dict[str, Any]:
    """Judge probabilities by what really happened.

    Args:
        labels: shape (customers,), who left; both outcomes must occur.
        scores: shape (customers,), the probabilities of leaving that were answered.
        amounts: what is at stake with each of them; None where the schema does not state it, and
            there is no `profit` then.

    Returns:
        What `performance/latest.json` has under "measured".

    """
    given = scores.astype(np.float64)
    found: dict[str, Any] = {
        "customers": len(labels),
        "churn_rate": float(labels.mean()),
        "mean_predicted": float(given.mean()),
        "roc_auc": roc_auc(labels, given),
        "log_loss": mean(-np.log(np.clip(np.where(labels, given, 1 - given), LOWEST, None)), 0.0),
        "brier": mean((given - labels) ** 2, 0.0),
        "ece": calibration_error(labels, given),
    }
    if amounts is not None:
        found["profit"] = mean(brought(labels, given, amounts))
    return found


def mean(values: Floats, least: float = -np.inf) -> Interval:
    """Return the mean of customers' losses or gains, which is normal where they are many.

    Args:
        values: shape (customers,), two of them or more.
        least: what the mean can't be below.

    """
    found = float(values.mean())
    reach = _Z * float(values.std(ddof=1)) / len(values) ** 0.5
    return {"value": found, "low": max(found - reach, least), "high": found + reach}


def roc_auc(labels: Labels, scores: Scores) -> Interval:
    """Return the area under the ROC curve.

    It is the share of pairs of a leaver and a stayer in which the leaver has the higher score, an
    equal one counting half. Its variance is that of each customer's own share of won pairs.

    Source: DeLong, DeLong & Clarke-Pearson, Biometrics 44(3), 1988, eq. 5; by midranks, so by
    sorting alone: Sun & Xu, IEEE Signal Processing Letters 21(11), 2014.
    """
    left, stayed = np.sort(scores[labels]), np.sort(scores[~labels])
    won = _below(stayed, left) / len(stayed)  # of each leaver, and …
    lost = 1 - _below(left, stayed) / len(left)  # … of each stayer: what the rest won against them
    value = float(won.mean())
    variance = sum(float(s.var(ddof=1)) / len(s) for s in (won, lost) if len(s) > 1)
    reach = _Z * variance**0.5
    return {"value": value, "low": max(value - reach, 0.0), "high": min(value + reach, 1.0)}


def calibration_error(labels: Labels, scores: Scores) -> Interval:
    """Return the expected calibration error, as `evaluation` defines it.

    It is a sum of distances, which chance moves by no more than the sum of what it moves each bin.
    95 % of the latter is how far the interval reaches, on either side; so it holds the truth in 95
    cases of 100 at least, and 0 where every probability is right. A bin's leavers are binomial, of
    a share with two more of either outcome, as it may hold too few to show any (Agresti & Coull,
    The American Statistician 52(2), 1998).
    """
    places = bins(scores, _BINS)
    customers, left = (np.bincount(places, w, minlength=_BINS) for w in (None, labels))
    share = (left + 2) / (customers + 4)
    moved = np.random.default_rng(0).normal(0, np.sqrt(customers * share * (1 - share)), _DRAWN)
    reach = float(np.quantile(np.abs(moved).sum(axis=1), 0.95)) / len(labels)
    surplus = np.bincount(places, scores, minlength=_BINS) - left
    value = float(np.abs(surplus).sum()) / len(labels)
    return {"value": value, "low": max(value - reach, 0.0), "high": min(value + reach, 1.0)}


def bins(scores: Scores, count: int) -> npt.NDArray[np.intp]:
    """Cut customers into bins of about as many each, by their scores; equal ones stay together."""
    edges = np.quantile(scores, np.arange(1, count) / count)
    return np.searchsorted(edges, scores, side="right")


def _below(others: Scores, scores: Scores) -> Floats:
    """Count for each score the others below it, an equal one half; both are sorted."""
    first = np.searchsorted(others, scores, side="left")
    return np.asarray((first + np.searchsorted(others, scores, side="right")) / 2)
