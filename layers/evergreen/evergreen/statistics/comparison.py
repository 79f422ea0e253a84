"""Which of two models is better, judged on customers that neither has learned from.

Log loss is judged because it is proper: it rewards ranking and calibration at once. Both models
answer the same customers, so what is looked at is the difference for each customer.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating[Any]]
Weights = npt.NDArray[np.float64]

_LOWEST = 1e-7  # the smallest probability that is told apart from none
_Z95, _Z80 = 1.645, 0.842  # quantiles of the normal distribution
_AT_ONCE = 2_000_000  # customers drawn at a time, which bounds memory


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger and another model on the same held-out customers; losses in nats."""

    customers: int
    rival_log_loss: float
    challenger_log_loss: float
    rival_roc_auc: float | None
    """None where only one outcome occurs, as below."""
    challenger_roc_auc: float | None
    excess: float
    """By how much the challenger's log loss is higher."""
    low: float
    """The excess is above this, and …"""
    high: float
    """… below this, each with 95 % confidence."""
    detects: float
    """The smallest true difference that so many customers show in four cases of five (the test is
    one-sided at 5 %, so (1.645 + 0.842) standard errors)."""

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers for a manifest."""
        return asdict(self)


def losses(churned: Labels, scores: Scores) -> npt.NDArray[np.float64]:
    """Return the log loss of each customer, shape (customers,), in nats."""
    given = np.where(churned, scores, 1 - scores.astype(np.float64))
    return -np.log(np.clip(given, _LOWEST, None))


def compare(
    churned: Labels,
    rival: Scores,
    challenger: Scores,
    weights: Weights | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two models' probabilities for the same customers by a paired bootstrap.

    Customers are resampled with replacement and the weighted mean difference taken each time
    (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).

    Args:
        churned: shape (customers,).
        rival: shape (customers,), the probabilities of the model that serves.
        challenger: shape (customers,), those of the model that may take its place.
        weights: shape (customers,), for how many each stands, as `sample` gives them.
        resamples: how often to draw.
        seed: makes it repeatable.

    """
    weights = np.ones(len(churned)) if weights is None else weights
    theirs, ours = losses(churned, rival), losses(churned, challenger)
    excess, rng, size = ours - theirs, np.random.default_rng(seed), len(churned)
    weighed, means = excess * weights, np.empty(resamples)
    step = max(1, _AT_ONCE // size)
    for first in range(0, resamples, step):
        drawn = rng.integers(size, size=(min(step, resamples - first), size))
        means[first : first + step] = weighed[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.05, 0.95])
    return Comparison(
        customers=size,
        rival_log_loss=float(np.average(theirs, weights=weights)),
        challenger_log_loss=float(np.average(ours, weights=weights)),
        rival_roc_auc=_roc_auc(churned, rival, weights),
        challenger_roc_auc=_roc_auc(churned, challenger, weights),
        excess=float(np.average(excess, weights=weights)),
        low=float(low),
        high=float(high),
        detects=float((_Z95 + _Z80) * means.std()),
    )


def sample(churned: Labels, size: int, *, seed: int = 0) -> tuple[npt.NDArray[np.int64], Weights]:
    """Choose customers to compare on, with the rarer outcome whole or half of them.

    A plain sample of 2,000 customers of whom one in a thousand leaves may hold no one who left.

    Args:
        churned: shape (customers,).
        size: how many to choose at the most.
        seed: makes it repeatable.

    Returns:
        Their places in order, and for how many customers each stands.

    """
    if len(churned) <= size:
        return np.arange(len(churned)), np.ones(len(churned))
    rng, outcomes = np.random.default_rng(seed), [np.flatnonzero(churned), np.flatnonzero(~churned)]
    rare, common = sorted(outcomes, key=len)
    parts = [min(len(rare), size // 2), size - min(len(rare), size // 2)]
    weights = np.empty(len(churned))
    chosen = [np.empty(0, dtype=np.int64)]
    for places, wanted in zip((rare, common), parts, strict=True):
        if wanted:
            weights[places] = len(places) / wanted
            chosen.append(rng.choice(places, wanted, replace=False))
    picked = np.sort(np.concatenate(chosen))
    return picked, weights[picked]


def _roc_auc(churned: Labels, scores: Scores, weights: Weights) -> float | None:
    if churned.all() or not churned.any():
        return None
    return float(sk.roc_auc_score(churned, scores, sample_weight=weights))
