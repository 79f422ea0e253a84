"""Have the customers changed? One verdict from two tests of every feature.

Whether a value is missing is a question of its own, so a feature has two tests: the values that are
there (Kolmogorov-Smirnov for numbers, χ² for categories, a level that the schema does not list
being one more level), and the share that is missing. What the model answers is tested as well, but
by itself, and it decides nothing: its distribution follows the customers'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from evergreen.settings import Thresholds
from evergreen.statistics.baseline import Baseline, Column, Counts
from evergreen.statistics.two_sample import Cells, adjusted, homogeneity, smirnov, smirnov_p

Verdict = Literal["drift", "no_drift", "too_few_rows"]
Change = Literal["values", "missing"]


@dataclass(frozen=True, slots=True)
class Missing:
    """Whether a feature is missing more often than before, or less often."""

    before: float
    """The share of the customers, from 0 to 1; the effect is what `now` differs by."""
    now: float
    p_value: float
    adjusted_p: float


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """What was found for one column."""

    name: str
    test: Literal["ks", "chi2"]
    statistic: float
    p_value: float
    adjusted_p: float
    effect: float
    """D for a number, total variation for a category, of the values that are there; from 0 to 1."""
    missing: Missing | None
    """None where it is never missing, before or now."""
    importance: float
    """The feature's share of the model's permutation importance; 0 for the score."""
    drifted_in: tuple[Change, ...]
    """What has changed: its values, how often it is missing, or both."""
    drifted: bool
    """Whether anything has."""


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on the population, and how it came about."""

    verdict: Verdict
    customers: int
    drifted_share: float | None
    """The share of the features that have drifted; None where there were too few customers."""
    drifted_importance: float | None
    """The share of the model's importance that they carry."""
    thresholds: Thresholds
    columns: tuple[ColumnDrift, ...]
    """The features that enough customers are known by."""
    score: ColumnDrift | None
    """The model's own answers; None where too few of them are its own."""

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the features that have drifted."""
        return tuple(column.name for column in self.columns if column.drifted)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a JSON document."""
        return asdict(self)


def judge(
    baseline: Baseline, counts: Counts, importance: Mapping[str, float], thresholds: Thresholds
) -> Report:
    """Test every column and judge the population.

    Args:
        baseline: the customers that the model was chosen for.
        counts: the current customers, each once, counted by that baseline.
        importance: for each feature its share of the model's permutation importance.
        thresholds: what counts as drift.

    A feature has drifted where the p-value of one of its tests, adjusted for the number of tests
    (Benjamini & Hochberg, 1995), is below alpha and the effect at least the floor. The population
    has where the features that have are a large enough share of all, or of the importance.

    """
    enough = max(1, thresholds.min_rows)
    if counts.customers < enough:
        return Report("too_few_rows", counts.customers, None, None, thresholds, (), None)
    features = zip(baseline.features, counts.features, strict=True)
    columns = _test(
        [(column, cells) for column, cells in features if cells.sum() >= enough],
        importance,
        thresholds,
    )
    own_answers = counts.score.sum() >= enough  # a new version may have given only a few yet
    score = _test([(baseline.score, counts.score)], {}, thresholds)[0] if own_answers else None
    drifted = [column for column in columns if column.drifted]
    share = len(drifted) / len(baseline.features)
    weight = sum(column.importance for column in drifted)
    changed = bool(drifted) and max(share, weight) >= thresholds.share
    verdict: Verdict = "drift" if changed else "no_drift"
    return Report(verdict, counts.customers, share, weight, thresholds, columns, score)


def effects(baseline: Baseline, before: Counts, now: Counts, min_rows: int) -> dict[str, float]:
    """How far apart two populations are, column by column, as both were counted by a baseline.

    D is taken at the baseline's own values: there it is exact, between them nobody knows it. What
    fewer than so many customers of either population are known by is left out.
    """
    enough = max(1, min_rows)
    columns = (*baseline.features, baseline.score)
    pairs = zip((*before.features, before.score), (*now.features, now.score), strict=True)
    found: dict[str, float] = {}
    for column, (here, there) in zip(columns, pairs, strict=True):
        if min(here.sum(), there.sum()) < enough:
            continue
        table = np.stack([here, there])[:, :-1]
        distance = homogeneity(table)[2] if column.categorical else smirnov(*table)
        found[column.name] = float(distance)
    return found


def _test(
    columns: Sequence[tuple[Column, Cells]], importance: Mapping[str, float], limits: Thresholds
) -> tuple[ColumnDrift, ...]:
    """Test columns as one family: the values of all of them, and then what is missing of each."""
    pairs = [np.stack([column.cells, now]) for column, now in columns]
    missing = np.array([pair[:, -1] for pair in pairs]).reshape(-1, 2)
    present = np.array([pair[:, :-1].sum(axis=1) for pair in pairs]).reshape(-1, 2)
    shares = missing / np.maximum(missing + present, 1)
    lacking = missing.any(axis=1)

    # all tables of the check in one call; that of a number is empty and filled in below
    values = [p[:, : -1 if c.categorical else 0] for (c, _), p in zip(columns, pairs, strict=True)]
    statistic, p_value, effect = homogeneity(
        _padded([*values, *np.stack([missing, present], axis=2)])
    )
    numbers = [i for i, (column, _) in enumerate(columns) if not column.categorical]
    statistic[numbers] = effect[numbers] = [smirnov(*pairs[i][:, :-1]) for i in numbers]
    p_value[numbers] = smirnov_p(statistic[numbers], *present[numbers].T)
    effect[len(pairs) :] = np.abs(shares[:, 1] - shares[:, 0])

    family = np.concatenate([np.ones_like(lacking), lacking])
    rate = np.ones_like(p_value)
    rate[family] = adjusted(p_value[family])
    drifted = family & (rate < limits.alpha) & (effect >= limits.effect_floor)

    def found(i: int, column: Column) -> ColumnDrift:
        j = len(columns) + i
        before, now = shares[i].tolist()
        of_missing = Missing(before, now, float(p_value[j]), float(rate[j]))
        changes: tuple[tuple[Change, Any], ...] = (("values", drifted[i]), ("missing", drifted[j]))
        return ColumnDrift(
            name=column.name,
            test="chi2" if column.categorical else "ks",
            statistic=float(statistic[i]),
            p_value=float(p_value[i]),
            adjusted_p=float(rate[i]),
            effect=float(effect[i]),
            missing=of_missing if lacking[i] else None,
            importance=importance.get(column.name, 0.0),
            drifted_in=tuple(change for change, seen in changes if seen),
            drifted=bool(drifted[i] or drifted[j]),
        )

    return tuple(found(i, column) for i, (column, _) in enumerate(columns))


def _padded(tables: Sequence[Cells]) -> Cells:
    """Put tables of different widths into one array; a level that never occurs changes nothing."""
    width = max((table.shape[1] for table in tables), default=0)
    padded = np.zeros((len(tables), 2, width), dtype=np.int64)
    for place, table in zip(padded, tables, strict=True):
        place[:, : table.shape[1]] = table
    return padded
