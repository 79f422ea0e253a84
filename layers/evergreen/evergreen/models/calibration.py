"""Whether a model's probabilities are to be corrected, and how: a line on its logits.

A line keeps the order of customers, and is folded into the model: its trees grow by the slope.
Source: Platt, Probabilistic outputs for support vector machines, 1999; on logits as in Cox, Two
further applications of a model for binary regression, 1958.
"""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """The corrected logit is slope · logit + shift."""

    slope: float = 1.0
    shift: float = 0.0

    def logits(self, logits: Floats) -> Floats:
        """Correct logits of any shape."""
        return self.slope * logits + self.shift

    def as_dict(self) -> dict[str, float]:
        """Return the numbers for metrics.json."""
        return asdict(self)


NONE = Calibration()
"""Probabilities stay as they are."""


def calibrate(logits: Floats, churned: Labels, weights: Floats) -> Calibration:
    """Return the correction that helps unseen customers by more than a standard error, or `NONE`.

    Args:
        logits: shape (repeats, customers): out-of-fold answers.
        churned: shape (customers,); at least two of each outcome.
        weights: shape (customers,), for how many each stands.

    """
    if np.ptp(logits) < 1e-6:
        return NONE
    gains = np.empty(logits.shape)
    folds = min(_FOLDS, int(churned.sum()), int((~churned).sum()))
    for learned, fold in StratifiedKFold(folds).split(churned, churned):
        line = _fitted(logits[:, learned], churned[learned], weights[learned])
        before, after = logits[:, fold], line.logits(logits[:, fold])
        gains[:, fold] = weights[fold] * (
            _losses(before, churned[fold]) - _losses(after, churned[fold])
        )
    gain = gains.mean(axis=0)
    if gain.mean() <= gain.std(ddof=1) / np.sqrt(len(gain)):
        return NONE
    line = _fitted(logits, churned, weights)
    return line if line.slope > 0 else NONE


def _fitted(logits: Floats, churned: Labels, weights: Floats) -> Calibration:
    """Fit a line by maximum likelihood."""

    def objective(parameters: Floats) -> tuple[float, Floats]:
        slope, shift = parameters
        corrected = slope * logits + shift
        excess = weights * (expit(corrected) - churned)
        loss = (weights * _losses(corrected, churned)).mean()
        return loss, np.array([(excess * logits).mean(), excess.mean()])

    slope, shift = minimize(objective, [1.0, 0.0], jac=True, method="L-BFGS-B").x
    return Calibration(float(slope), float(shift))


def _losses(logits: Floats, churned: Labels) -> Floats:
    """Return log losses in nats."""
    return np.logaddexp(0, logits) - churned * logits
