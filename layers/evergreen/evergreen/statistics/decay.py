"""Whether a model that serves has become worse than it was on its held-out customers.

The loss of a customer is compared, not the AUC: it sees a model that still ranks right and no
longer says how likely it is. `python -m tests.simulations.decay` says how often there is a false
alarm, and how often decay is found.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

ALPHA = 0.001
"""The chance that one look finds decay where there is none."""
FLOOR = 0.03
"""So many nats of mean log loss are nothing, however sure they are."""
LOWEST = 1e-7
"""The smallest probability that is told apart from none, as the gate has it."""

_SURE = NormalDist().inv_cdf(1 - ALPHA)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the log loss was on held-out customers."""

    log_loss: float
    customers: int
    """So many they were: the fewer, the less sure it is."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A mean loss against the expected one, in nats."""

    loss: float
    expected: float
    margin: float
    """What the loss must be beyond the expected one to be surely worse, and to matter."""

    @property
    def decayed(self) -> bool:
        """Whether the model has become worse."""
        return self.loss - self.expected > self.margin


def measured(labels: Labels, scores: Scores, expected: Expectation) -> Judgement:
    """Judge by what really happened, arrays of shape (customers,)."""
    given = np.clip(scores.astype(np.float64), LOWEST, 1 - LOWEST)
    losses = -np.log(np.where(labels, given, 1 - given))
    spread = float(losses.var(ddof=1))
    return _judge(losses, spread, expected)


def estimated(scores: Scores, expected: Expectation) -> Judgement:
    """Judge by the probabilities alone, shape (customers,): by how unsure the model is of them.

    A customer's loss is then the entropy, in the mean. That is what is compared, and the loss of
    held-out customers strays as the model itself says of these.
    """
    given = np.clip(scores.astype(np.float64), LOWEST, 1 - LOWEST)
    odds = np.log(given / (1 - given))
    entropy = -np.log1p(-given) - given * odds
    spread = float(entropy.var(ddof=1) + (given * (1 - given) * odds**2).mean())
    return _judge(entropy, spread, expected)


def _judge(losses: Floats, held_out_spread: float, expected: Expectation) -> Judgement:
    """Test one-sided whether the mean is above the expected one, which is a mean itself."""
    own = float(losses.var(ddof=1)) / len(losses)
    error = (own + held_out_spread / expected.customers) ** 0.5
    margin = max(_SURE * error, FLOOR)
    return Judgement(float(losses.mean()), expected.log_loss, margin)
