"""Customers made from a labelled table of any company: more of the same, or of another kind.

Tables are text, every cell as it stands in a CSV, and so is what is made of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from evergreen.features import Categorical
from evergreen.schema import Schema

CONVERTED = 0.95
"""The share of shifted customers who take a category's riskiest level."""
TAIL = 0.35
"""Shifted customers share the numbers of so many of all customers, at the churners' end."""
SUPPORT = 0.05
"""A level can be the riskiest if at least this share of all customers has it."""
ROOM = 0.4
"""A feature can be shifted if that moves its distribution by so much (Kolmogorov-Smirnov distance,
total variation): half of it is left where as many ordinary customers come."""
KEYS_OF_A_SEED = 1_000_000_000
"""How many integer keys each seed has for itself."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]


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
    return _renamed(frame.iloc[_drawn(frame, rows, seed)], Schema(schema), seed)


def shifted(
    frame: pd.DataFrame, schema: Mapping[str, Any], *, rows: int, seed: int
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Make the customers that `ordinary` draws look like those who leave, and behave as before.

    Of the features that have room to move, those most associated with the outcome are shifted, up
    to half of all: a category to the level whose customers leave most, a number to the numbers at
    the churners' end. Every cell is one that the table has, and a missing one stays missing. The
    outcome is that of the customer drawn, which is what proves the old model wrong.

    Args:
        frame: the labelled table; it fits the schema.
        schema: its Table Schema with a target.
        rows: how many customers to draw.
        seed: which ones; another seed also gives other keys.

    Returns:
        The customers, shape (rows, columns of the table), and the names of the shifted features in
        the schema's order: none where no feature has room, or everyone left, or nobody did.

    """
    parsed = Schema(schema)
    drawn = _drawn(frame, rows, seed)
    made = _renamed(frame.iloc[drawn], parsed, seed)
    left = (frame[parsed.target] == parsed.positive).to_numpy()
    rng = np.random.default_rng([seed, 1])
    moves: dict[str, _Move] = {}
    for feature in parsed.features:
        cells = frame[feature.name].to_numpy(dtype=object)
        codes = np.array(feature.codes(cells.tolist()), dtype=np.float64)
        known = np.flatnonzero(np.isfinite(codes))
        if left[known].all() or not left[known].any():
            continue
        move = _to_riskiest if isinstance(feature, Categorical) else _to_churners_end
        candidate = move(cells, codes, known, left, drawn, rng)
        if candidate.room >= ROOM:
            moves[feature.name] = candidate
    ranked = sorted(moves, key=lambda name: -moves[name].association)
    chosen = ranked[: max(1, len(parsed.features) // 2)]
    for name in chosen:
        made[name] = moves[name].cells
    return made, tuple(name for name in parsed.feature_names if name in chosen)


@dataclass(frozen=True, slots=True)
class _Move:
    """What would become of one feature."""

    association: float
    """Its distance between churners and stayers, from 0 to 1."""
    room: float
    """Its distance between the shifted customers and the table, as drift detection measures it."""
    cells: Texts
    """The feature of the shifted customers."""


def _to_riskiest(
    cells: Texts, codes: Floats, known: Rows, left: npt.NDArray[np.bool_], drawn: Rows,
    rng: np.random.Generator,
) -> _Move:
    ...
