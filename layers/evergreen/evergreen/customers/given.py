"""Customers as requests give them, one by one, seen by column."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from operator import itemgetter
from typing import Self

Row = Mapping[str, object]


class Given:
    """Some customers.

    Those of one client have the same fields, so that all their columns are one step away; those of
    several are asked one by one.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    @cached_property
    def _alike(self) -> Mapping[str, Sequence[object]]:
        """The values of all fields; nothing where not all have the same ones, or only one has."""
        names = tuple(self.rows[0]) if len(self) > 1 else ()
        if len(names) < 2 or set(map(len, self.rows)) != {len(names)}:
            return {}
        try:
            values = zip(*map(itemgetter(*names), self.rows), strict=True)
        except KeyError:
            return {}
        return dict(zip(names, values, strict=True))

    def __len__(self) -> int:
        """How many customers they are."""
        return len(self.rows)

    def columns(self, names: Iterable[str]) -> Mapping[str, Sequence[object]]:
        """Return these fields' values, None for whoever lacks one, and perhaps those of others.

        A field that all lack may be left out.
        """
        if self._alike:
            return self._alike
        return {name: [row.get(name) for row in self.rows] for name in names}

    def parts(self, names: Sequence[str]) -> list[dict[str, object]]:
        """Return these fields of each customer, None for what one lacks."""
        columns, absent = self.columns(names), [None] * len(self)
        found: list[dict[str, object]] = [{} for _ in self.rows]
        for name in names:
            for part, value in zip(found, columns.get(name, absent), strict=True):
                part[name] = value
        return found

    def told[T](self, tell: Callable[[AbstractSet[str]], T]) -> list[T]:
        """Return what is told of the names of each customer's fields; of the same ones it is asked
        once.
        """
        if len(self) == 1 or self._alike:
            return [tell(self.rows[0].keys())] * len(self)
        each = [*map(tuple, self.rows)]
        known = {names: tell(frozenset(names)) for names in set(each)}
        return [known[names] for names in each]

    def only(self, places: Sequence[int]) -> Self:
        """Return the customers at some places."""
        if len(places) == len(self):
            return self
        return type(self)([self.rows[place] for place in places])
