"""Have the customers changed? Exact two-sample tests from counts that add up.

A baseline keeps the training sample, column by column, as sorted distinct values with their
counts. Current customers are only counted: into the cells below, at and between those values
(numeric), or into one cell for each code (categorical). Counts of any two pieces of a log add up
to the counts of both, so a log of any length is read object by object, on any number of machines,
in constant memory, and the tests are exact all the same:

* numeric: the Kolmogorov-Smirnov statistic. The baseline's distribution function is constant
  between its own values and the current one is monotone, so the largest distance lies at an edge
  of a cell. p-value: the asymptotic one of `scipy.stats.ks_2samp`.
* categorical: Pearson's χ² over the 2 x cells table; effect size: total variation distance.

A missing value is the lowest number, or a code of its own; a category that the schema does not
list is a code as well. The model's own probability is one more numeric column.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy import stats

from evergreen.customers.schema import Matrix

SCORE = "churn_probability"
"""The name of the column that holds the model's own answers."""

SAMPLE = 100_000
"""The most rows that a baseline keeps; beyond it a seeded random sample stands for all."""

Cells = npt.NDArray[np.int64]
Verdict = Literal["drift", "no_drift", "too_few_rows"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the training sample: sorted distinct values (float32) and their counts."""

    name: str
    categorical: bool
    values: npt.NDArray[np.float32]
    counts: Cells

    @classmethod
    def of(cls, name: str, categorical: bool, sample: npt.NDArray[np.float32]) -> Self:
        """Summarise a sample of shape (rows,)."""
        values, counts = np.unique(_ordered(sample), return_counts=True)
        return cls(name, categorical, values, counts.astype(np.int64))

    def count(self, sample: npt.NDArray[np.float32]) -> Cells:
        """Count a sample into this column's 2m + 1 cells: below u₁, at u₁, between u₁ and u₂, …"""
        sample, cells = _ordered(sample), 2 * len(self.values) + 1
        if len(sample) < cells:  # n look-ups in the baseline
            at = np.searchsorted(self.values, sample)
            hit = self.values[np.minimum(at, len(self.values) - 1)] == sample
            return np.bincount(2 * at + hit, minlength=cells)
        ordered = np.sort(sample)  # or 2m in the sample, whichever are fewer
        edges = np.empty(cells + 1, dtype=np.int64)
        edges[0], edges[-1] = 0, len(ordered)
        edges[1:-1:2] = np.searchsorted(ordered, self.values, side="left")
        edges[2:-1:2] = np.searchsorted(ordered, self.values, side="right")
        return np.diff(edges)

    def kolmogorov_smirnov(self, cells: Cells) -> tuple[float, float]:
        """Return the two-sample statistic D and its asymptotic p-value.

        Source: Hodges, The significance probability of the Smirnov two-sample test, 1958; the
        p-value is that of `scipy.stats.ks_2samp(method="asymp")`.
        """
        here, there = int(self.counts.sum()), int(cells.sum())
        reference = np.zeros_like(cells)
        reference[1::2] = self.counts
        gaps = np.cumsum(reference) / here - np.cumsum(cells) / there
        statistic = float(np.abs(gaps).max())
        rows = max(1.0, np.round(here * there / (here + there)))  # 0 for one row and one row
        return statistic, float(np.clip(stats.kstwo.sf(statistic, rows), 0, 1))

    def chi_squared(self, cells: Cells) -> tuple[float, float, float]:
        """Return Pearson's χ², its p-value, and the total variation distance."""
        table = np.zeros((2, len(cells)))
        table[0, 1::2], table[1] = self.counts, cells
        table = table[:, table.any(axis=0)]
        shares = table / table.sum(axis=1, keepdims=True)
        distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
        if table.shape[1] < 2:  # one and the same value everywhere
            return 0.0, 1.0, distance
        test = stats.chi2_contingency(table, correction=False)
        return float(test.statistic), float(test.pvalue), distance


@dataclass(frozen=True, slots=True)
class Baseline:
    """The training sample of a model version: a column for each feature and one for the score."""

    columns: tuple[Column, ...]

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        categorical: Sequence[bool],
        matrix: Matrix,
        scores: npt.NDArray[np.float32],
    ) -> Self:
        """Summarise customers, shape (rows, features), and scores of unseen ones, shape (any,)."""
        if len(matrix) > SAMPLE:
            matrix = matrix[np.random.default_rng(0).choice(len(matrix), SAMPLE, replace=False)]
        features = [
            Column.of(name, bool(kind), matrix[:, j])
            for j, (name, kind) in enumerate(zip(names, categorical, strict=True))
        ]
        return cls((*features, Column.of(SCORE, False, scores[:SAMPLE])))

    def count(self, matrix: Matrix, scores: npt.NDArray[np.float32]) -> "Counts":
        """Count current customers; `scores` are those that this very version gave, maybe fewer."""
        samples = [*matrix.T, scores]
        cells = [c.count(sample) for c, sample in zip(self.columns, samples, strict=True)]
        return Counts(len(matrix), tuple(cells))

    def to_bytes(self) -> bytes:
        """Return the baseline as it is stored."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "names": np.array([column.name for column in self.columns]),
            "categorical": np.array([column.categorical for column in self.columns]),
        }
        for index, column in enumerate(self.columns):
            arrays[f"values_{index}"], arrays[f"counts_{index}"] = column.values, column.counts
        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=False, **arrays)
        return out.getvalue()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a stored baseline."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(
                tuple(
                    Column(str(name), bool(kind), arrays[f"values_{i}"], arrays[f"counts_{i}"])
                    for i, (name, kind) in enumerate(
                        zip(arrays["names"], arrays["categorical"], strict=True)
                    )
                )
            )


@dataclass(frozen=True, slots=True)
class Counts:
    """How many current customers fell into each cell of each column of a baseline."""

    rows: int
    cells: tuple[Cells, ...]

    def __add__(self, other: "Counts") -> "Counts":
        """Put two pieces of a log together."""
        pairs = zip(self.cells, other.cells, strict=True)
        return Counts(self.rows + other.rows, tuple(a + b for a, b in pairs))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as drift."""

    alpha: float = 0.05
    """The false discovery rate over all columns."""
    effect_floor: float = 0.1
    """The smallest D or total variation that matters, however small the p-value."""
    share: float = 0.3
    """The share of the features, or of the model's importance, that makes it the population."""
    min_rows: int = 200
    """Below this many customers nothing is said."""


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """What was found for one column."""

    name: str
    test: Literal["ks", "chi2"]
    statistic: float
    p_value: float
    adjusted_p: float
    effect: float
    """D for a numeric column, total variation for a categorical one; both from 0 to 1."""
    importance: float
    """The feature's share of the model's permutation importance; 0 for the score."""
    drifted: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on the population, and how it came about."""

    verdict: Verdict
    rows: int
    drifted_share: float
    drifted_importance: float
    thresholds: Thresholds
    columns: tuple[ColumnDrift, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the columns that have drifted."""
        return tuple(column.name for column in self.columns if column.drifted)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as the JSON document that is stored."""
        return asdict(self)


def compare(
    baseline: Baseline, counts: Counts, importance: Mapping[str, float], thresholds: Thresholds
) -> Report:
    """Test every column and judge the population.

    Args:
        baseline: the training sample.
        counts: the current customers, counted by that baseline.
        importance: for each feature its share of the model's permutation importance.
        thresholds: what counts as drift.

    A column has drifted where its p-value, adjusted for the number of columns (Benjamini &
    Hochberg, 1995), is below alpha and its effect at least the floor.

    """
    if counts.rows < max(1, thresholds.min_rows):
        return Report("too_few_rows", counts.rows, 0.0, 0.0, thresholds, ())
    tested = [
        (column, *_test(column, cells))
        for column, cells in zip(baseline.columns, counts.cells, strict=True)
        if cells.sum()
        >= max(1, thresholds.min_rows)  # a new version may have scored only a few yet
    ]
    adjusted = stats.false_discovery_control([p_value for _, _, p_value, _ in tested])
    columns = tuple(
        ColumnDrift(
            name=column.name,
            test="chi2" if column.categorical else "ks",
            statistic=statistic,
            p_value=p_value,
            adjusted_p=float(q),
            effect=effect,
            importance=importance.get(column.name, 0.0),
            drifted=bool(q < thresholds.alpha and effect >= thresholds.effect_floor),
        )
        for (column, statistic, p_value, effect), q in zip(tested, adjusted, strict=True)
    )
    drifted = [column for column in columns if column.drifted and column.name != SCORE]
    share = len(drifted) / (len(baseline.columns) - 1)
    weight = sum(column.importance for column in drifted)
    verdict: Verdict = "drift" if max(share, weight) >= thresholds.share else "no_drift"
    return Report(verdict, counts.rows, share, weight, thresholds, columns)


def _test(column: Column, cells: Cells) -> tuple[float, float, float]:
    """Return a column's statistic, p-value and effect size."""
    if column.categorical:
        return column.chi_squared(cells)
    statistic, p_value = column.kolmogorov_smirnov(cells)
    return statistic, p_value, statistic


def _ordered(sample: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Make missing values comparable: lower than every number."""
    return np.where(np.isnan(sample), np.float32(-np.inf), sample)
