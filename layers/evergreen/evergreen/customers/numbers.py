"""How a file writes its numbers: which sign parts the fraction, and which the thousands."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, isinf

from evergreen.customers.values import plain
from evergreen.errors import TableError

OF_NUMBERS = frozenset("0123456789+-.eE \t")
"""What plain numbers are written with; Python takes more: nan, 1_000, other digits."""

FLOAT32 = 3.4028234663852886e38
"""No number may be larger: models compute in this precision."""

_SAME_SIGN = (" \u00a0\u202f\u2009", "'\u2019")  # spaces of all widths; apostrophes
_SEPARATORS = frozenset(".,").union(*_SAME_SIGN)


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How numbers are written as text."""

    decimal: str = "."
    """The sign before the fraction."""
    group: str = ""
    """The sign between thousands, which may be left out; empty where there is none."""
    bare: bool = True
    """Whether nothing else may stand around the digits, such as the sign of a currency."""

    def number(self, text: str) -> float:
        """Return the number that a trimmed text is; infinity, which is in no bounds, where none."""
        decimal = self.decimal
        simple = text if decimal == "." else text.replace(".", "\0").replace(decimal, ".")
        try:
            if OF_NUMBERS.issuperset(simple):
                return float(simple)  # as most are
        except ValueError:
            pass
        if self.group or not self.bare:
            normal = self.normal(text)
            return inf if normal is None else float(normal)
        return inf

    def normal(self, text: str) -> str | None:
        """Return the number that a text is as a plain one, digit for digit; None where none."""
        found = _pattern(self).fullmatch(text)
        if found is None:
            return None
        sign, whole, fraction, exponent = found.group("sign", "whole", "fraction", "exponent")
        sign = sign or found.groupdict().get("inner") or ""
        digits = "".join(filter(str.isdecimal, whole))
        return sign + digits + (f".{fraction}" if fraction else "") + (exponent or "")

    def written(self, number: float) -> str:
        """Return a number as text, without signs between thousands."""
        return str(number).replace(".", self.decimal)

    def described(self) -> str:
        """Say in words what the signs are."""
        group = f" and {self.group!r} between thousands" if self.group else ""
        around = "" if self.bare else ", other signs around"
        return f"{self.decimal!r} before the fraction{group}{around}"


PLAIN = NumberFormat()
"""As JSON and Python write numbers."""

_USUAL = (
    PLAIN,
    NumberFormat(","),
    *(NumberFormat(decimal, group) for group in ".,' " for decimal in ".," if decimal != group),
)


@cache
def _pattern(of: NumberFormat) -> re.Pattern[str]:
    decimal = re.escape(of.decimal)
    group = next((same for same in _SAME_SIGN if of.group in same), of.group) if of.group else ""
    grouped = rf"[1-9][0-9]{{0,2}}(?:[{re.escape(group)}][0-9]{{3}})+|" if group else ""
    digits = (
        rf"(?=[0-9]|(?<![^\W\d_]){decimal}[0-9])"  # a fraction alone is none after a letter
        rf"(?P<whole>{grouped}[0-9]*)(?:{decimal}(?P<fraction>[0-9]*))?"
        r"(?P<exponent>[eE][+-]?[0-9]+)?"
    )
    if of.bare:
        return re.compile(rf"(?P<sign>[+-])?{digits}")
    around = r"[^\d+()-]"  # brackets and signs that follow make a number negative in accounting
    return re.compile(rf"(?P<sign>[+-])?{around}*?(?(sign)|(?P<inner>[+-])?){digits}{around}*")


def formats(columns: Mapping[str, Sequence[str]]) -> dict[str, NumberFormat]:
    """Return how each of a file's columns of numbers is written, where that is not plain.

    A cell that no usual format reads says nothing, and a column whose cells contradict each other
    stays plain. Columns of digits only are written as the others are. Where a column can be read in
    two ways (`1,234`), the others of the file decide.

    Args:
        columns: for each column of numbers some or all of its cells.

    Raises:
        TableError: a column can be read in two ways, and no other shows which is meant.

    """
    cells = {name: _telling(column) for name, column in columns.items()}
    possible = {
        name: [f for f in _USUAL if not any(isinf(f.number(cell)) for cell in telling)]
        for name, telling in cells.items()
        if telling
    }
    decimals = _shown({f.decimal for f in of} for of in possible.values())
    if len(decimals) == 1:
        possible = {n: [f for f in of if f.decimal in decimals] for n, of in possible.items()}
    groups = _shown({f.group for f in of} for of in possible.values())
    chosen = {name: _chosen(name, cells[name], of, groups) for name, of in possible.items() if of}
    if decimals == {","}:  # what has digits only, so far, will be written like the others
        (group,) = groups if len(groups) == 1 else ("",)
        chosen |= {name: NumberFormat(",", group) for name, telling in cells.items() if not telling}
    return {name: of for name, of in chosen.items() if of != PLAIN}


def _telling(column: Sequence[str]) -> list[str]:
    """Return the numbers among the cells, each once, that are more than digits."""
    cells = map(plain, dict.fromkeys(column))
    return [
        cell
        for cell in dict.fromkeys(cells)
        if not _SEPARATORS.isdisjoint(cell) and not all(isinf(f.number(cell)) for f in _USUAL)
    ]


def _shown(signs: Iterable[set[str]]) -> set[str]:
    """Return the signs of the columns that leave no choice."""
    return set().union(*(sign for sign in signs if len(sign) == 1))


def _chosen(
    name: str, cells: Sequence[str], possible: Sequence[NumberFormat], groups: set[str]
) -> NumberFormat:
    """Return the format of one column among those that it and the whole file leave possible."""
    if PLAIN in possible:
        return PLAIN
    for cell in cells:
        readings = {f.number(cell): f for f in possible}
        if len(readings) > 1:
            meant = " or ".join(f"{number:.15g}" for number in sorted(readings))
            raise TableError(
                f"column {name!r}: {cell!r} may be {meant}, and no other column shows which. State"
                ' it in the schema\'s field: "decimalChar": "," or "groupChar": ","'
            )
    shared = [f for f in possible if f.group in groups] if len(groups) == 1 else []
    return (shared or possible)[0]
