"""The customers of a file who are worth contacting: the best of them, however many there are.

Where a schema states what customers and offers are worth, contacting one has an expected value, and
those above nothing are worth it. The list has each customer once, best first; of two with the same
value the one who comes first in the file.

A random share, the control group, is not to be contacted, so that what the others did can be
compared with it. Who is in it follows from the customer and the quarter of the year alone: a
customer is on the same side in next week's list, and in those of other files, and the group is
drawn anew from quarter to quarter. (In a shorter time the effect of a contact would not show
before its control group is called as well.)
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import chain, repeat
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from evergreen.customers.identity import Hashes, Mask, combined
from evergreen.customers.schema import Matrix
from evergreen.customers.value import Value
from evergreen.jobs.answering.explaining import Explanation, explain
from evergreen.jobs.files.answers import millionths, printed
from evergreen.jobs.files.shortlist import Shortlist
from evergreen.models.model import Model
from evergreen.statistics.worth import worth

MEANING = (
    "expected_value is what contacting those to contact brings, if the probabilities and the"
    " amounts of the schema are right; by chance alone it is from low to high in 95 of 100 such"
    " campaigns; if the probabilities are a percentage point too high, it is per_point less"
)

_TOGETHER = 5_000  # customers who are explained at once

Identify = Callable[[npt.NDArray[np.intp]], tuple[Hashes, Mask]]
"""Says who the customers in some places are, and which of them have a key of their own."""


class Call(NamedTuple):
    """A customer of the list."""

    row: bytes
    """As it was added."""
    probability: str
    expected: float
    reason: str
    """What raises the risk most; where nothing does, what changes it most, if anything."""
    contact: bool


@dataclass(slots=True)
class CallList:
    """Takes the customers of a file, batch by batch, and keeps the best."""

    model: Model
    value: Value
    quarter: str
    """In which they are scored, such as 2026Q1."""
    _pending: list[Shortlist]
    _least: float = 0.0
    """Who brings no more is not listed."""

    @classmethod
    def of(cls, model: Model, predicted_at: str) -> Self | None:
        """Begin a list; None where the schema does not state what is at stake."""
        value = model.schema.campaign.value
        if value is None:
            return None
        at = datetime.fromisoformat(predicted_at)
        return cls(model, value, f"{at.year}Q{(at.month + 2) // 3}", [])

    def add(
        self,
        expected: npt.NDArray[np.float64],
        probabilities: npt.NDArray[np.float64],
        matrix: Matrix,
        rows: list[bytes],
        identify: Identify,
    ) -> None:
        """Take more customers, in the order of the file; `identify` is asked of few of them."""
        places = np.flatnonzero(expected > self._least)
        if len(places):
            who, keyed = identify(places)
            some = [rows[place] for place in places.tolist()]
            self._push(
                Shortlist(expected[places], probabilities[places], matrix[places], who, keyed, some)
            )

    def merge(self, listed: bytes) -> None:
        """Take the list of the next part of the file, from `to_bytes`."""
        self._push(Shortlist.parse(listed))

    def to_bytes(self) -> bytes:
        """Return the list for `merge`; empty where nobody is on it."""
        chosen = self._chosen()
        return chosen.to_bytes() if chosen else b""

    def calls(self) -> Iterator[Call]:
        """Return the list, best first."""
        chosen = self._chosen()
        if chosen:
            yield from self._listed(chosen, self._why(chosen.matrix))

    def members(self) -> Iterator[tuple[int, Call]]:
        """Return the list with the identity of each, and without reasons, which take their time."""
        chosen = self._chosen()
        if chosen:
            unexplained = repeat("")
            yield from zip(chosen.who.tolist(), self._listed(chosen, unexplained), strict=True)

    def told(self) -> dict[str, Any]:
        """Say how many are on the list, what it is worth, and how sure that is."""
        chosen = self._chosen()
        listed = {"customers": 0, "to_contact": 0, "control": 0, "quarter": self.quarter}
        if not chosen:
            return listed
        contact = self._contacted(chosen)
        amounts = self.value.amounts(chosen.matrix[contact], self.model.typical.tolist())
        found = worth(chosen.probabilities[contact], amounts)
        size, called = len(contact), int(contact.sum())
        return {
            **listed,
            **{"customers": size, "to_contact": called, "control": size - called},
            "expected_value": round(found.expected, 2),
            "low": round(found.low, 2),
            "high": round(found.high, 2),
            "per_point": round(found.per_point, 2),
            "meaning": MEANING,
        }

    def _listed(self, chosen: Shortlist, why: Iterable[str]) -> Iterator[Call]:
        contact = self._contacted(chosen).tolist()
        said = map(printed, millionths(chosen.probabilities))
        told = zip(chosen.rows, said, chosen.expected.tolist(), why, contact, strict=False)
        return map(Call._make, told)

    def _push(self, more: Shortlist) -> None:
        """Keep more; they are sorted once there are as many as may be listed."""
        self._pending.append(more)
        limit = self.model.schema.campaign.limit
        if sum(map(len, self._pending[1:])) >= limit:
            chosen = self._chosen()
            if chosen and len(chosen) == limit:
                self._least = float(chosen.expected[-1])

    def _chosen(self) -> Shortlist | None:
        """Return the best so far, which is all that is kept of them."""
        if self._pending:
            best = Shortlist.together(self._pending).best(self.model.schema.campaign.limit)
            self._pending = [best]
            return best
        return None

    def _contacted(self, chosen: Shortlist) -> Mask:
        """Say who is not in the control group, shape (customers,)."""
        quarter = blake2b(self.quarter.encode(), digest_size=8).digest()
        drawn = combined(chosen.who, np.frombuffer(quarter, "<u8").astype(np.uint64))
        found: Mask = drawn / 2.0**64 >= self.model.schema.campaign.control
        return found

    def _why(self, matrix: Matrix) -> Iterator[str]:
        for start in range(0, len(matrix), _TOGETHER):
            some = matrix[start : start + _TOGETHER]
            yield from map(_reason, explain(self.model, some, strongest=matrix.shape[1]))


def _reason(explanation: Explanation) -> str:
    raising = (reason.sentence for reason in explanation.reasons if reason.change > 0)
    strongest = (reason.sentence for reason in explanation.reasons)
    return next(chain(raising, strongest), "")
