"""Outcomes in memory: so many at a time, in order, to be asked what became of a prediction.

Of several outcomes the one that was observed last holds and, of these, the one that was received
last. Where there are more of them than memory should hold they have turns. Whose turn an outcome
has follows from a hash of whom it tells of, so those that contradict each other have the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from evergreen.customers.identity import identities, keyless
from evergreen.customers.outcomes import Outcome
from evergreen.customers.schema import Schema
from evergreen.store.predictions_index import hashed
from evergreen.store.times import microseconds_of

MOST = 2_000_000
"""So many outcomes are in memory at a time."""

Times = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
Hashes = npt.NDArray[np.uint64]
Table = npt.NDArray[np.void]

TOLD: list[tuple[str, Any]] = [
    ("observed", np.int64),
    ("received", np.int64),
    ("churned", np.bool_),
]
"""What is known of a prediction, or of a customer; times are microseconds since 1970."""
NEVER = np.iinfo(np.int64).min
"""When that was observed which was not."""
_OUTCOME = np.dtype([("keyed", np.bool_), ("who", np.uint64), *TOLD])
_BITS = 16  # of a hash, by which turns are told at most

Read = Callable[[], Iterator[list[Outcome]]]


def nothing(count: int) -> Table:
    """Return what is known where no outcome has come, shape (count,)."""
    told = np.zeros(count, TOLD)
    told["observed"] = NEVER
    return told


def hold(told: Table, others: Table) -> None:
    """Let others hold where they do over what is told; both of the same shape, with `TOLD`."""
    sooner, same = told["observed"] < others["observed"], told["observed"] == others["observed"]
    sooner |= same & (told["received"] < others["received"])
    sooner |= same & (told["received"] == others["received"]) & others["churned"]
    for name, _ in TOLD:
        told[name] = np.where(sooner, others[name], told[name])


def latest(who: Hashes, times: Times, wanted: Hashes, until: Times) -> Places:
    """Find for each who is wanted the last place of theirs at a time up to `until`, else -1.

    Args:
        who: whose each place is, in order.
        times: of each place, in order for each of them.
        wanted: shape (wanted,).
        until: shape (wanted,).

    """
    start = np.searchsorted(who, wanted, side="left")
    low, high = start.copy(), np.searchsorted(who, wanted, side="right")
    while len(unsure := np.flatnonzero(low < high)):
        middle = (low[unsure] + high[unsure]) // 2
        early = times[middle] <= until[unsure]
        low[unsure] = np.where(early, middle + 1, low[unsure])
        high[unsure] = np.where(early, high[unsure], middle)
    return np.where(low > start, low - 1, -1)


def turns(read: Read, schema: Schema, most: int = MOST) -> Iterator["Outcomes"]:
    """Return all outcomes, so many at a time; `read` is asked for them anew each time."""
    bits, tables = 0, list[Table]()
    for some in read():
        tables.append(_turn(table_of(some, schema), bits, 0))
        while sum(map(len, tables)) > most and bits < _BITS:
            bits += 1
            tables = [_turn(table, bits, 0) for table in tables]
    yield Outcomes.of(tables)
    for number in range(1, 2**bits):
        yield Outcomes.of([_turn(table_of(some, schema), bits, number) for some in read()])


@dataclass(slots=True)
class Outcomes:
    """Outcomes, each once: what is told twice counts as it was received last."""

    by_id: Table
    """In order of `who`, a hash of the prediction's id, and then of when they were observed."""
    by_key: Table
    """Likewise; `who` is the customer's identity."""
    matched: list[Table] = field(default_factory=list)
    """Those of which a prediction was found, with it."""

    @classmethod
    def of(cls, tables: Sequence[Table]) -> Self:
        """Put outcomes in order."""
        table = np.concatenate([np.empty(0, _OUTCOME), *tables])
        names = ("received", "churned", "observed", "who", "keyed")
        table = table[np.lexsort([table[name] for name in names])]
        table = table[_last(table, ("churned", "observed", "who", "keyed"))]
        names = ("churned", "received", "observed", "who", "keyed")
        table = table[np.lexsort([table[name] for name in names])]
        first = int(np.searchsorted(table["keyed"], True))
        return cls(table[:first], table[first:])

    @property
    def received(self) -> int:
        """How many there are."""
        return len(self.by_id) + len(self.by_key)

    @property
    def contradictions(self) -> int:
        """How many pairs say the opposite of the same at the same time."""
        return sum(
            len(table) - int(_last(table, ("observed", "who")).sum())
            for table in (self.by_id, self.by_key)
        )

    def label(self, rows: Table, horizon: int) -> None:
        """Tell of predictions what became of them: those with `identity`, `at`, `id` and `TOLD`."""
        who, observed = self.by_key["who"], self.by_key["observed"]
        places = latest(who, observed, rows["identity"], rows["at"] + horizon)
        found = np.flatnonzero(places >= 0)
        found = found[observed[places[found]] > rows["at"][found]]
        self._tell(rows, found, self.by_key[places[found]])
        ever = np.full(len(rows), np.iinfo(np.int64).max)
        places = latest(self.by_id["who"], self.by_id["observed"], rows["id"], ever)
        found = np.flatnonzero(places >= 0)
        self._tell(rows, found, self.by_id[places[found]])

    @staticmethod
    def _tell(rows: Table, found: Places, told: Table) -> None:
        others = nothing(len(rows))
        for name, _ in TOLD:
            others[name][found] = told[name]
        hold(rows, others)


def table_of(outcomes: Sequence[Outcome], schema: Schema) -> Table:
    """Return outcomes in short, in their order."""
    table = np.empty(len(outcomes), _OUTCOME)
    table["keyed"] = ["key" in outcome for outcome in outcomes]
    table["who"] = [hashed(text_of(outcome)) for outcome in outcomes]
    table["observed"] = [microseconds_of(outcome["observed_at"]) for outcome in outcomes]
    table["received"] = [microseconds_of(outcome["received_at"]) for outcome in outcomes]
    table["churned"] = [outcome["churned"] for outcome in outcomes]
    keys = [outcome["key"] for outcome in outcomes if "key" in outcome]
    columns = {name: [key.get(name) for key in keys] for name in schema.primary_key}
    # who has no key by this schema is nobody's customer, not all others who have none
    named = ~keyless(schema, columns, len(keys))
    places = np.flatnonzero(table["keyed"])[named]
    table["who"][places] = identities(schema, columns, len(keys))[named]
    return table


def text_of(outcome: Outcome) -> str:
    """Return whom an outcome tells of, in words."""
    if "key" in outcome:
        return ", ".join(outcome["key"].values())
    return outcome["prediction_id"]


def _turn(table: Table, bits: int, number: int) -> Table:
    """Return the outcomes whose turn it is, of 2 ** bits turns."""
    if not bits:
        return table
    found: Table = table[table["who"] >> np.uint64(64 - bits) == number]
    return found


def _last(table: Table, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell which rows are the last before one of these fields changes."""
    changes = np.ones(len(table), np.bool_)
    changes[:-1] = np.any([table[name][1:] != table[name][:-1] for name in names], axis=0)
    return changes
