"""What a single field of a customer may hold, and the number that each of its values becomes."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isnan, nan, nextafter
from typing import Any

from evergreen.customers import properties
from evergreen.customers.levels import UNSEEN as UNSEEN
from evergreen.customers.levels import Codes, close
from evergreen.customers.levels import Level as Level
from evergreen.customers.numbers import FLOAT32, OF_NUMBERS, PLAIN, NumberFormat
from evergreen.customers.values import LONGEST, plain
from evergreen.errors import SchemaError

_EXACT = 2**53  # from here on not every whole number is a float
_NUMBERS = frozenset([int, float])
_JSON = _NUMBERS | {type(None)}
_SHOWN, _MANY = 10, 20  # levels that a message names, and how many it may name
_KEY_LENGTH = 256
_KEY_LOW, _KEY_HIGH = 1 - 2**63, 2**64 - 1  # beyond, readers of JSON round: other customers' keys
_COMPARED = 1_000  # levels, or all those of one field, that the slips of a table are compared with


@dataclass(frozen=True, slots=True)
class Numeric:
    """A feature that is a number."""

    name: str
    integer: bool
    required: bool
    missing: frozenset[object]
    """The texts that stand for a missing value, and None."""
    low: float
    high: float
    format: NumberFormat = PLAIN
    """How text writes the number; that of JSON is always plain."""
    absent: frozenset[float] = frozenset()
    """The numbers that stand for a missing value, however they are written."""
    open: tuple[bool, bool] = (False, False)
    """Whether low and high are next to a bound that is itself excluded."""

    def codes(self, values: Sequence[object]) -> Sequence[float]:
        """One float for each value; what is no number becomes infinite, which is out of bounds."""
        kinds = set(map(type, values))
        missing, absent = self.missing, self.absent
        codes: Sequence[float]
        try:
            if kinds <= _NUMBERS:
                codes = array("d", values)  # type: ignore[arg-type]
            elif kinds <= _JSON or (bool not in kinds and self._is_plain(values)):
                codes = [nan if v in missing else float(v) for v in values]  # type: ignore[arg-type]
            else:
                return [self.code(value) for value in values]
        except (TypeError, ValueError, OverflowError):  # one is no number as it stands
            return [self.code(value) for value in values]
        return [nan if code in absent else code for code in codes] if absent else codes

    def _is_plain(self, values: Sequence[object]) -> bool:
        """Whether what is text is all of signs of plain numbers, and to be read as such."""
        missing = self.missing
        try:
            texts = [v for v in values if isinstance(v, str) and v not in missing]
        except TypeError:
            return False
        if max(map(len, texts), default=0) > LONGEST:
            return False
        text = "".join(texts)
        return OF_NUMBERS.issuperset(text) and (self.format.decimal == "." or "." not in text)

    def code(self, value: object) -> float:
        """Return what `codes` does for one value."""
        if value is None:
            return nan
        if isinstance(value, str):
            if value in self.missing:
                return nan
            if len(value) > LONGEST:
                return inf
            text = plain(value)
            if text in self.missing:
                return nan
            code = self.format.number(text)
        elif isinstance(value, bool):
            return inf
        else:
            try:
                code = float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError, OverflowError):
                return inf
        return nan if code in self.absent else code

    @property
    def expected(self) -> str:
        """What a value has to be, in words."""
        kind = "a whole number" if self.integer else "a number"
        low, high = self._limits
        known_low, known_high = low > -FLOAT32, high < FLOAT32
        if known_low and known_high and not any(self.open):
            return f"{kind} from {low:.15g} to {high:.15g}"
        limits = [
            *([f"{'above' if self.open[0] else 'of at least'} {low:.15g}"] if known_low else []),
            *([f"{'below' if self.open[1] else 'of at most'} {high:.15g}"] if known_high else []),
        ]
        return f"{kind} {' and '.join(limits)}" if limits else kind

    @property
    def _limits(self) -> tuple[float, float]:
        """The bounds as the schema states them."""
        return (
            nextafter(self.low, -inf) + 0.0 if self.open[0] else self.low,
            nextafter(self.high, inf) + 0.0 if self.open[1] else self.high,
        )

    def complaint(self, value: object, told: int = 0) -> str:
        """Say why a value is refused; how many were told before is nothing to a number."""
        if overlong := _overlong(value):
            return overlong
        number = self.code(value)
        beyond = isfinite(number) and abs(number) > FLOAT32
        return f"expected {self.expected}, got {short(value)}" + (
            f"; numbers go up to {FLOAT32:.3g}" if beyond else ""
        )

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a value; what stands for a missing one is among them if it may be."""
        low = "exclusiveMinimum" if self.open[0] else "minimum"
        high = "exclusiveMaximum" if self.open[1] else "maximum"
        bounds = [int(b) if b.is_integer() and abs(b) < _EXACT else b for b in self._limits]
        value = {
            "type": "integer" if self.integer else "number",
            **dict(zip((low, high), bounds, strict=True)),
        }
        absent = [int(code) if code.is_integer() else code for code in sorted(self.absent)]
        if self.required:
            return value | ({"not": {"enum": absent}} if absent else {})
        return _or_missing(value, self, absent)


