"""Does labelled data agree with what a model knows, or contradict it?

A model that ranked customers well and, on a new file, ranks them the wrong way round or tells less
than a guess has met either a new world or wrong outcomes: swapped, shuffled, read from the wrong
column. The outcomes alone can't say which; who judges by this looks at the customers as well.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from evergreen.statistics.comparison import Labels, Scores, losses

SURE = 0.001
"""How improbable a contradiction has to be as chance before it is called one."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a model's answers and some customers' outcomes go together."""

    customers: int
    churn_rate: float
    roc_auc: float
    """0.5 where only one outcome occurs."""
    log_loss: float
    """The model's, in nats, and …"""
    prior_log_loss: float
    """… that of answering everyone with the churn rate."""
    inverted: bool
    """Whether the model surely ranks the wrong way round: who it says will leave, stays."""
    uninformative: bool
    """Whether it surely tells less than the churn rate does, even with its level set right."""


def agreement(churned: Labels, scores: Scores) -> Agreement:
    """Hold a model's probabilities against outcomes that it has not learned from.

    The ranks are tested by Mann & Whitney's test (1947). For the second test the probabilities are
    first moved, in log odds, so that their mean is the churn rate: that more leave than used to is
    news, not a contradiction.

    Args:
        churned: shape (customers,).
        scores: shape (customers,), the model's probabilities.

    """
    rate = float(churned.mean())
    own = losses(churned, scores)
    prior = losses(churned, np.full(len(churned), rate))
    both = 0 < rate < 1
    inverted, roc_auc = False, 0.5
    if both:
        ranks = stats.mannwhitneyu(scores[churned], scores[~churned], alternative="less")
        roc_auc = float(ranks.statistic / (churned.sum() * (~churned).sum()))
        inverted = bool(ranks.pvalue < SURE)
    excess = losses(churned, level(scores, rate)) - prior if both else np.zeros(len(churned))
    error = excess.std() / np.sqrt(len(excess))
    return Agreement(
        customers=len(churned),
        churn_rate=rate,
        roc_auc=roc_auc,
        log_loss=float(own.mean()),
        prior_log_loss=float(prior.mean()),
        inverted=inverted,
        uninformative=bool(excess.mean() > stats.norm.isf(SURE) * error),
    )


def level(scores: Scores, rate: float) -> npt.NDArray[np.float64]:
    """Move probabilities, all by the same log odds, until their mean is a rate within (0, 1)."""
    odds = special.logit(np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6))
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        too_low = special.expit(odds + middle).mean() < rate
        low, high = (middle, high) if too_low else (low, middle)
    return np.asarray(special.expit(odds + low), dtype=np.float64)
