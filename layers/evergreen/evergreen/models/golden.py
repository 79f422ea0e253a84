"""Golden rows: customers with the probabilities that scikit-learn gave them, to be reproduced."""

import io
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from evergreen.customers.schema import Matrix
from evergreen.errors import ParityError

TOLERANCE = 1e-5
"""How far an exported model's probability may be from the one that scikit-learn gave."""

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows and what a faithful model answers."""

    matrix: Matrix
    """Shape (rows, features)."""
    probabilities: Probabilities
    """Shape (rows,): the probability of leaving."""

    def check(self, answered: Probabilities) -> None:
        """Compare a model's answers for `matrix`; raises ParityError beyond the tolerance."""
        worst = float(np.abs(answered - self.probabilities).max())
        if not worst <= TOLERANCE:
            raise ParityError(
                f"answers differ from scikit-learn's by {worst:.2g} (at most {TOLERANCE:g})"
            )

    def to_bytes(self) -> bytes:
        """Return the rows as they are stored."""
        out = io.BytesIO()
        np.savez_compressed(out, matrix=self.matrix, probabilities=self.probabilities)
        return out.getvalue()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read stored rows; nothing in them is ever unpickled."""
        with np.load(io.BytesIO(content), allow_pickle=False) as golden:
            return cls(golden["matrix"], golden["probabilities"])
