"""From labelled rows to labelled customers: whose row counts, who is held out, who is recent.

A customer is held out by a hash of who it is, so the same ones are in every training. No version
has ever learned from them, and any two can be compared fairly on those that both have known.

Recent are the latest customers whose row is news to the champion, new or changed: those of the
newest arrival, and of the ones before it until there are `RECENT`, some of whom left and some
stayed. Where all news is less, all customers of the newest arrivals are as well. An arrival counts
as a whole, because the order within a file may mean something, and so may its division: many are
sorted or split by outcome.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from evergreen.customers.identity import Hashes, Mask, combined
from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import InputError
from evergreen.models.known import Known
from evergreen.models.training import MIN_OUTCOMES, MIN_ROWS, Labelled
from evergreen.statistics.leakage import leaks

HELD_OUT_OF = 5
"""One customer in so many is held out."""
RECENT = 1_000
"""How many customers a version is chosen for, at least, where there are so many."""
TOGETHER = timedelta(hours=1)
"""Files that follow each other so closely have arrived together."""

_CROWD = 100  # rows of one file for one customer: no list of customers looks like that

Columns = Mapping[str, Sequence[Any]]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Labelled customers, each by its latest row, in order of arrival."""

    labelled: Labelled
    source: npt.NDArray[np.object_]
    """Shape (customers,): the key of the file that each one's row is from."""
    fresh: Mask
    """Shape (customers,): whose row the champion has not seen, not even held out."""
    known_held_out: Mask
    """Shape (customers,): held out now, and held out when the champion was trained."""
    known: Known
    """All rows, as the next training has to know them."""
    census: Mapping[str, int]
    """How rows became customers. `rows` = `customers` + `superseded` (older rows of the same
    customers) + `repeated` (the very same row again). Beside that, `blank_keys` counts rows, and
    `contradictions` customers with both outcomes in one file."""
    warnings: tuple[str, ...]
    """What a person should look at, one sentence each."""
    columns: Columns
    rows: Integers
    """Shape (customers,): where each customer's row is in `columns`."""

    @property
    def news(self) -> Mask:
        """Shape (customers,): who is fresh and recent."""
        return self.fresh & self.labelled.recent

    def encode(self, schema: Schema, chosen: Mask | Integers) -> Matrix:
        """Encode customers by any schema; what it does not know is missing or unseen.

        They are chosen by a mask or by their places.
        """
        rows = self.rows[chosen].tolist()
        names = [name for name in schema.feature_names if name in self.columns]
        return schema.encode(
            {name: [self.columns[name][row] for row in rows] for name in names}, len(rows)
        ).matrix


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of every labelled row, in order of arrival; each array of shape (rows,)."""

    identity: Hashes
    contents: Hashes
    keyless: Mask
    churned: npt.NDArray[np.bool_]
    source: Integers
    line: Integers
    files: tuple[str, ...]

    @property
    def within(self) -> Hashes:
        """One hash for each customer of each file."""
        return combined(self.identity, self.source.astype(np.uint64))

    @property
    def held_out(self) -> Mask:
        """Whose rows no version may learn from."""
        return np.asarray(self.identity % np.uint64(HELD_OUT_OF) == 0, dtype=np.bool_)

    def people(self) -> Hashes:
        """One hash for each customer.

        Without a key, identical rows of one file are different customers, and the first of them
        is the first one of the next file. So a file that comes again adds nobody, and customers
        of whom little is known stay as many as they are.
        """
        if not self.keyless.any():
            return self.identity
        which = pd.Series(self.within).groupby(self.within).cumcount().to_numpy().astype(np.uint64)
        return np.where(self.keyless, combined(self.identity, which), self.identity)

    def census(self, people: Hashes) -> dict[str, int]:
        """Count what `Cohort.census` documents."""
        customers = pd.Series(people).nunique()
        distinct = pd.Series(combined(people, self.contents)).nunique()
        return {
            "rows": len(people),
            "customers": customers,
            "superseded": distinct - customers,
            "repeated": len(people) - distinct,
            "contradictions": pd.Series(self.identity[self.contradictory]).nunique(),
            "blank_keys": int(self.keyless.sum()),
        }

    @property
    def contradictory(self) -> Mask:
        """The rows of customers that have both outcomes within one file."""
        within = pd.Series(self.within)
        again = within.duplicated(keep=False).to_numpy() & ~self.keyless
        outcomes = pd.Series(self.churned[again]).groupby(within[again].to_numpy())
        found = again.copy()
        found[again] = outcomes.transform("nunique").to_numpy() == 2
        return found

    def check_key(self, key: Sequence[str]) -> None:
        """Check that a primary key tells customers apart.

        It must name `MIN_ROWS` of them, as no fewer can be learned from, and in each file one for
        every `_CROWD` rows. Customers are counted file by file, for the same ones may come daily.

        Raises:
            InputError: it does not.

        """
        keyed = ~self.keyless
        within = pd.Series(self.within[keyed])
        if len(within) >= MIN_ROWS and within.nunique() < max(MIN_ROWS, len(within) / _CROWD):
            values = pd.Series(self.identity[keyed]).nunique()
            raise InputError(
                f"the primary key {' + '.join(key)} has {values:,} distinct"
                f" value{'s' if values > 1 else ''} in {len(within):,} rows, so it can't tell"
                " customers apart: let primaryKey in the schema name the field that is each"
                " customer's own, or leave primaryKey out"
            )

    def warnings(self, key: Sequence[str]) -> Iterator[str]:
        """Say what a person should look at."""
        if not key:
            yield (
                "the schema has no primaryKey: a customer whose values have changed from one file"
                " to the next counts as another customer"
            )
        elif blank := int(self.keyless.sum()):
            yield (
                f"{blank:,} of {len(self.keyless):,} rows have no {' + '.join(key)}, the first of"
                f" them {self._place(self.keyless)}; they are recognised by their values"
            )
        contradictory = self.contradictory
        for index in np.unique(self.source[contradictory]):
            rows = contradictory & (self.source == index)
            yield (
                f"customers with both outcomes: {pd.Series(self.identity[rows]).nunique():,}, the"
                f" first of them {self._place(rows)}; the last line of each counts"
            )
        customers, sizes = np.unique(self.within[~self.keyless], return_counts=True)
        if sizes.max(initial=0) > max(_CROWD, len(self.line) / _CROWD):
            rows = self.within == customers[sizes.argmax()]
            yield (
                f"{sizes.max():,} rows have the same {' + '.join(key)}, the first of them"
                f" {self._place(rows)}; only the last one counts"
            )

    def _place(self, rows: Mask) -> str:
        first = int(rows.argmax())
        return f"at {self.files[self.source[first]]}, line {self.line[first]}"


def leaking(schema: Schema, labelled: Labelled) -> Iterator[str]:
    """Say which features tell the outcome so well that they can't have been known before it."""
    for feature, evidence in leaks(labelled.matrix, schema.categorical, labelled.churned).items():
        yield (
            f"{schema.feature_names[feature]!r} {evidence}: is it known before customers leave?"
            " If not, leave it out of the schema"
        )


