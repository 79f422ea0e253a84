"""Customers as requests give them, one by one, seen by column."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Self

Row = Mapping[str, object]


class Given:
    """Some customers.

    Those of one client have the same fields in the same order, so that all their columns are one
    step away; those of several are asked one by one.
    """

    __slots__ = ("_alike", "_names", "rows")

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._names = [*map(tuple, rows)]
        self._alike = self._names.count(self._names[0]) == len(rows) if rows else False

    def __len__(self) -> int:
        """How many customers they are."""
        return len(self.rows)

    def columns(self, names: Iterable[str]) -> Mapping[str, Sequence[object]]:
        """Return these fields' values, None for whoever lacks one, and perhaps those of others.

        A field that all lack may be left out.
        """
        if self._alike:
            values = zip(*[row.values() for row in self.rows], strict=True)
            return dict(zip(self._names[0], values, strict=True))
        return {name: [row.get(name) for row in self.rows] for name in names}

    def told[T](self, tell: Callable[[AbstractSet[str]], T]) -> list[T]:
        """Return what is told of the names of each customer's fields; of the same ones it is asked
        once.
        """
        if self._alike:
            return [tell(self.rows[0].keys())] * len(self)
        known = {names: tell(frozenset(names)) for names in set(self._names)}
        return [known[names] for names in self._names]

    def only(self, places: Sequence[int]) -> Self:
        """Return the customers at some places."""
        if len(places) == len(self):
            return self
        return type(self)([self.rows[place] for place in places])
