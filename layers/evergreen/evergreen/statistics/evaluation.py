"""How good predicted probabilities are, and whether a challenger may take the champion's place."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating[Any]]

MARGIN = 0.01
"""How much log loss (nats) a challenger may be worse by, at most, and count as no worse."""


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
        "roc_auc": float(sk.roc_auc_score(labels, scores)),
        "pr_auc": float(sk.average_precision_score(labels, scores)),
        "brier": float(sk.brier_score_loss(labels, scores)),
        "log_loss": float(sk.log_loss(labels, scores)),
        "f1": float(sk.f1_score(labels, predicted, zero_division=0.0)),
        "precision": float(sk.precision_score(labels, predicted, zero_division=0.0)),
        "recall": float(sk.recall_score(labels, predicted, zero_division=0.0)),
        "lift_at_10_percent": lift(labels, scores, share=0.1),
    }


def lift(labels: Labels, scores: Scores, *, share: float) -> float:
    """How many times more leavers the top `share` of scores holds than a random pick would.

    Customers whose scores tie at the cut count in proportion, so that order does not matter.
    """
    wanted = max(1, round(len(scores) * share))
    cut = np.partition(scores, -wanted)[-wanted]
    above, tied = scores > cut, scores == cut
    caught = labels[above].sum() + labels[tied].mean() * (wanted - above.sum())
    return float(caught / wanted / labels.mean())


def best_threshold(labels: Labels, scores: Scores) -> float:
    """Return the threshold with the highest F1; on other than out-of-fold scores it flatters."""
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[np.argmax(f1[:-1])])


@dataclass(frozen=True, slots=True)
class Comparison:
    """A challenger and the champion on the same held-out rows."""

    rows: int
    champion_log_loss: float
    challenger_log_loss: float
    champion_roc_auc: float
    challenger_roc_auc: float
    worse_by_at_most: float
    """Upper end of the one-sided 95 % bootstrap interval of the challenger's excess log loss."""

    @property
    def no_worse(self) -> bool:
        """Whether the challenger may be promoted."""
        return self.worse_by_at_most <= MARGIN

    def as_dict(self) -> dict[str, float]:
        """Return the numbers for a manifest."""
        return asdict(self) | {"margin": MARGIN}


def compare(
    labels: Labels, champion: Scores, challenger: Scores, *, resamples: int = 2000, seed: int = 0
) -> Comparison:
    """Compare two models' probabilities for the same customers by a paired bootstrap of log loss.

    Log loss is judged because it is proper: it rewards ranking and calibration at once. The rows
    are resampled with replacement and the mean difference taken each time (Efron & Tibshirani,
    An Introduction to the Bootstrap, 1993, ch. 13).
    """
    excess = _losses(labels, challenger) - _losses(labels, champion)
    rng, rows = np.random.default_rng(seed), len(excess)
    chance = np.full(rows, 1 / rows)
    means = [rng.multinomial(rows, chance) @ excess / rows for _ in range(resamples)]
    return Comparison(
        rows=rows,
        champion_log_loss=float(sk.log_loss(labels, champion)),
        challenger_log_loss=float(sk.log_loss(labels, challenger)),
        champion_roc_auc=float(sk.roc_auc_score(labels, champion)),
        challenger_roc_auc=float(sk.roc_auc_score(labels, challenger)),
        worse_by_at_most=float(np.quantile(means, 0.95)),
    )


def _losses(labels: Labels, scores: Scores) -> npt.NDArray[np.float64]:
    """The log loss of each row, in nats."""
    given = np.where(labels, scores, 1 - scores).astype(np.float64)
    return -np.log(np.clip(given, 1e-7, None))
