"""The labelled rows that a version knew: how the next training tells what is news to it."""

import io
from dataclasses import dataclass
from typing import Self

import numpy as np

from evergreen.customers.identity import Hashes, Mask
from evergreen.customers.schema import Schema


@dataclass(frozen=True, slots=True)
class Known:
    """The `contents` of every row of a version's history, outdated ones included."""

    schema: Schema
    """The version's own, by which it read them."""
    learned: Hashes
    """Sorted: the rows of customers that it may have learned from."""
    held_out: Hashes
    """Sorted: the rows of customers that were held out."""

    @classmethod
    def of(cls, schema: Schema, contents: Hashes, held_out: Mask) -> Self:
        """Note all rows of a history, both arrays of shape (rows,)."""
        return cls(schema, np.unique(contents[~held_out]), np.unique(contents[held_out]))

    @classmethod
    def nothing(cls, schema: Schema) -> Self:
        """Return what is known before there is a version."""
        return cls(schema, np.empty(0, np.uint64), np.empty(0, np.uint64))

    def to_bytes(self) -> bytes:
        """Return the hashes as they are stored."""
        out = io.BytesIO()
        np.savez(out, learned=self.learned, held_out=self.held_out)  # hashes can't be compressed
        return out.getvalue()

    @classmethod
    def parse(cls, content: bytes, schema: Schema) -> Self:
        """Read stored hashes, given the version's schema; nothing in them is ever unpickled."""
        with np.load(io.BytesIO(content), allow_pickle=False) as known:
            return cls(schema, known["learned"], known["held_out"])
