"""Predictions and what became of them: outcomes joined with the index of the inference log.

An outcome by key tells of all predictions of its customer that were made before it and at most a
horizon before, one by prediction id of that prediction. The days of the index are read one after
the other, the latest first, and not further back than the outcomes reach; where outcomes have turns
(see `told`), once for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from evergreen.customers.schema import Schema
from evergreen.jobs.outcomes.told import (
    MOST,
    NEVER,
    TOLD,
    Outcomes,
    Places,
    Read,
    Table,
    latest,
    table_of,
    text_of,
    turns,
)
from evergreen.statistics.distinct import KEY, Latest
from evergreen.store.predictions_index import Day, PredictionsIndex
from evergreen.store.times import DAY

CUSTOMERS = 100_000
"""So many customers of a version and week are looked at; beyond, a random sample of them."""
SHOWN = 5
"""So many outcomes without a prediction are named."""

_CUSTOMER = [("identity", np.uint64), ("at", np.int64), ("id", np.uint64), ("score", np.float64)]

Mask = npt.NDArray[np.bool_]

MATCHED = np.dtype(
    [("identity", np.uint64), *TOLD, ("at", np.int64), ("object", np.uint32), ("line", np.uint32)]
)
"""An outcome with the latest prediction that it tells of."""


class Taker(Protocol):
    """Who wants to know of customers' outcomes."""

    def take(self, matched: Table) -> None:
        """Take the outcomes of a turn, of the type `MATCHED`, in no order."""


@dataclass(slots=True)
class Joined:
    """What became of predictions."""

    received: int = 0
    matched: int = 0
    contradictions: int = 0
    unmatched: list[str] = field(default_factory=list)
    """The ids or keys of a few that tell of no prediction."""
    weeks: dict[tuple[str, int], Table] = field(default_factory=dict)
    """By model version and the number of the week's first day: each customer once, by the latest
    prediction, as rows with `identity`, `at`, `id`, `score`, `amounts` and `TOLD`."""


