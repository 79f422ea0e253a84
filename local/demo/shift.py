"""Customers made from a labelled table of any company: more of the same, or of another kind."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evergreen.features import Categorical, Numeric
from evergreen.schema import Schema

CONVERTED = 0.9
"""The share of shifted customers who take a feature's riskiest level."""


def ordinary(
    frame: pd.DataFrame, schema: Mapping[str, Any], *, rows: int, seed: int
) -> pd.DataFrame:
    """Draw customers with replacement, and give each a primary key of its own."""
    drawn = frame.sample(rows, replace=True, random_state=seed).reset_index(drop=True)
    for name in Schema(schema).primary_key:
        drawn[name] = [f"{key}-{seed}-{n}" for n, key in enumerate(drawn[name])]
    return drawn


def shifted(
    frame: pd.DataFrame, schema: Mapping[str, Any], *, rows: int, seed: int
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Draw customers, and make them look like those who leave in half of their features."""
    parsed = Schema(schema)
    rng = np.random.default_rng(seed)
    drawn = ordinary(frame, schema, rows=rows, seed=seed)
    left = (frame[parsed.target] == parsed.positive).to_numpy()
    strength: dict[str, float] = {}
    moved: dict[str, pd.Series] = {}
    for feature in parsed.features:
        column = frame[feature.name]
        if isinstance(feature, Categorical):
            rates = pd.Series(left).groupby(column.to_numpy()).agg(["mean", "size"])
            rates = rates[(rates["size"] >= 0.05 * len(frame)) & ~rates.index.isin(parsed.missing)]
            if len(rates) < 2:
                continue
            level = rates["mean"].idxmax()
            if (column == level).mean() > 0.5:
                continue
            strength[feature.name] = float(rates["mean"].max() - rates["mean"].min())
            chosen = rng.random(rows) < CONVERTED
            moved[feature.name] = drawn[feature.name].mask(chosen, level)
        else:
            moved_column, gap = _moved(feature, column, drawn[feature.name], left, parsed.missing)
            if moved_column is not None:
                strength[feature.name], moved[feature.name] = gap, moved_column
    ranked = sorted(strength, key=lambda name: -strength[name])
    chosen_names = ranked[: max(1, len(parsed.features) // 2)]
    for name in chosen_names:
        drawn[name] = moved[name]
    return drawn, tuple(n for n in parsed.feature_names if n in chosen_names)


def _moved(
    feature: Numeric, column: pd.Series, drawn: pd.Series, left: Any, missing: Any
) -> tuple[pd.Series | None, float]:
    known = pd.to_numeric(column.mask(column.isin(missing)))
    if known.nunique() < 3:
        return None, 0.0
    gap = float((known[left].mean() - known[~left].mean()) / (known.std() or 1.0))
    target = known.quantile(0.95 if gap > 0 else 0.05)
    values = pd.to_numeric(drawn.mask(drawn.isin(missing))).to_numpy(dtype=np.float64)
    values = np.clip(0.2 * values + 0.8 * float(target), feature.low, feature.high)
    digits = 0 if feature.integer else 2
    text = pd.Series([f"{value:.{digits}f}" for value in values], index=drawn.index)
    return text.mask(np.isnan(values), drawn), abs(gap)
