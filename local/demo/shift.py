"""Customers made from a labelled table of any company: more of the same, or of another kind.

Tables are text, every cell as it stands in a CSV, and so is what is made of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from evergreen.customers.features import Categorical, Feature
from evergreen.customers.schema import Schema

CONVERTED = 0.95
"""The share of customers whose cell in a shifted feature is another one."""
TAIL = 0.35
"""They take their numbers from so many of all customers, those at the churners' end."""
SUPPORT = 0.05
"""A level can be the riskiest if at least this share of all customers has it."""
ROOM = 0.4
"""A feature can be shifted if that moves its distribution by so much (Kolmogorov-Smirnov distance,
total variation): half of it is left where as many ordinary customers come."""
KEYS_OF_A_SEED = 1_000_000_000
"""How many integer keys each seed has for itself."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def ordinary(
    frame: pd.DataFrame, schema: Mapping[str, Any], *, rows: int, seed: int
) -> pd.DataFrame:
    """Draw customers with replacement, each with a primary key of its own.

    Args:
        frame: the labelled table; it fits the schema.
        schema: its Table Schema with a target.
        rows: how many customers to draw.
        seed: which ones; another seed also gives other keys.

    Returns:
        The customers, shape (rows, columns of the table).

    """
    return _renamed(frame, _drawn(frame, rows, seed), Schema(schema), seed)


def shifted(
    frame: pd.DataFrame, schema: Mapping[str, Any], *, rows: int, seed: int
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Draw the same customers as `ordinary`, and make them look like those who leave.

    Of the features that have room to move, those most associated with the outcome are shifted, up
    to half of all: a category to the level whose customers leave most, a number to the churners'
    end, where customers keep their order. Every cell is one that the table has, and a missing one
    stays missing. Each keeps the outcome of the customer drawn, which makes the old model wrong.

    Args:
        frame: the labelled table; it fits the schema.
        schema: its Table Schema with a target.
        rows: how many customers to draw.
        seed: which ones; another seed also gives other keys.

    Returns:
        The customers, shape (rows, columns of the table), and the names of the shifted features in
        the schema's order: none where no feature has room, or all customers left, or none did.

    """
    parsed = Schema(schema)
    drawn = _drawn(frame, rows, seed)
    made = _renamed(frame, drawn, parsed, seed)
    left = parsed.labels(frame[parsed.target])[0]
    rng = np.random.default_rng([seed, 1])  # not the one that has drawn the customers
    moves = {f.name: _move(f, frame[f.name], left, rng) for f in parsed.features}
    able = {name: move for name, move in moves.items() if move and move.room >= ROOM}
    ranked = sorted(able, key=lambda name: -able[name].association)
    chosen = ranked[: max(1, len(parsed.features) // 2)]
    for name in chosen:
        made[name] = frame[name].to_numpy()[able[name].taken(drawn, rng)]
    return made, tuple(name for name in parsed.feature_names if name in chosen)


@dataclass(frozen=True, slots=True)
class _Move:
    """What one feature's shift would be; rows are those of the table."""

    association: float
    """The feature's distance between churners and stayers, from 0 to 1."""
    room: float
    """Its distance between shifted customers and the table, as drift detection measures it."""
    rank: Floats
    """Shape (rows,): each customer's place in the feature's order, from 0 to 1; NaN if missing."""
    pool: Rows
    """The customers at the churners' end, in the feature's order."""

    def taken(self, drawn: Rows, rng: np.random.Generator) -> Rows:
        """For each customer drawn, the row whose cell it takes; shape of `drawn`."""
        place = self.rank[drawn]
        moving = ~np.isnan(place) & (rng.random(len(drawn)) < CONVERTED)
        taken = drawn.copy()
        taken[moving] = self.pool[(place[moving] * len(self.pool)).astype(np.int64)]
        return taken


def _move(
    feature: Feature, column: pd.Series, left: npt.NDArray[np.bool_], rng: np.random.Generator
) -> _Move | None:
    """Find out how far a feature could be shifted; None if it tells nothing of the outcome."""
    codes = np.array(feature.codes(column.tolist()), dtype=np.float64)
    order = np.lexsort((rng.random(len(codes)), codes))  # equal values in no order
    order = order[np.isfinite(codes[order])]
    if left[order].all() or not left[order].any():
        return None
    values, churned = codes[order], left[order]
    rank = np.full(len(codes), np.nan)
    rank[order] = np.arange(len(order)) / len(order)
    categorical = isinstance(feature, Categorical)
    if categorical:
        pool = order[values == _riskiest(values, churned, SUPPORT * len(codes))]
    else:
        size = max(1, round(TAIL * len(order)))
        pool = order[-size:] if np.nanmean(rank[left]) > 0.5 else order[:size]
    if not len(pool):
        return None
    moved = len(order) / len(codes) * CONVERTED
    return _Move(
        association=_distance(values[churned], values[~churned], categorical),
        room=moved * _distance(codes[pool], values, categorical),
        rank=rank,
        pool=pool,
    )


def _riskiest(values: Floats, churned: npt.NDArray[np.bool_], support: float) -> float:
    """Return the level whose customers leave most, of those that enough have; NaN if none is."""
    levels, level, sizes = np.unique(values, return_inverse=True, return_counts=True)
    rates = np.where(sizes >= support, np.bincount(level, weights=churned) / sizes, -1.0)
    return float(levels[rates.argmax()]) if rates.max() >= 0 else float("nan")


def _distance(a: Floats, b: Floats, categorical: bool) -> float:
    """Return the total variation of two samples of codes, or their Kolmogorov-Smirnov distance."""
    values, cell = np.unique(np.concatenate([a, b]), return_inverse=True)
    cells = len(values)
    gap = np.bincount(cell[: len(a)], minlength=cells) / len(a)
    gap -= np.bincount(cell[len(a) :], minlength=cells) / len(b)
    return float(np.abs(gap).sum() / 2 if categorical else np.abs(gap.cumsum()).max())


def _drawn(frame: pd.DataFrame, rows: int, seed: int) -> Rows:
    return np.random.default_rng(seed).integers(len(frame), size=rows)


def _renamed(frame: pd.DataFrame, drawn: Rows, schema: Schema, seed: int) -> pd.DataFrame:
    """Give each customer drawn a key of its own: the old one extended, or an unused integer."""
    made = frame.iloc[drawn].reset_index(drop=True)
    kinds = {field["name"]: field.get("type") for field in schema.document["fields"]}
    for name in schema.primary_key:
        if kinds[name] in ("integer", "number"):
            used = max((int(key) for key in frame[name] if key.isdecimal()), default=0)
            first = used + 1 + seed * KEYS_OF_A_SEED
            made[name] = [str(first + number) for number in range(len(made))]
        else:
            made[name] = [f"{key}-{seed}-{number}" for number, key in enumerate(made[name])]
    return made
