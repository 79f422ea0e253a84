"""What a column of an unknown file is, going by its cells: number, category, key, date, text.

Nothing is believed that the cells don't show, except what a name says of a code, a time or a key.
What was seen is no rule for what may come: bounds are told, but not made constraints.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Self

from evergreen.customers.features import Level
from evergreen.customers.numbers import PLAIN, NumberFormat
from evergreen.customers.values import folded, plain

FEW = 20
"""So many levels are never too many."""
UNSEEN = 0.01
"""The share of customers to come with a level that nobody had yet, beyond which it is no category.

It is about the share of those whose level nobody else has (Good, The population frequencies of
species and the estimation of population parameters, 1953), and such customers are refused.
"""

_NOWHERE = frozenset({"na", "n/a", "#n/a", "nan", "null", "<na>"})  # missing in any column,
_NO_NUMBER = _NOWHERE | {"none", "nil", "-", "--", "?", ".", "unknown", "missing", "k.a.", "n.v."}
_NUMBERS = 0.8  # a column of such a share of numbers is one; words in between stand for missing
_MOSTLY = 0.95  # and one with such a share of dates is one of dates
_MUTTERED = 5  # different words at the most
_SHOWN = 6  # levels
_EACH = 5  # customers a level has to have on average
_CODES = 5  # of two letters are a list of codes
_LARGEST = 2.0**53  # beyond, float64 does not tell whole numbers apart
_LONG = 60  # characters of a level; longer ones are somebody's words

_NUMBER = re.compile(r"[+-]?(?:\d[\d.,'\u2019\s]*|[.,]\d+)(?:[eE][+-]?\d+)?")
_SIGN = r"[€$£¥%]|EUR|USD|GBP|CHF"
_AFFIX = re.compile(rf"(?P<a>{_SIGN})?\s*(?P<n>[-+.,\d].*?)\s*(?P<z>{_SIGN})?")
_LETTERS = re.compile(r"[A-Z]{2}")
_CODE = re.compile(r"[+-]?0\d+")
_HOURS = r"(?:[T ,]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[AaPp][Mm]|Z|[+-]\d{2}:?\d{2})?)?"
_YEAR = r"(?:19|20)\d\d"
_DATE = re.compile(
    rf"(?:{_YEAR}([-/.])\d{{1,2}}\1\d{{1,2}}|\d{{1,2}}([-/.])\d{{1,2}}\2(?:{_YEAR}|\d\d)"
    rf"|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|{_YEAR}-(?:0[1-9]|1[0-2])"
    rf"|\d{{1,2}}[-. ]+[^\W\d]{{3,9}}[-., ]+(?:{_YEAR}|\d\d)|[^\W\d]{{3,9}}\.? \d{{1,2}},? {_YEAR}"
    rf"){_HOURS}"
)
_UNIX = ((6e8, 2.2e9), (6e11, 2.2e12))  # 1989 to 2039, in seconds and in milliseconds
_WORD = re.compile(r"[^\W\d_]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])|\d+")
_OF_TIME = {"date", "time", "timestamp", "at", "since", "ts", "unix", "created", "datum", "seit"}
_OF_CODES = {"zip", "zipcode", "postal", "postcode", "plz", "code"}


def words(name: str) -> list[str]:
    """Return the words of a column's name: those of `customerID` are `customer` and `id`."""
    return [word.casefold() for word in _WORD.findall(name)]


