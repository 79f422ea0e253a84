"""How good predicted probabilities are."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from evergreen.statistics.performance import bins as places_of

Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating[Any]]


def metrics(labels: Labels, scores: Scores, threshold: float) -> dict[str, float]:
    """Judge probabilities against what really happened.

    Args:
        labels: shape (rows,), who left; both outcomes must occur.
        scores: shape (rows,), the predicted probabilities of leaving.
        threshold: the probability from which a customer is said to leave.

    """
    predicted = scores >= threshold
    return {
        "rows": len(labels),
        "churn_rate": float(labels.mean()),
        "mean_predicted": float(scores.mean()),
        "roc_auc": float(sk.roc_auc_score(labels, scores)),
        "pr_auc": float(sk.average_precision_score(labels, scores)),
        "brier": float(sk.brier_score_loss(labels, scores)),
        "log_loss": float(sk.log_loss(labels, scores)),
        "ece": calibration_error(labels, scores),
        "f1": float(sk.f1_score(labels, predicted, zero_division=0.0)),
        "precision": float(sk.precision_score(labels, predicted, zero_division=0.0)),
        "recall": float(sk.recall_score(labels, predicted, zero_division=0.0)),
        "lift_at_10_percent": lift(labels, scores, share=0.1),
    }


def calibration_error(labels: Labels, scores: Scores, *, bins: int = 10) -> float:
    """Return the expected calibration error, from 0 to 1.

    The customers are cut into bins of about as many each, by their scores (equal ones stay
    together); the error is the mean distance of a bin's mean score from its share of leavers,
    weighted by its customers. Source: Naeini, Cooper & Hauskrecht, Obtaining well calibrated
    probabilities using Bayesian binning, 2015; bins of equal mass as in Nixon et al., Measuring
    calibration in deep learning, 2019. It is above 0 by chance for a perfect model too, the more
    the fewer customers there are.
    """
    places = places_of(scores, bins)
    surplus = np.bincount(places, scores - labels.astype(np.float64), minlength=bins)
    return float(np.abs(surplus).sum() / len(labels))


def calibration_error_by_chance(scores: Scores, *, bins: int = 10) -> float:
    """Return the calibration error to be expected of a model whose every probability is right.

    A bin's surplus is then normal around 0, of variance Σ p (1 - p), so √(2 / π) standard
    deviations from it in the mean.
    """
    variance = np.bincount(places_of(scores, bins), scores * (1 - scores), minlength=bins)
    return float(np.sqrt(2 / np.pi * variance).sum() / len(scores))


def reliability(labels: Labels, scores: Scores, *, bins: int = 10) -> list[dict[str, float]]:
    """Return what was predicted and what happened, for the bins of `calibration_error`."""
    places = places_of(scores, bins)
    table = []
    for place in np.unique(places):
        there = places == place
        table.append(
            {
                "customers": int(there.sum()),
                "mean_predicted": float(scores[there].mean()),
                "observed": float(labels[there].mean()),
            }
        )
    return table


def lift(labels: Labels, scores: Scores, *, share: float) -> float:
    """How many times more leavers the top `share` of scores holds than a random pick would.

    Customers whose scores tie at the cut count in proportion, so that order does not matter.
    """
    wanted = max(1, round(len(scores) * share))
    cut = np.partition(scores, -wanted)[-wanted]
    above, tied = scores > cut, scores == cut
    caught = labels[above].sum() + labels[tied].mean() * (wanted - above.sum())
    return float(caught / wanted / labels.mean())


def best_threshold(labels: Labels, scores: Scores, weights: Scores | None = None) -> float:
    """Return the threshold with the highest F1; on other than out-of-fold scores it flatters.

    Args:
        labels: shape (rows,), who left.
        scores: shape (rows,).
        weights: shape (rows,), for how many each stands; None where for one each.

    """
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores, sample_weight=weights)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[np.argmax(f1[:-1])])
