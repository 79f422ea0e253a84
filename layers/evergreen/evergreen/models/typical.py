"""The typical customer, whom others are compared with where it is said why."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evergreen.customers.schema import Matrix, Schema

Row = npt.NDArray[np.float32]


def of(schema: Schema, matrix: Matrix) -> Row:
    """Return the typical one of some customers, as a row of the matrix, shape (features,).

    It has the median of each number and the most frequent level of each category; a feature that
    most of them lack it lacks as well.
    """

    def middle(column: npt.NDArray[np.float32], categorical: bool) -> float:
        known = np.sort(column[~np.isnan(column)])
        if 2 * len(known) <= len(column):
            return np.nan
        if not categorical:
            return float(known[len(known) // 2])  # a value that somebody has
        levels, counts = np.unique(known, return_counts=True)
        return float(levels[counts.argmax()])

    kinds = schema.categorical.tolist()
    return np.array([*map(middle, matrix.T, kinds)], np.float32)


def stored(row: Row) -> list[float | None]:
    """Return a row as metrics.json has it."""
    return [None if np.isnan(value) else float(value) for value in row]


def parse(values: Sequence[float | None]) -> Row:
    """Read a stored row."""
    return np.array(values, np.float32)  # None is NaN