@dataclass(frozen=True, slots=True)
class Column:
    """What a column is, and why."""

    name: str
    role: str
    """feature, target, key or left out."""
    kind: str
    why: str
    """In words that follow the kind."""
    field: Mapping[str, Any] = field(default_factory=dict)
    """The field of a Table Schema, apart from what stands for missing; empty if left out."""
    missing: frozenset[str] = frozenset()
    """The texts that stand for missing in it, beside the empty one."""
    absent: int = 0
    """How many cells are missing."""

    def left_out(self, why: str) -> "Column":
        """Return the same column, not to be learned from."""
        return replace(self, role="left out", why=why, field={}, missing=frozenset())


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one column, counted."""

    name: str
    rows: int
    counts: Mapping[str, int]
    """Each text that occurs, without spaces around it, and how often; the empty one is not here."""
    types: frozenset[type]
    """Those of the values: text, and whatever JSON has beside it."""

    @classmethod
    def of(cls, name: str, values: Sequence[object]) -> Self:
        """Count the values of a column."""
        types = frozenset(map(type, values)) - {type(None)}
        if types & {list, dict}:
            return cls(name, len(values), {}, types)
        cells: Iterable[object] = map(str, values) if bool in types and len(types) > 1 else values
        counts: Counter[str] = Counter()
        for value, count in Counter(cells).items():
            counts["" if value is None else plain(str(value))] += count
        del counts[""]
        return cls(name, len(values), counts, types)

    @property
    def filled(self) -> int:
        """How many are not empty."""
        return sum(self.counts.values())

    def without(self, tokens: frozenset[str]) -> "Cells":
        """Return the cells without those that stand for missing: both empty and such words."""
        kept = {text: n for text, n in self.counts.items() if text.casefold() not in tokens}
        return replace(self, counts=kept)

    @property
    def known(self) -> "Cells":
        """The cells without words that mean in any column that nothing is known.

        Among codes of two letters, NA is one of them: Namibia, Naples.
        """
        others = [text for text in self.counts if text != "NA"]
        coded = len(others) >= _CODES and all(map(_LETTERS.fullmatch, others))
        return self.without(_NOWHERE - {"na"} if coded else _NOWHERE)

    @property
    def unique(self) -> bool:
        """Whether every row has a cell of its own."""
        return len(self.counts) == self.rows

    def numeric(self) -> list[str]:
        """Return the texts that are numbers in some format, without a currency or per cent sign.

        None where they are too few for a column of numbers.
        """
        kept = self.without(_NO_NUMBER)
        bare = {text: text if text.isdecimal() else _bare(text)[0] for text in kept.counts}
        found = [text for text in kept.counts if _NUMBER.fullmatch(bare[text])]
        enough = sum(kept.counts[text] for text in found) >= _NUMBERS * kept.filled
        return [bare[text] for text in found] if enough else []

    @property
    def dates(self) -> bool:
        """Whether they are points in time."""
        kept = self.without(_NO_NUMBER)
        found = sum(n for text, n in kept.counts.items() if _DATE.fullmatch(text))
        return found > 0 and found >= _MOSTLY * kept.filled and len(kept.counts) > 1


def category(cells: Cells) -> Column:
    """Take a column for a category, whatever it looks like; as the target's has to be."""
    kept = cells.known
    absent = cells.rows - kept.filled
    most = sorted(kept.counts, key=lambda text: (-kept.counts[text], text))
    forms: dict[str, str] = {}
    for text in most:  # whatever else is written alike is the level that most have
        forms.setdefault(folded(text), text)
    values = [PLAIN.number(text) for text in forms.values()]
    levels: list[Level]
    if kept.types == {bool}:
        kind, levels = "boolean", [False, True]
    elif all(map(_whole, values)) and not any(map(_CODE.fullmatch, forms.values())):
        kind, levels = "integer", sorted({int(value) for value in values})
    else:
        kind, levels = "string", sorted(forms.values())
    constraints: dict[str, Any] = {} if kind == "boolean" else {"enum": levels}
    shown = [str(level) for level in levels[:_SHOWN]]
    more = f", and {len(levels) - _SHOWN} more" if len(levels) > _SHOWN else ""
    return Column(
        cells.name,
        "feature",
        "category",
        f"{len(levels)} level{'s' * (len(levels) > 1)}: {', '.join(shown)}{more}",
        _field(cells.name, kind, constraints, absent, _level(most[0], levels) if most else None),
        _missing(cells, kept),
        absent,
    )


def number(cells: Cells, form: NumberFormat) -> Column | None:
    """Take a column for one of numbers; None if it is none."""
    values = {text: form.number(text) for text in cells.without(_NO_NUMBER).counts}
    others = {text for text, value in values.items() if not isfinite(value)}
    numbers = replace(cells, counts={t: n for t, n in cells.counts.items() if t in values})
    told = replace(cells, counts={t: n for t, n in numbers.counts.items() if t not in others})
    if not told.counts or told.filled < _NUMBERS * numbers.filled:
        return None
    strange = next((text for text in others if any(map(str.isdigit, text))), None)
    absent = cells.rows - told.filled
    if strange is not None or len(others) > _MUTTERED:
        one, count = _cut(strange or min(others)), numbers.filled - told.filled
        why = f"{count:,} of its cells are none, such as {one!r}: mend them"
        return Column(cells.name, "left out", "number", why, absent=absent)
    found = sorted((values[text], count) for text, count in told.counts.items())
    low, high = found[0][0], found[-1][0]
    if max(-low, high) > _LARGEST:
        why = "numbers so large are names, and are not counted in"
        return Column(cells.name, "left out", "number", why, absent=absent)
    whole = form.bare and all(re.fullmatch(r"[+-]?\d+", text) for text in told.counts)
    bounds = f"from {_short(low)} to {_short(high)}"
    signs = "" if replace(form, bare=True) == PLAIN else f", {form.described()}"
    middle = _median(found, told.filled)
    written = _field(cells.name, "integer" if whole else "number", {}, absent, middle)
    written["description"] = f"seen {bounds}"
    return Column(
        cells.name,
        "feature",
        "whole number" if whole else "number",
        bounds + signs,
        written | ({} if form.bare else _adorned(form)),
        _missing(cells, told),
        absent,
    )