@dataclass(frozen=True, slots=True)
class Categorical:
    """A feature that is one of a list of levels; its code is the level's place in that list."""

    name: str
    required: bool
    levels: tuple[Level, ...]
    table: Mapping[object, float]
    """The code of every level and missing value as JSON gives it and as it may stand in a CSV."""
    format: NumberFormat = PLAIN
    """How text writes levels that are numbers."""
    _codes: Codes = field(init=False, repr=False, compare=False)
    _strange: frozenset[type] = field(init=False, repr=False, compare=False)

    integer = False
    low = 0.0

    def __post_init__(self) -> None:
        """Prepare for variants of the levels, and for what only Python takes for one."""
        numbers = [level for level in self.levels if not isinstance(level, bool | str)]
        codes = Codes(self.table, numbers, self.format)
        strange: set[type] = {bool} if numbers else set()
        if any(isinstance(level, bool) for level in self.levels):
            strange |= {int, float}
        object.__setattr__(self, "_codes", codes)
        object.__setattr__(self, "_strange", frozenset(strange))

    @property
    def high(self) -> float:
        """The code of the last level."""
        return len(self.levels) - 1.0

    def codes(self, values: Sequence[object]) -> list[float]:
        """One code for each value, `UNSEEN` where the schema does not list it."""
        find = self._codes
        try:
            if not self._strange or self._strange.isdisjoint(map(type, values)):
                return list(map(find.__getitem__, values))
        except TypeError:  # a list or an object, which can't be looked up and is no level
            pass
        return [self.code(value) for value in values]

    def code(self, value: object) -> float:
        """Return what `codes` does for one value."""
        if type(value) in self._strange and not any(level is value for level in self.levels):
            return self._codes.of_number(value)
        try:
            return self._codes[value]
        except TypeError:
            return UNSEEN

    @property
    def expected(self) -> str:
        """What a value has to be, in words."""
        shown = self.levels if len(self.levels) <= _MANY else self.levels[:_SHOWN]
        more = len(self.levels) - len(shown)
        words = "one of " + ", ".join(map(repr, shown))
        return f"{words} and {more:,} more" if more else words

    def complaint(self, value: object, told: int = 0) -> str:
        """Say why a value is refused, and which level it is close to unless many were told before.

        A file of a million slips needs no million suggestions, each of which looks at all levels.
        """
        if overlong := _overlong(value):
            return overlong
        near = close(value, self.levels) if told * len(self.levels) < _COMPARED else None
        message = f"expected {self.expected}, got {short(value)}"
        return message if near is None else f"{message}; did you mean {near!r}?"

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a value; what stands for a missing one is among them if it may be."""
        boolean = [type(level) for level in self.levels] == [bool, bool]  # 0 and 1 equal them
        value = {"type": "boolean"} if boolean else {"enum": list(self.levels)}
        return value if self.required else _or_missing(value, self)

    @property
    def missing(self) -> frozenset[object]:
        """The texts that stand for a missing value, and None."""
        return frozenset(form for form, code in self.table.items() if isnan(code))


Feature = Numeric | Categorical


def _or_missing(
    value: dict[str, Any], feature: Feature, numbers: Sequence[float] = ()
) -> dict[str, Any]:
    """Add to a JSON Schema what stands for a missing value, each enum of one kind: generators of
    clients make a type of each.
    """
    texts = sorted(text for text in feature.missing if isinstance(text, str) and plain(text))
    enums = [{"enum": list(kind)} for kind in (texts, numbers) if kind]
    return {"anyOf": [value, *enums, {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class Key:
    """A field of the primary key."""

    name: str
    missing: frozenset[object]
    format: NumberFormat = PLAIN
    """How text writes the key where it is a number."""

    expected = f"a string of at most {_KEY_LENGTH} characters or a whole number of 64 bits"

    @staticmethod
    def fits(value: object) -> bool:
        """Whether a request may give a value; a key may always be left out."""
        if isinstance(value, str):
            return len(value) <= _KEY_LENGTH
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _KEY_LOW <= value <= _KEY_HIGH and value.is_integer()
        return value is None

    @classmethod
    def unfit(cls, values: Sequence[object]) -> list[int]:
        """Return where the values are that a request may not give."""
        if set(map(type, values)) == {str} and max(map(len, values)) <= _KEY_LENGTH:  # type: ignore[arg-type]
            return []  # as most are
        return [index for index, value in enumerate(values) if not cls.fits(value)]

    def text(self, value: object) -> str:
        """Return a value as trimmed text, a number as a plain one; empty where it is missing."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = plain(value) if isinstance(value, str) else "" if value is None else str(value)
        if text in self.missing:
            return ""
        if self.format is PLAIN or not isinstance(value, str):
            return text
        return self.format.normal(text) or text

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """The JSON Schema of what `fits`."""
        return {
            "type": ["string", "integer", "null"],
            "maxLength": _KEY_LENGTH,
            "minimum": _KEY_LOW,
            "maximum": _KEY_HIGH,
        }


