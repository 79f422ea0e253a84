"""Some of the customers that a version was chosen for, row by row, for what no count can tell.

A baseline knows every feature by itself. How features go together, and how they are among the
customers of one level, is seen in rows: encoded ones, without keys and in no order.
"""

import io

import numpy as np

from evergreen.customers.schema import Matrix

MOST_ROWS = 5_000
MOST_VALUES = 1_000_000


def of(matrix: Matrix) -> Matrix:
    """Return a seeded random sample of customers, from shape (any, features)."""
    most = min(MOST_ROWS, MOST_VALUES // matrix.shape[1])
    return matrix[np.random.default_rng(0).permutation(len(matrix))[:most]]


def to_bytes(sample: Matrix) -> bytes:
    """Return a sample as it is stored."""
    out = io.BytesIO()
    np.savez_compressed(out, customers=sample.astype(np.float32, copy=False))
    return out.getvalue()


def parse(content: bytes) -> Matrix:
    """Read a stored sample; nothing in it is ever unpickled."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return np.asarray(arrays["customers"], np.float32)
