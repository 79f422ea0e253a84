"""A sample of customers, kept so that any others can be counted into it.

Column by column it is the sorted distinct values with their counts. Current customers are only
counted: into the cells below, at and between those values. The counts of two pieces of a log add
up to those of both, and a test on them is exact all the same: a baseline's distribution function
is constant between its own values and the current one is monotone, so the largest distance of the
two lies at an edge of a cell.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from evergreen.customers.levels import UNSEEN
from evergreen.customers.schema import Matrix
from evergreen.statistics.tally import tally
from evergreen.statistics.two_sample import Cells, smirnov, smirnov_p

SCORE = "churn_probability"
"""What a report calls the model's own answers."""

SAMPLE = 100_000
"""The most rows that a baseline keeps; beyond it a seeded random sample stands for all."""

_AT_ONCE = 256

Known = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a sample: how often each value occurs, and how often it is missing."""

    name: str
    categorical: bool
    values: npt.NDArray[np.float32]
    """Shape (values,): sorted, each once, none of them NaN; of a category the code of unseen levels
    is always among them."""
    counts: Cells
    """Shape (values,)."""
    missing: int

    @classmethod
    def of(cls, name: str, categorical: bool, sample: npt.NDArray[np.floating[Any]]) -> Self:
        """Summarise a sample of shape (rows,), NaN where a value is missing."""
        present = _present(sample)
        values, counts = np.unique(present, return_counts=True)
        missing = len(sample) - len(present)
        column = cls(name, categorical, values, counts.astype(np.int64), missing)
        return column.with_unseen() if categorical else column

    def with_unseen(self) -> Self:
        """Give what the schema does not list a cell of its own, also where nobody has it here."""
        if UNSEEN in self.values:
            return self
        values = np.insert(self.values, 0, np.float32(UNSEEN))
        return replace(self, values=values, counts=np.insert(self.counts, 0, 0))

    @property
    def cells(self) -> Cells:
        """The sample itself, counted as `count` counts another one."""
        cells = np.zeros(2 * len(self.values) + 2, dtype=np.int64)
        cells[1:-2:2], cells[-1] = self.counts, self.missing
        return cells

    def count(self, sample: npt.NDArray[np.floating[Any]]) -> Cells:
        """Count a sample into 2m + 2 cells: below u₁, at u₁, between, …, above uₘ; and missing."""
        present = _present(sample)
        return np.append(tally(self.values, present), len(sample) - len(present))

    def kolmogorov_smirnov(self, cells: Cells) -> tuple[float, float]:
        """Return D of the values that are there, and its asymptotic p-value."""
        before, now = self.cells[:-1], cells[:-1]
        statistic = smirnov(before, now)
        return float(statistic), float(smirnov_p(statistic, before.sum(), now.sum()))


@dataclass(frozen=True, slots=True)
class Baseline:
    """The customers that a model version was chosen for, and what it answers to such ones."""

    features: tuple[Column, ...]
    score: Column

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        categorical: Sequence[bool],
        matrix: Matrix,
        scores: npt.NDArray[np.floating[Any]],
    ) -> Self:
        """Summarise customers.

        Args:
            names: the features', in the order of the matrix.
            categorical: for each of them whether it is a category.
            matrix: shape (rows, features).
            scores: shape (any,): answers, as the predictor gives them, to customers that the
                model has not learned from.

        """
        rng = np.random.default_rng(0)
        matrix, scores = _sampled(rng, matrix), _sampled(rng, scores)
        features = tuple(
            Column.of(name, bool(kind), matrix[:, j])
            for j, (name, kind) in enumerate(zip(names, categorical, strict=True))
        )
        return cls(features, Column.of(SCORE, False, scores))

    def count(
        self, matrix: Matrix, scores: npt.NDArray[np.floating[Any]], known: Known | None = None
    ) -> "Counts":
        """Count current customers.

        Args:
            matrix: shape (rows, features).
            scores: the answers that this very version gave, shape (any,).
            known: shape (rows, features): False where the model that was asked did not know the
                feature, so that nobody can say whether it is missing; by default it knew all.

        """
        samples = list(_by_column(matrix))
        if known is not None and not known.all():
            samples = [sample[rows] for sample, rows in zip(samples, known.T, strict=True)]
        cells = [c.count(sample) for c, sample in zip(self.features, samples, strict=True)]
        return Counts(len(matrix), tuple(cells), self.score.count(scores))

    def to_bytes(self) -> bytes:
        """Return the baseline as it is stored."""
        columns = (*self.features, self.score)
        arrays: dict[str, npt.NDArray[Any]] = {
            "names": np.array([column.name for column in self.features]),
            "categorical": np.array([column.categorical for column in self.features]),
            "missing": np.array([column.missing for column in columns]),
        }
        for index, column in enumerate(columns):
            arrays[f"values_{index}"], arrays[f"counts_{index}"] = column.values, column.counts
        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=False, **arrays)
        return out.getvalue()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a stored baseline."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            names = [*map(str, arrays["names"]), SCORE]
            kinds = [*map(bool, arrays["categorical"]), False]
            *features, score = (
                Column(name, kind, arrays[f"values_{i}"], arrays[f"counts_{i}"], int(missing))
                for i, (name, kind, missing) in enumerate(
                    zip(names, kinds, arrays["missing"], strict=True)
                )
            )
        return cls(tuple(c.with_unseen() if c.categorical else c for c in features), score)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many current customers fell into each cell of each column of a baseline."""

    customers: int
    features: tuple[Cells, ...]
    score: Cells

    def __add__(self, other: "Counts") -> "Counts":
        """Put two pieces of a log together."""
        pairs = zip(self.features, other.features, strict=True)
        return Counts(
            self.customers + other.customers,
            tuple(a + b for a, b in pairs),
            self.score + other.score,
        )

    def to_bytes(self) -> bytes:
        """Return the counts as they are stored; only their baseline can read them."""
        columns = (*self.features, self.score)
        out = io.BytesIO()
        np.savez_compressed(
            out,
            allow_pickle=False,
            customers=np.array(self.customers),
            sizes=np.array([len(cells) for cells in columns]),
            cells=np.concatenate(columns),
        )
        return out.getvalue()

    @classmethod
    def parse(cls, content: bytes, baseline: Baseline) -> Self:
        """Read stored counts; raises ValueError where another baseline's cells were counted."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            customers, sizes, cells = (arrays[name] for name in ("customers", "sizes", "cells"))
        if sizes.tolist() != [2 * len(c.values) + 2 for c in (*baseline.features, baseline.score)]:
            raise ValueError("these counts are of another baseline")
        *features, score = np.split(cells, sizes.cumsum()[:-1])
        return cls(int(customers), tuple(features), score)


def _by_column(matrix: Matrix) -> Matrix:
    """Copy a matrix column by column, so many rows at a time as a core's cache holds."""
    columns = np.empty(matrix.shape[::-1], dtype=matrix.dtype)
    for first in range(0, len(matrix), _AT_ONCE):
        columns[:, first : first + _AT_ONCE] = matrix[first : first + _AT_ONCE].T
    return columns


def _present(sample: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    missing = np.isnan(sample.min(initial=np.inf))  # where one is, nothing is the least
    present = sample[~np.isnan(sample)] if missing else sample
    return np.ascontiguousarray(present, dtype=np.float32)


def _sampled[T: npt.NDArray[Any]](rng: np.random.Generator, rows: T) -> T:
    if len(rows) <= SAMPLE:
        return rows
    return rows[rng.choice(len(rows), SAMPLE, replace=False)]  # type: ignore[return-value]
