"""Populations that do not exist, feature by feature: what the drift simulation draws from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.customers.schema import Schema
from evergreen.statistics.baseline import Baseline
from local.demo.customers import customers
from local.demo.stack import ROOT

PLACES = 65_536
GROUPS = 64
"""A number of more values is looked at in so many groups of them."""

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Field:
    """A feature's true distribution: its values at 65,536 equally likely places."""

    categorical: bool
    values: Floats
    """Shape (65,536,): sorted, NaN last where it may be missing."""
    group: npt.NDArray[np.uint8]
    """Shape (65,536,): each value's place among the distinct ones, or its part of them."""
    mixed: Mask
    """Shape (groups,): whether a group is of more than one value."""

    @classmethod
    def of(cls, categorical: bool, sample: npt.NDArray[Any]) -> "Field":
        """Take a sample of shape (65,536,) for the truth."""
        values = np.sort(sample.astype(np.float32))
        known = int((~np.isnan(values)).sum())
        distinct, group = np.unique(values, return_inverse=True)
        if len(distinct) > 256:  # equal values in one group, and the missing ones in their own
            group = np.searchsorted(values[:known], values) * (GROUPS - 1) // known
            group[known:] = GROUPS - 1
            group = np.unique(group, return_inverse=True)[1]
        edges = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
        mixed = values[edges[:-1]] < values[edges[1:] - 1]
        return cls(categorical, values, group.astype(np.uint8), mixed)

    @property
    def number(self) -> bool:
        """Whether it is a number of which hardly two customers have the same."""
        return not self.categorical and len(np.unique(self.values)) > PLACES // 20


Population = Mapping[str, Field]


def demo() -> Population:
    """The features of the demo's customers: seven numbers, seven categories."""
    schema = Schema.parse((ROOT / "local/schemas/customers.json").read_bytes())
    frame = customers(PLACES, seed=0)
    columns = {str(name): column.tolist() for name, column in frame.items()}
    matrix = schema.encode(columns, len(frame)).matrix
    kinds = zip(schema.feature_names, schema.categorical.tolist(), strict=True)
    return {name: Field.of(kind, matrix[:, j]) for j, (name, kind) in enumerate(kinds)}


def small() -> Population:
    """Three features, so that a single one is the population."""
    rng = np.random.default_rng(1)
    return {
        "number": Field.of(False, rng.normal(60, 15, PLACES)),
        "category": _levels(rng, [50, 30, 20]),
        "skewed": _number(rng, 3, missing=0.15),
    }


def wide() -> Population:
    """Forty features, among them categories with levels that hardly anybody has."""
    rng = np.random.default_rng(2)
    weights = (
        [70, 30],
        [40, 30, 20, 10],
        (0.6 ** np.arange(12)).tolist(),
        [30, 30, 30, *[0.4] * 25],
    )
    numbers = {
        f"number_{i}": _number(rng, i % 4, missing=0.0 if i % 3 else 0.05) for i in range(20)
    }
    return numbers | {f"category_{i}": _levels(rng, weights[i % 4]) for i in range(20)}


def _number(rng: np.random.Generator, shape: int, missing: float) -> Field:
    """Draw a number: normal, skewed, counted or heavy-tailed."""
    rows = PLACES
    sample = np.array(
        [
            rng.normal(0, 1, rows),
            rng.gamma(2, 20, rows),
            rng.poisson(2, rows),
            rng.lognormal(0, 1, rows),
        ]
    )[shape]
    sample[rng.random(rows) < missing] = np.nan
    return Field.of(False, sample)


def _levels(rng: np.random.Generator, weights: list[float]) -> Field:
    shares = np.array(weights) / np.sum(weights)
    return Field.of(True, rng.choice(len(weights), PLACES, p=shares))


POPULATIONS: Mapping[str, Callable[[], Population]] = {
    "3": small,
    "14": demo,
    "40": wide,
}


def draw(rng: np.random.Generator, rows: int) -> npt.NDArray[np.uint16]:
    """Draw places of a field, shape (rows,)."""
    return rng.integers(0, PLACES, rows, dtype=np.uint16)


def reference(population: Population, rng: np.random.Generator, rows: int) -> Baseline:
    """Make a baseline of a sample."""
    kinds = [field.categorical for field in population.values()]
    return Baseline.of([*population], kinds, sample(population, rng, rows), np.empty(0, np.float32))


def sample(population: Population, rng: np.random.Generator, rows: int) -> Floats:
    """Draw customers, shape (rows, features)."""
    return np.column_stack([field.values[draw(rng, rows)] for field in population.values()])
