"""How often a model is called decayed that is not, and how often one that is.

    python -m tests.simulations.decay

First table: years in which the model stays right, looked at every day while the outcomes of each
week come in. A false alarm is a week in which a look calls the model decayed. Second table: how
many weeks of one that has decayed are found, by the outcomes and, where the customers have changed
and not the reasons for leaving, by the estimate.

Everything that judges is the product's own code. Held-out customers are drawn once a year: what
chance had them say, all looks of the year share.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evergreen.statistics import decay
from evergreen.statistics.decay import Expectation

WEEKS = 52
LOOKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of which share of a week's outcomes a look knows."""
SIZES = (100, 1_000, 10_000)
HELD_OUT = (300, 1_400, 14_000)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Population:
    """Customers whose log odds of leaving are normal."""

    name: str
    middle: float
    spread: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return the log odds of some customers."""
        return self.middle + self.spread * rng.normal(size=count)


POPULATIONS = (
    Population("27 % leave, AUC 0.84", -1.4, 1.75),
    Population("5 % leave, AUC 0.80", -3.6, 1.3),
    Population("50 % leave, AUC 0.65", 0.0, 0.6),
)

Changed = Callable[[Floats], Floats]

DECAYS: dict[str, Changed] = {
    "everybody's odds of leaving x 1.5": lambda odds: odds + np.log(1.5),
    "everybody's odds of leaving x 2": lambda odds: odds + np.log(2.0),
    "everybody's odds of leaving x 3": lambda odds: odds + np.log(3.0),
    "half of the customers leave as others should": lambda odds: np.where(
        np.arange(len(odds)) % 2, odds, np.roll(odds, 1)
    ),
    "all customers leave as others should": lambda odds: np.roll(odds, 1),
}


def chances(odds: Floats) -> Floats:
    """Return the probabilities of log odds, as answers give them."""
    found: Floats = np.round(1 / (1 + np.exp(-odds)), 6)
    return found


def left(rng: np.random.Generator, odds: Floats) -> Labels:
    """Return who leaves."""
    found: Labels = rng.random(len(odds)) < chances(odds)
    return found


def expectation(rng: np.random.Generator, population: Population, held_out: int) -> Expectation:
    """Return what a model that is right has on held-out customers."""
    odds = population.draw(rng, held_out)
    scores, labels = chances(odds), left(rng, odds)
    given = np.clip(np.where(labels, scores, 1 - scores), decay.LOWEST, None)
    return Expectation(float(-np.log(given).mean()), held_out)


def false_alarms(
    rng: np.random.Generator, population: Population, size: int, held_out: int
) -> tuple[int, int]:
    """Return how many weeks of a year have one, by the outcomes and by the estimate."""
    expected = expectation(rng, population, held_out)
    by_outcome = by_estimate = 0
    for _ in range(WEEKS):
        odds = population.draw(rng, size)
        scores, labels = chances(odds), left(rng, odds)
        by_outcome += any(
            decay.measured(labels[:known], scores[:known], expected).decayed
            for known in _known(size)
        )
        by_estimate += decay.estimated(scores, expected).decayed
    return by_outcome, by_estimate


def found(
    rng: np.random.Generator, population: Population, size: int, changed: Changed
) -> tuple[float, bool]:
    """Return by how much a changed world raises the loss of a week, and whether that is seen."""
    expected = expectation(rng, population, HELD_OUT[1])
    odds = population.draw(rng, size)
    judgement = decay.measured(left(rng, changed(odds)), chances(odds), expected)
    return judgement.loss - judgement.expected, judgement.decayed


def shifted(rng: np.random.Generator, population: Population, size: int, by: float) -> bool:
    """Tell whether it is seen that there are other customers, of whom the model is less sure."""
    expected = expectation(rng, population, HELD_OUT[1])
    odds = population.draw(rng, size) * (1 - by)
    return decay.estimated(chances(odds), expected).decayed


def _known(size: int) -> Iterator[int]:
    """Return how many outcomes the looks of a week know."""
    return (known for share in LOOKS if (known := round(share * size)) >= 100)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=300)
    years = parser.parse_args().years
    rng = np.random.default_rng(1)
    print(f"alpha {decay.ALPHA}, floor {decay.FLOOR} nats, {years} years each, a tenth at 10,000\n")
    print(f"{'false alarms: weeks a year':40} held out  labelled  outcomes  estimate  bad years")
    for population in POPULATIONS:
        for held_out in HELD_OUT:
            for size in SIZES:
                enough = max(1, years * 1_000 // max(size, 1_000))
                seen = np.array(
                    [false_alarms(rng, population, size, held_out) for _ in range(enough)]
                )
                outcomes, estimates = seen.mean(axis=0)
                bad = (seen.sum(axis=1) > 0).mean()
                print(
                    f"{population.name:40} {held_out:8,} {size:9,} {outcomes:9.3f}"
                    f" {estimates:9.3f} {bad:10.1%}",
                    flush=True,
                )
    print(f"\n{'decay: share of weeks in which it is found':66} labelled  nats   found")
    for population in POPULATIONS:
        for name, changed in DECAYS.items():
            for size in SIZES:
                weeks = [found(rng, population, size, changed) for _ in range(years // 4)]
                nats, share = np.mean(weeks, axis=0)
                print(f"{population.name:24}{name:44}{size:7,} {nats:6.3f} {share:7.1%}")
    print("\nothers, of whom the model is less sure: share of weeks in which the estimate says so")
    for population in POPULATIONS:
        for by in (0.2, 0.5):
            for size in SIZES:
                share = np.mean([shifted(rng, population, size, by) for _ in range(years // 4)])
                print(f"{population.name:24}log odds {by:.0%} nearer to 0{size:20,} {share:14.1%}")


if __name__ == "__main__":
    main()
