"""How often a good feature is taken for a leak, and how often a leak is found.

    python -m tests.simulations.leakage        (`make simulate-leaks`)

Each row of the table is a kind of feature, each column a number of customers; a cell is the share
of simulated tables where `statistics.leakage` calls the feature a leak. In a fifth each of the
tables 5, 15, 27, 50 and 80 % of customers leave (at least 30 of them). A feature of ROC AUC a is
binormal: those who left are √2·Φ⁻¹(a) standard deviations above those who stayed.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from evergreen.statistics.leakage import ENOUGH, measure

SIZES = (200, 500, 2_000, 10_000)
RATES = (0.05, 0.15, 0.27, 0.5, 0.8)

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Rng = np.random.Generator
Feature = Callable[[Rng, Labels], Floats]


def score(rng: Rng, left: Labels, auc: float) -> Floats:
    """A number that ranks customers so well."""
    distance = np.sqrt(2) * norm.ppf(auc)
    return np.asarray(rng.normal(size=len(left)) + distance * left, dtype=np.float32)


def levels(rng: Rng, left: Labels, auc: float, count: int) -> Floats:
    """A category: such a number, cut into levels of as many customers each."""
    values = score(rng, left, auc)
    rank = values.argsort().argsort()
    return np.asarray(rank * count // len(left), dtype=np.float32)


def skewed(rng: Rng, left: Labels, auc: float) -> Floats:
    """An amount that most customers have none of: calls to support, months in arrears."""
    return np.round(np.exp(score(rng, left, auc)) / 2).astype(np.float32)


def new_customers(rng: Rng, left: Labels, share: float) -> Floats:
    """Months with the company, where such a share of those who left did so within three."""
    months = np.ceil(rng.exponential(30, len(left)))
    early = left & (rng.random(len(left)) < share)
    months[early] = rng.integers(1, 4, early.sum())
    return months.astype(np.float32)


def gone_missing(rng: Rng, left: Labels, of_left: float, of_stayed: float) -> Floats:
    """A survey that those who leave answer more rarely than others."""
    values = rng.integers(1, 6, len(left)).astype(np.float32)
    values[rng.random(len(left)) < np.where(left, of_left, of_stayed)] = np.nan
    return values


def reason(rng: Rng, left: Labels, filled: float, count: int = 6, slips: float = 0.0) -> Floats:
    """A reason, filled in for some of those who left, and by mistake for others."""
    values = rng.integers(0, count, len(left)).astype(np.float32)
    known = rng.random(len(left)) < np.where(left, filled, slips)
    values[~known] = np.nan
    return values


def copy(rng: Rng, left: Labels, wrong: float) -> Floats:
    """The outcome itself, by another name, and not right of everybody."""
    return (left ^ (rng.random(len(left)) < wrong)).astype(np.float32)


HONEST: dict[str, tuple[Feature, bool]] = {
    "noise": (partial(score, auc=0.5), False),
    "number, ROC AUC 0.80": (partial(score, auc=0.8), False),
    "number, ROC AUC 0.90": (partial(score, auc=0.9), False),
    "number, ROC AUC 0.93": (partial(score, auc=0.93), False),
    "count, ROC AUC 0.90": (partial(skewed, auc=0.9), False),
    "3 levels, ROC AUC 0.90 before the cut": (partial(levels, auc=0.9, count=3), True),
    "50 levels, ROC AUC 0.90": (partial(levels, auc=0.9, count=50), True),
    "as many levels as a third of the customers": (
        lambda rng, left: rng.integers(0, len(left) // 3, len(left)).astype(np.float32),
        True,
    ),
    "tenure, half of the leavers were new": (partial(new_customers, share=0.5), False),
    "missing for 60 % who left, 5 % who stayed": (
        partial(gone_missing, of_left=0.6, of_stayed=0.05),
        False,
    ),
}
LEAKS: dict[str, tuple[Feature, bool]] = {
    "score, ROC AUC 0.99": (partial(score, auc=0.99), False),
    "score, ROC AUC 0.999": (partial(score, auc=0.999), False),
    "outcome by another name": (partial(copy, wrong=0.0), True),
    "outcome, 1 % wrong": (partial(copy, wrong=0.01), True),
    "reason, of all who left": (partial(reason, filled=1.0), True),
    "reason, of half": (partial(reason, filled=0.5), True),
    "reason, of half; 50 levels": (partial(reason, filled=0.5, count=50), True),
    "reason, of all, and 0.5 % who stayed": (partial(reason, filled=1.0, slips=0.005), True),
    "date, missing for all who stayed": (
        lambda rng, left: np.where(left, rng.random(len(left)), np.nan).astype(np.float32),
        False,
    ),
}


def called(feature: Feature, categorical: bool, rows: int, tables: int, seed: int) -> float:
    """The share of tables in which a feature is called a leak."""
    found = 0
    for number in range(tables):
        rng = np.random.default_rng([seed, rows, number])
        rate = max(RATES[number % len(RATES)], 1.5 * ENOUGH / rows)
        left = rng.random(rows) < rate
        found += measure(feature(rng, left), categorical, left).leak
    return found / tables


def main() -> None:
    """Print the table in Markdown; how far it is goes to standard error."""
    parser = argparse.ArgumentParser(description="Simulate good features, and leaks.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", type=int, default=400, help="of each size, for each row")
    asked = parser.parse_args()
    print("| a feature | " + " | ".join(f"{rows:,}" for rows in SIZES) + " |")
    print("| --- |" + " ---: |" * len(SIZES))
    for title, kinds in {"honest": HONEST, "a leak": LEAKS}.items():
        for name, (feature, categorical) in kinds.items():
            print(name, file=sys.stderr, flush=True)
            shares = [called(feature, categorical, n, asked.tables, asked.seed) for n in SIZES]
            cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
            print(f"| {title}: {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
