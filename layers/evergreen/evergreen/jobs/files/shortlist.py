"""Customers who may come on a call list, and how the best of them are chosen."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from evergreen.customers.identity import Hashes, Mask
from evergreen.customers.schema import Matrix

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Some customers of a file, in its order or best first; arrays of shape (customers,)."""

    expected: Floats
    """What contacting each brings."""
    probabilities: Floats
    matrix: Matrix
    """Shape (customers, features)."""
    who: Hashes
    keyed: Mask
    """Who has a primary key: of those that are equal in it only one is chosen."""
    rows: list[bytes]
    """As they are given back."""

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def together(cls, several: Sequence[Self]) -> Self:
        """Put some behind the other."""
        arrays = [np.concatenate(each) for each in zip(*(c._arrays for c in several), strict=True)]
        return cls._of(arrays, [*chain.from_iterable(c.rows for c in several)])

    def best(self, limit: int) -> Self:
        """Return the best, each customer once; whoever comes first of those that are as good.

        What is chosen of the best of some and of the best of others is the best of them all.
        """
        order = np.argsort(-self.expected, kind="stable")
        wanted = ~self.keyed[order]
        wanted[np.unique(self.who[order], return_index=True)[1]] = True
        order = order[wanted][:limit]
        rows = [self.rows[place] for place in order.tolist()]
        return self._of([each[order] for each in self._arrays], rows)

    def to_bytes(self) -> bytes:
        """Return them as they are stored."""
        out = io.BytesIO()
        ends = np.cumsum([0, *map(len, self.rows)])
        text = np.frombuffer(b"".join(self.rows), np.uint8)
        np.savez_compressed(out, *self._arrays, ends, text)
        return out.getvalue()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read what was stored."""
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            *arrays, ends, text = (stored[name] for name in stored.files)
        rows = text.tobytes()
        return cls._of(arrays, [rows[start:end] for start, end in pairwise(ends.tolist())])

    @property
    def _arrays(self) -> list[npt.NDArray[Any]]:
        return [self.expected, self.probabilities, self.matrix, self.who, self.keyed]

    @classmethod
    def _of(cls, arrays: Sequence[npt.NDArray[Any]], rows: list[bytes]) -> Self:
        expected, probabilities, matrix, who, keyed = arrays
        return cls(expected, probabilities, matrix, who, keyed, rows)