@dataclass(frozen=True, slots=True)
class Join:
    """Which predictions and outcomes are joined."""

    index: PredictionsIndex
    schema: Schema
    horizon: int
    """In microseconds."""
    first: int
    """The number of the first day of the weeks; a Monday."""
    last: int
    """The number of the last day."""

    def run(self, read: Read, takers: Sequence[Taker] = (), most: int = MOST) -> Joined:
        """Join what `read` tells with the predictions; takers are told of all that match."""
        joined, strangers = Joined(), dict[tuple[bool, int], None]()
        for number, outcomes in enumerate(turns(read, self.schema, most)):
            lost = self._match(outcomes, joined.weeks if number == 0 else None)
            for rows in joined.weeks.values():
                outcomes.label(rows, self.horizon)
            matched = np.concatenate([np.empty(0, MATCHED), *outcomes.matched])
            joined.matched += len(matched)
            for taker in takers:
                taker.take(matched)
            joined.received += outcomes.received
            joined.contradictions += outcomes.contradictions
            strangers |= dict.fromkeys(lost)
        if strangers:
            joined.unmatched = self._named(read, set(sorted(strangers)[:SHOWN]))
        return joined

    def _match(
        self, outcomes: Outcomes, weeks: dict[tuple[str, int], Table] | None
    ) -> list[tuple[bool, int]]:
        """Find the predictions of outcomes, and gather those of the weeks where they are wanted.

        Returns:
            Of whom some tell of whom there is no prediction.

        """
        by_id, by_key = outcomes.by_id, outcomes.by_key
        open_ids, open_keys = np.arange(len(by_id)), np.arange(len(by_key))
        current = dict[tuple[str, int], Latest]()
        reach = self.first - 1 - self.horizon // DAY
        start = self.last + 1
        for day in self.index.days(reach, self.last):
            if day.number < self.first and not len(open_ids) and not len(open_keys):
                break
            if weeks is not None and day.number >= self.first:
                if day.number < start:
                    _settle(current, weeks)
                    start = monday(day.number)
                self._gather(day, current)
            open_ids = self._match_ids(outcomes, day, open_ids)
            open_keys = self._match_keys(outcomes, day, open_keys)
        if weeks is not None:
            _settle(current, weeks)
        lost = [(False, who) for who in np.unique(by_id["who"][open_ids])[:SHOWN].tolist()]
        return lost + [(True, who) for who in np.unique(by_key["who"][open_keys])[:SHOWN].tolist()]

    def _match_ids(self, outcomes: Outcomes, day: Day, open_: Places) -> Places:
        if not len(open_) or not len(day.rows):
            return open_
        wanted = outcomes.by_id["who"][open_]
        order = np.argsort(day.rows["id"])
        ids = day.rows["id"][order]
        places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        found: Mask = ids[places] == wanted
        outcomes.matched.append(
            _matched(outcomes.by_id[open_[found]], day.rows[order[places[found]]])
        )
        left: Places = open_[~found]
        return left

    def _match_keys(self, outcomes: Outcomes, day: Day, open_: Places) -> Places:
        if not len(open_) or not len(day.rows):
            return open_
        wanted, rows = outcomes.by_key[open_], day.rows
        places = latest(rows["identity"], rows["at"], wanted["who"], wanted["observed"] - 1)
        found = places >= 0
        found[found] = rows["at"][places[found]] >= (wanted["observed"] - self.horizon)[found]
        outcomes.matched.append(_matched(wanted[found], rows[places[found]]))
        left: Places = open_[~found]
        return left

    def _gather(self, day: Day, current: dict[tuple[str, int], Latest]) -> None:
        """Let predictions of a day count for their version and week."""
        rows = day.rows
        amounts = [("score", np.float64), ("amounts", np.float32, rows["amounts"].shape[1:])]
        for version in np.unique(rows["version"]).tolist():
            own = rows[rows["version"] == version]
            taken = np.zeros(len(own), [*KEY, *amounts])
            taken["id"][:, 0] = own["id"]
            for name in ("identity", "at", "score", "amounts"):
                taken[name] = own[name]
            key = self.index.versions[version], monday(day.number)
            current.setdefault(key, Latest(taken.dtype, CUSTOMERS)).add(taken)

    def _named(self, read: Read, strangers: set[tuple[bool, int]]) -> list[str]:
        """Find the texts of those whom some outcomes tell of."""
        texts = dict[tuple[bool, int], str]()
        for some in read():
            table = table_of(some, self.schema)
            pairs = zip(table["keyed"].tolist(), table["who"].tolist(), strict=True)
            for pair, outcome in zip(pairs, some, strict=True):
                if pair in strangers:
                    texts[pair] = text_of(outcome)
            if len(texts) == len(strangers):
                break
        return sorted(texts.values())


def monday(day: int) -> int:
    """Return the number of the first day of a day's week; 1970 began on a Thursday."""
    return day - (day + 3) % 7


def _settle(current: dict[tuple[str, int], Latest], weeks: dict[tuple[str, int], Table]) -> None:
    """Let weeks be over: of their customers nothing is told yet."""
    for key, found in current.items():
        rows = found.rows
        amounts = ("amounts", np.float32, rows["amounts"].shape[1:])
        week = np.zeros(len(rows), [*_CUSTOMER, amounts, *TOLD])
        week["id"], week["observed"] = rows["id"][:, 0], NEVER
        for name in ("identity", "at", "score", "amounts"):
            week[name] = rows[name]
        weeks[key] = week
    current.clear()


def _matched(outcomes: Table, rows: Table) -> Table:
    found = np.empty(len(outcomes), MATCHED)
    for name, _ in TOLD:
        found[name] = outcomes[name]
    for name in ("identity", "at", "object", "line"):
        found[name] = rows[name]
    return found
