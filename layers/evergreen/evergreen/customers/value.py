"""What customers are worth, and what it costs to keep them, as a schema's target states it.

    "target": {"field": "Churn", "positive": "Yes",
               "value": {"worth": "CLTV", "offer": 10, "contact": 1, "acceptance": 0.3},
               "call_list": {"limit": 1000, "control": 0.1}, "reasons": 3}

Each amount is a number, or the name of a field that is a number; money is in one currency. Who is
contacted and would leave stays with the chance `acceptance`, and then is worth `worth` less the
offer; who would have stayed takes the offer all the same. So contacting a customer who leaves with
probability p brings

    p * acceptance * (worth - offer) - (1 - p) * offer - contact

which is nothing at the break-even probability (offer + contact) / (acceptance * (worth - offer) +
offer). Source: Verbraken, Verbeke & Baesens, A novel profit maximizing metric for measuring
classification performance of customer churn prediction models, IEEE TKDE 25(5), 2013.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from evergreen.customers.names import meant
from evergreen.errors import SchemaError

AMOUNTS = ("worth", "offer", "contact", "acceptance")

NEVER = 1.000001
"""The break-even probability of a customer who is not worth a contact, however sure they leave."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Value:
    """Amounts, each a number or the place of a feature that holds it."""

    worth: float | int
    """All of them: a float is the amount itself, an int the place of a feature."""
    offer: float | int
    contact: float | int
    acceptance: float | int

    @classmethod
    def parse(cls, stated: object, numbers: Mapping[str, int]) -> Self:
        """Read what a schema states.

        Args:
            stated: the object under `target.value`.
            numbers: the features that are numbers, each with its place.

        Raises:
            SchemaError: the message names the amount and what it may be.

        """
        if not isinstance(stated, dict):
            raise SchemaError(f"target.value must be an object with {', '.join(AMOUNTS)}")
        _check_names("target.value", stated, AMOUNTS)
        return cls(**{name: _amount(name, stated.get(name), numbers) for name in AMOUNTS})

    @property
    def fixed(self) -> bool:
        """Whether the amounts are the same for all customers."""
        return all(isinstance(getattr(self, name), float) for name in AMOUNTS)

    def amounts(self, matrix: npt.NDArray[np.float32], typical: Sequence[float]) -> "Amounts":
        """Return the amounts of customers; what is not known of one is as of a typical customer.

        Args:
            matrix: shape (rows, features).
            typical: shape (features,), NaN where it is not known of most.

        """

        def of(name: str) -> Floats:
            amount = getattr(self, name)
            if isinstance(amount, float):
                return np.full(len(matrix), amount)
            column = matrix[:, amount].astype(np.float64)
            usual = float(np.nan_to_num(typical[amount]))
            column[np.isnan(column)] = usual
            return np.clip(column, 0.0, 1.0 if name == "acceptance" else None)

        return Amounts(*map(of, AMOUNTS))


@dataclass(frozen=True, slots=True)
class Amounts:
    """What is at stake with each of some customers; all of shape (rows,)."""

    worth: Floats
    offer: Floats
    contact: Floats
    acceptance: Floats

    def expected(self, probabilities: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return what contacting each brings, by the probabilities of leaving, shape (rows,)."""
        stays = probabilities * self.acceptance * (self.worth - self.offer)
        return stays - (1.0 - probabilities) * self.offer - self.contact

    def break_even(self) -> Floats:
        """Return the probability from which contacting each pays, `NEVER` where none does."""
        won = self.acceptance * (self.worth - self.offer) + self.offer
        spent = self.offer + self.contact
        share = np.divide(spent, won, out=np.full_like(won, np.inf), where=won > 0)
        return np.minimum(share, NEVER)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a schema's target says of those who will talk to the customers."""

    value: Value | None = None
    """What is at stake; None where it is not stated, and there is no call list then."""
    limit: int = 1_000
    """The most customers of a call list."""
    control: float = 0.1
    """The share of them, chosen by chance, who are not to be contacted."""
    reasons: int = 0
    """So many reasons a scored file gives for each customer."""

    @classmethod
    def parse(cls, target: Mapping[str, Any], numbers: Mapping[str, int]) -> Self:
        """Read a schema's target, for `numbers` as `Value.parse`.

        Raises:
            SchemaError: the message names the property and what it may be.

        """
        _check_names("target", target, ("field", "positive", "value", "call_list", "reasons"))
        stated = target.get("call_list", {})
        if not isinstance(stated, dict):
            raise SchemaError("target.call_list must be an object with limit and control")
        _check_names("target.call_list", stated, ("limit", "control"))
        if stated and "value" not in target:
            raise SchemaError("target.call_list needs target.value, by which customers are chosen")
        return cls(
            value=Value.parse(target["value"], numbers) if "value" in target else None,
            limit=_whole("target.call_list.limit", stated.get("limit", 1_000), 1, 100_000),
            control=_share("target.call_list.control", stated.get("control", 0.1)),
            reasons=_whole("target.reasons", target.get("reasons", 0), 0, 10),
        )


def _check_names(where: str, stated: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in stated:
        if name not in known and not name.startswith("x-"):
            near = meant(name, known)
            advice = f"did you mean {near!r}?" if near else f"it may have {', '.join(known)}"
            raise SchemaError(f"{where} has {name!r}, which there is not; {advice}")


def _whole(where: str, stated: object, low: int, high: int) -> int:
    if isinstance(stated, int) and not isinstance(stated, bool) and low <= stated <= high:
        return stated
    raise SchemaError(f"{where} is {stated!r}, not a whole number from {low} to {high:,}")


def _share(where: str, stated: object) -> float:
    if isinstance(stated, int | float) and not isinstance(stated, bool) and 0 <= stated < 1:
        return float(stated)
    raise SchemaError(f"{where} is {stated!r}, not a number from 0 to below 1")


def _amount(name: str, stated: Any, numbers: Mapping[str, int]) -> float | int:
    whole = "from 0 to 1" if name == "acceptance" else "from 0 on"
    expected = f"a number {whole}, or the name of a field that is a number"
    if isinstance(stated, str):
        if stated in numbers:
            return numbers[stated]
        near = meant(stated, numbers)
        advice = f"; did you mean {near!r}?" if near else ""
        raise SchemaError(f"target.value: {name!r} names {stated!r}, not {expected}{advice}")
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        lacks = "lacks" if stated is None else f"has {stated!r} as"
        raise SchemaError(f"target.value {lacks} {name!r}: {expected}")
    if not 0 <= stated <= (1 if name == "acceptance" else float("inf")) or stated != stated:
        raise SchemaError(f"target.value: {name!r} is {stated!r}, not {expected}")
    return float(stated)
