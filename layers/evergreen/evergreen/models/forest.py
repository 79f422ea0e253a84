"""Boosted trees as tables: many customers, answered several times faster than node by node.

The method is QuickScorer's (Lucchese et al., SIGIR 2015), for numpy. No tree has more than eight
leaves, so that one byte says in which of them a customer can still end. Each value of a feature
rules leaves out: it has a row with a byte for every tree. The rows of a customer's values are
combined by AND, and the one bit that is left of each byte is the leaf. Features of few values share
the rows of their combinations, and trees the sums of their leaves, two by two.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from evergreen.customers.features import UNSEEN
from evergreen.customers.schema import Matrix
from evergreen.models.artifact import FOREST
from evergreen.models.golden import Probabilities

LEAVES = 8
"""The most leaves that a tree can have."""

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]

_CHUNK = 2_000  # customers: what is known of them stays in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """A classifier on float32 matrices. Threads may share it."""

    levels: Floats
    """Shape (features, 1): how many levels a category has; 0 for a number."""
    edges: tuple[Floats, ...]
    """For each number the upper edges, included, of its bins: ascending, the last is infinity."""
    places: tuple[Places, ...]
    """For each feature what every bin or level, and last a missing or unseen one, adds to the place
    in `possible` of the customer's row; there is one row for each …"""
    groups: tuple[tuple[int, ...], ...]
    """… of these groups of features."""
    possible: Bytes
    """Shape (rows, trees), an even number of them: the leaves that are not ruled out, as bits."""
    leaves: Floats
    """Shape (trees / 2, 64): the sum of two trees' leaves, at `number` of one + 8 times that of
    the other. All sums of leaves are to be exact in float32, so that no order of adding up matters.
    """
    base: np.float32
    """The logit that the trees add to."""

    def probabilities(self, matrix: Matrix) -> Probabilities:
        """Return each customer's probability of leaving, shape (rows,), from (rows, features)."""
        answers = np.empty(len(matrix), np.float32)
        for start in range(0, len(matrix), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            answers[chunk] = logistic(self._logits(matrix[chunk]))
        return answers

    def _logits(self, matrix: Matrix) -> Floats:
        columns = np.ascontiguousarray(matrix.T)
        codes = np.fmin(columns, self.levels)  # which takes a number where the other is missing
        np.maximum(codes, UNSEEN, out=codes)
        levels = codes.astype(np.intp)
        rows = (self._row(group, columns, levels) for group in self.groups)
        possible = next(rows)
        for row in rows:
            possible &= row
        pairs = number(possible).view("<u2")  # of trees: a number in the low byte, one in the high
        pairs |= pairs >> np.uint16(5)
        pairs &= np.uint16(63)
        pairs += np.arange(0, self.leaves.size, 64, dtype=np.uint16)
        logits: Floats = np.einsum("ij->i", self.leaves.take(pairs, mode="clip"))
        logits += self.base
        return logits

    def _row(self, group: tuple[int, ...], columns: Floats, levels: Places) -> Bytes:
        """Return what the values of some features leave possible, shape (customers, trees)."""
        place = np.zeros(columns.shape[1], np.intp)
        for feature in group:
            edges, places = self.edges[feature], self.places[feature]
            bins = edges.searchsorted(columns[feature]) if len(edges) else levels[feature]
            place += places.take(bins, mode="wrap")  # unseen is -1: the last
        return self.possible.take(place, axis=0, mode="clip")

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self | None:
        """Read the tables among a version's files, if they are; raises as `parse` does."""
        return cls.parse(files[FOREST]) if FOREST in files else None

    def to_bytes(self) -> bytes:
        """Return the tables as they are stored."""
        out = io.BytesIO()
        np.savez_compressed(
            out,
            levels=self.levels,
            bins=np.array([len(edges) for edges in self.edges]),
            edges=np.concatenate(self.edges),
            places=np.concatenate(self.places),
            members=np.array([len(group) for group in self.groups]),
            groups=np.concatenate(self.groups),
            possible=self.possible,
            leaves=self.leaves,
            base=self.base,
        )
        return out.getvalue()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read stored tables; nothing in them is ever unpickled.

        Raises:
            ValueError, KeyError, OSError or zipfile.BadZipFile: these are none.

        """
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            levels, bins = stored["levels"], stored["bins"]
            values = bins + levels[:, 0].astype(np.intp) + 1  # of each feature, with a missing one
            groups = _parts(stored["groups"], stored["members"])
            return cls(
                levels=levels,
                edges=_parts(stored["edges"], bins),
                places=_parts(stored["places"], values),
                groups=tuple(tuple(group.tolist()) for group in groups),
                possible=stored["possible"],
                leaves=stored["leaves"],
                base=stored["base"][()],
            )


def _parts[Kind: np.generic](
    array: npt.NDArray[Kind], lengths: Places
) -> tuple[npt.NDArray[Kind], ...]:
    return tuple(np.split(array, lengths.cumsum())[:-1])


def number(leaf: Bytes) -> Bytes:
    """Return for each byte, of which one bit is set, a number from 0 to 7 that stands for that bit.

    It takes no search: the product with this constant has another value in its three highest bits
    for each (de Bruijn; Leiserson, Prokop & Randall, 1998).
    """
    numbers = leaf * np.uint8(29)
    numbers >>= np.uint8(5)
    return numbers


def logistic(logits: Floats) -> Probabilities:
    """Return 1 / (1 + exp(-logit)) as the serving runtime does, to the bit, on all but a few.

    It goes by float32, with the C library's `exp`, which is as good as rounded correctly.
    """
    one = np.float32(1)
    away = one / (one + np.exp(-np.abs(logits), dtype=np.float64).astype(np.float32))
    return np.where(logits < 0, one - away, away)
