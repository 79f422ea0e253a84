"""The latest row of everybody, in bounded memory, whatever the order that rows come in."""

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]
"""Structured rows, shape (rows,), with at least the fields of `KEY`."""

KEY: list[tuple[str, Any]] = [("identity", np.uint64), ("at", np.int64), ("id", "U36")]
"""Whose row it is, as a hash spread evenly over 64 bits; when it was made; what tells it apart."""


class Latest:
    """Of each identity the row that is latest by `at` and, where two are, by `id`.

    Beyond so many identities it keeps those whose hash is below a threshold, which is halved until
    they are few enough: a random sample of identities, and the same one in whatever order the rows
    came (Gibbons, Distinct sampling for highly-accurate answers to distinct values queries, 2001).
    """

    def __init__(self, dtype: npt.DTypeLike, most: int) -> None:
        """Start with nobody.

        Args:
            dtype: of the rows: `KEY` and whatever else.
            most: how many identities are kept; up to twice as many rows are in memory.

        """
        self._most = most
        self._kept: Rows = np.empty(0, dtype=dtype)
        self._waiting: list[Rows] = []
        self._halvings = 0

    def add(self, rows: Rows) -> None:
        """Take further rows."""
        self._waiting.append(rows[self._sampled(rows)])
        if sum(map(len, self._waiting)) >= self._most:
            self._settle()

    @property
    def rows(self) -> Rows:
        """One row for each identity, in order of the identities."""
        self._settle()
        return self._kept

    @property
    def share(self) -> float:
        """The share of all identities that are kept: 1, or that of a sample."""
        self._settle()
        return float(0.5**self._halvings)

    def _settle(self) -> None:
        rows = np.concatenate([self._kept, *self._waiting])
        self._waiting.clear()
        rows = rows[np.lexsort((rows["id"], rows["at"], rows["identity"]))]
        last = np.ones(len(rows), dtype=np.bool_)
        last[:-1] = rows["identity"][1:] != rows["identity"][:-1]
        rows = rows[last]
        while len(rows) > self._most:
            self._halvings += 1
            rows = rows[self._sampled(rows)]
        self._kept = rows

    def _sampled(self, rows: Rows) -> npt.NDArray[np.bool_]:
        return np.asarray(rows["identity"] <= np.uint64(2**64 - 1) >> np.uint64(self._halvings))