def describe(cells: Cells, form: NumberFormat = PLAIN) -> Column:
    """Say what a column is that is neither target nor key.

    Args:
        cells: those of the column.
        form: how its numbers are written, where they are some.

    """
    kept = cells.known
    out = Column(cells.name, "left out", "text", "", absent=cells.rows - kept.filled)
    if not cells.name:
        return out.left_out("it has no name")
    if cells.types & {list, dict}:
        return replace(out, kind="nested", why="it holds lists or objects")
    if not cells.without(_NO_NUMBER).counts:
        return replace(out, kind="empty", why="no cell is filled in")
    if len(kept.counts) == 1 and not out.absent:
        return replace(out, kind="constant", why=f"always {_cut(next(iter(kept.counts)))!r}")
    if cells.dates:
        return replace(out, kind="date", why=_DAYS)
    coded = any(map(_CODE.fullmatch, kept.counts)) or not _OF_CODES.isdisjoint(words(cells.name))
    found = None if coded or bool in cells.types else number(cells, form)
    if found is None:
        return _text(cells, kept, out)
    if found.role == "left out":
        return found
    return _counted(cells, found, form)


_DAYS = "turn it into days since then, as of the day on which the others were known"


def _counted(cells: Cells, found: Column, form: NumberFormat) -> Column:
    """Tell numbers that count or measure from those that don't."""
    told = cells.without(frozenset(map(str.casefold, found.missing)))
    values = {form.number(text) for text in told.counts}
    whole = all(map(_whole, values))
    if whole and len(values) <= 2 and form.bare:
        return replace(category(told), missing=found.missing)
    if whole and not _OF_TIME.isdisjoint(words(cells.name)):
        for low, high in _UNIX:
            if low <= min(values) and max(values) <= high:
                return replace(found.left_out(_DAYS), kind="date")
    if whole and cells.unique and max(values) - min(values) == cells.rows - 1:
        return found.left_out("it numbers the rows")
    return found


def _text(cells: Cells, kept: Cells, out: Column) -> Column:
    levels, filled = len({folded(text) for text in kept.counts}), kept.filled
    if filled > 2 and len(kept.counts) == filled:
        return out.left_out("every customer has another one")
    if sum(n for text, n in kept.counts.items() if len(text) > _LONG) > filled / 2:
        return out.left_out("it is free text")
    if levels > filled / 2 or levels > max(FEW, filled / _EACH):
        return out.left_out(f"{levels:,} different ones among {filled:,}")
    alone = sum(count == 1 for count in kept.counts.values()) / filled
    if levels > FEW and alone > UNSEEN:
        return replace(out, kind="category").left_out(
            f"too many levels: {levels:,}, and {alone:.1%} of customers have one that nobody else"
            " has; group them"
        )
    return category(cells)


def _field(
    name: str, kind: str, constraints: Mapping[str, Any], absent: int, example: Level | None
) -> dict[str, Any]:
    written = {} if absent else {"required": True}
    shown = {} if example is None else {"example": example}
    rules = {**written, **constraints}
    return {"name": name, "type": kind} | shown | ({"constraints": rules} if rules else {})


def _adorned(form: NumberFormat) -> dict[str, Any]:
    """Return the properties of numbers with a currency or per cent sign.

    They state what parts the digits as well, for by such cells the reader does not find that out.
    """
    decimal = {} if form.decimal == "." else {"decimalChar": form.decimal}
    group = {"groupChar": form.group} if form.group else {}
    return {"bareNumber": False} | decimal | group


def _missing(cells: Cells, kept: Cells) -> frozenset[str]:
    return frozenset(cells.counts.keys() - kept.counts.keys())


def _level(text: str, levels: Sequence[Level]) -> Level:
    """Return the level that a text is."""
    number = PLAIN.number(text)
    return next((v for v in levels if text in (v, str(v)) or v == number), levels[0])


def _median(found: Sequence[tuple[float, int]], count: int) -> Level:
    seen = 0
    for value, times in found:
        seen += times
        if 2 * seen >= count:
            return int(value) if value.is_integer() else value
    raise ValueError("no values")


def _bare(text: str) -> tuple[str, str]:
    """Return a number's text without a currency or per cent sign, and the sign."""
    found = _AFFIX.fullmatch(text)
    return (found["n"], (found["a"] or "") + (found["z"] or "")) if found else (text, "")


def affix(cells: Cells) -> str:
    """Return the currency or per cent sign that all numbers of a column have; else nothing."""
    signs = {_bare(text)[1] for text in cells.without(_NO_NUMBER).counts}
    return signs.pop() if len(signs) == 1 else ""


def _whole(value: float) -> bool:
    return abs(value) <= _LARGEST and value.is_integer()


def _short(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"