def latest(people: Hashes) -> Integers:
    """Where the last row of each customer is, shape (customers,), in order of arrival."""
    return np.flatnonzero(~pd.Series(people).duplicated(keep="last").to_numpy())


def recency(
    fresh: Mask, churned: Mask, arrival: Integers, arrivals: int
) -> tuple[Mask, npt.NDArray[np.float64]]:
    """Say who is recent, and how old the others are.

    Args:
        fresh: shape (customers,): who is news to the champion.
        churned: shape (customers,): who left. Where only the outcome of a row changes, news is
            those who left and nobody else; no model is chosen for them alone.
        arrival: shape (customers,): which arrival each came with; they are numbered in order.
        arrivals: how many there are.

    Returns:
        `Labelled.recent` and `Labelled.age`. The customers of an arrival who are not recent came
        together, so each has half of them after it.

    """
    recent = np.zeros(len(fresh), dtype=np.bool_)
    for who in (fresh, np.ones_like(fresh)):
        for number in reversed(range(arrivals)):
            size, left = int(recent.sum()), int(churned[recent].sum())
            if size < RECENT or min(left, size - left) < MIN_OUTCOMES:
                recent |= who & (arrival == number)
    total = int(recent.sum())
    sizes = np.bincount(arrival[~recent], minlength=arrivals)
    later = total + sizes[::-1].cumsum()[::-1] - 0.5 * sizes
    return recent, np.where(recent, 0.0, later[arrival] / max(total, 1))
