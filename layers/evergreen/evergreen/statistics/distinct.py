"""The latest row of everybody, in bounded memory, whatever the order that rows come in."""

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]
"""Structured rows, shape (rows,), with at least the fields of `KEY`."""

KEY: list[tuple[str, Any]] = [("identity", np.uint64), ("at", np.int64), ("id", "(2,)u8")]
"""Whose row it is, as a hash spread evenly over 64 bits; when it was made; what tells it apart."""

_WAITING = 32  # rows are gathered until they are this part of those that are kept at most


class Latest:
    """Of each identity the row that is latest by `at`; of two of them the higher by `id` and so on.

    Beyond so many identities it keeps those whose hash is below a threshold, which is halved until
    they are few enough: a random sample of identities, and the same one in whatever order the rows
    came (Gibbons, Distinct sampling for highly-accurate answers to distinct values queries, 2001).
    """

    def __init__(self, dtype: npt.DTypeLike, most: int) -> None:
        """Start with nobody.

        Args:
            dtype: of the rows: `KEY` and whatever else.
            most: how many identities are kept; few more rows are in memory.

        """
        self._most = most
        self._kept: Rows = np.empty(0, dtype=dtype)
        self._waiting: list[Rows] = []
        self.halvings = 0
        """How often the share of the identities that are kept was halved."""

    def add(self, rows: Rows, halvings: int = 0) -> None:
        """Take further rows: all there are, or what is left of them after so many halvings."""
        if halvings > self.halvings:
            self.halvings = halvings
            self._kept = self._kept[self._sampled(self._kept)]
        self._waiting.append(rows[self._sampled(rows)])
        if sum(map(len, self._waiting)) >= self._most / _WAITING:
            self._settle()

    @property
    def rows(self) -> Rows:
        """One row for each identity, in order of the identities; until there are further ones."""
        self._settle()
        return self._kept

    @property
    def share(self) -> float:
        """The share of all identities that are kept: 1, or that of a sample."""
        self._settle()
        return float(0.5**self.halvings)

    def _settle(self) -> None:
        if self._waiting:
            rows = np.concatenate(self._waiting)
            self._waiting.clear()
            self._merge(_latest(rows[self._sampled(rows)] if self.halvings else rows))
        while len(self._kept) > self._most:
            self.halvings += 1
            self._kept = self._kept[self._sampled(self._kept)]

    def _merge(self, rows: Rows) -> None:
        """Put rows among those that are kept; of either there is one of each identity, in order."""
        kept, own = self._kept["identity"].copy(), rows["identity"].copy()
        places = np.searchsorted(kept, own)
        there = np.searchsorted(kept, own, side="right") > places
        known = places[there]
        self._kept[known] = _latest(np.concatenate([self._kept[known], rows[there]]))
        if not there.all():
            self._kept = np.insert(self._kept, places[~there], rows[~there])

    def _sampled(self, rows: Rows) -> npt.NDArray[np.bool_]:
        return np.asarray(rows["identity"] <= np.uint64(2**64 - 1) >> np.uint64(self.halvings))


def _latest(rows: Rows) -> Rows:
    """Of rows in any order one of each identity, in order of the identities."""
    kept = np.argsort(rows["identity"])
    rest = rows.view((np.uint32, rows.itemsize // 4))
    for values in (rows["at"], rows["id"][:, 0], rows["id"][:, 1], *rest.T):
        first = _first(rows["identity"][kept])
        if len(first) == len(kept):
            return rows[kept]
        own = values[kept]
        most = np.maximum.reduceat(own, first)
        kept = kept[own == np.repeat(most, np.diff(first, append=len(kept)))]
    return rows[kept[_first(rows["identity"][kept])]]


def _first(ordered: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    """Where in an ordered array each value stands first."""
    new = np.ones(len(ordered), np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(new)