def parse_feature(field: Mapping[str, Any], missing: frozenset[object]) -> Feature:
    """Read one field of a Table Schema.

    Args:
        field: the field's descriptor: name, type, constraints.
        missing: the texts that stand for a missing value where the field itself states none.

    Raises:
        SchemaError: no number can be made of such a field, or it has a property that would change
            its meaning and is not honoured.

    """
    properties.check_field(field)
    name, kind = field["name"], field.get("type", "string")
    required = field.get("constraints", {}).get("required", False)
    missing = properties.missing_values(field, missing)
    written = properties.number_format(field)
    levels = properties.levels(field)
    if levels is not None:
        table: dict[object, float] = dict.fromkeys(missing, nan)
        words = properties.words(field)
        for code, level in enumerate(levels):
            table[level] = float(code)
            if isinstance(level, bool):
                table |= dict.fromkeys(words[level], float(code))
            elif not isinstance(level, str):
                table[written.written(level)] = float(code)
        return Categorical(name, required, levels, table, written)
    if kind in ("number", "integer", "year"):
        texts = [text for text in missing if isinstance(text, str)]
        absent = frozenset(filter(isfinite, map(written.number, texts)))
        low, high, is_open = properties.limits(field)
        whole = kind != "number"
        return Numeric(name, whole, required, missing, low, high, written, absent, is_open)
    raise SchemaError(
        f"field {name!r} of type {kind!r} can't be a feature: give it constraints.enum (a category)"
        " or the type number, integer or boolean, name it in primaryKey, or leave it out"
    )


def parse_key(field: Mapping[str, Any], missing: frozenset[object], *, alone: bool) -> Key:
    """Read a field of the primary key, which it may be alone; else as `parse_feature`."""
    properties.check_key(field, alone=alone)
    written = properties.number_format(field)
    return Key(field["name"], properties.missing_values(field, missing), written)


def _overlong(value: object) -> str | None:
    """Say so where a value is a text that is too long to be understood."""
    if isinstance(value, str) and len(value) > LONGEST:
        return f"expected at most {LONGEST:,} characters, got {len(value):,}"
    return None


def short(value: object) -> str:
    """Return a value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
