"""What a single field of a customer may hold, and the number that each of its values becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evergreen.errors import SchemaError

UNSEEN = -1.0
"""The code of a category that the schema does not list."""

Level = str | int | float | bool

_NAN = float("nan")
_INF = float("inf")
_FLOAT32 = float(np.finfo(np.float32).max)
_OF_NUMBERS = frozenset("0123456789+-.eE \t")  # Python takes more: nan, 1_000, other digits
_TRUE, _FALSE = ("true", "True", "TRUE", "1"), ("false", "False", "FALSE", "0")


@dataclass(frozen=True, slots=True)
class Numeric:
    """A feature that is a number."""

    name: str
    integer: bool
    required: bool
    missing: frozenset[object]
    low: float
    high: float

    def codes(self, values: Sequence[object]) -> list[float]:
        """One float for each value; what is no number becomes infinite, which is out of bounds."""
        missing = self.missing
        try:
            text = "".join([v for v in values if isinstance(v, str) and v not in missing])
            if _OF_NUMBERS.issuperset(text) and bool not in set(map(type, values)):
                return [_NAN if v in missing else float(v) for v in values]  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            pass  # at least one value is no number: find out which
        return [self._code(value) for value in values]

    def _code(self, value: object) -> float:
        try:
            if value in self.missing:
                return _NAN
            if isinstance(value, bool) or (
                isinstance(value, str) and not _OF_NUMBERS.issuperset(value)
            ):
                return _INF
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return _INF

    @property
    def expected(self) -> str:
        """What a value has to be, in words."""
        kind = "a whole number" if self.integer else "a number"
        low, high = self.low > -_FLOAT32, self.high < _FLOAT32
        if low and high:
            return f"{kind} from {self.low:.15g} to {self.high:.15g}"
        if low:
            return f"{kind} of at least {self.low:.15g}"
        return f"{kind} of at most {self.high:.15g}" if high else kind

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a value, apart from whether it may be missing."""
        bounds: dict[str, Any] = {"type": "integer" if self.integer else "number"}
        if self.low > -_FLOAT32:
            bounds["minimum"] = int(self.low) if self.low.is_integer() else self.low
        if self.high < _FLOAT32:
            bounds["maximum"] = int(self.high) if self.high.is_integer() else self.high
        return bounds


@dataclass(frozen=True, slots=True)
class Categorical:
    """A feature that is one of a list of levels; its code is the level's place in that list."""

    name: str
    required: bool
    levels: tuple[Level, ...]
    table: Mapping[object, float]
    numbers: bool
    """Whether the levels are numbers."""

    integer = False
    low = 0.0

    @property
    def high(self) -> float:
        """The code of the last level."""
        return len(self.levels) - 1.0

    def codes(self, values: Sequence[object]) -> list[float]:
        """One code for each value, `UNSEEN` where the schema does not list it."""
        get = self.table.get
        try:
            if not self.numbers or bool not in set(map(type, values)):
                return [get(value, UNSEEN) for value in values]
        except TypeError:  # a list or an object, which can't be looked up and is no level
            pass
        return [self._code(value) for value in values]

    def _code(self, value: object) -> float:
        no_level = isinstance(value, list | dict | set) or (
            self.numbers and isinstance(value, bool)  # which Python takes for 0 and 1
        )
        return UNSEEN if no_level else self.table.get(value, UNSEEN)

    @property
    def expected(self) -> str:
        """What a value has to be, in words."""
        return "one of " + ", ".join(repr(level) for level in self.levels)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of a value, apart from whether it may be missing."""
        return {"enum": list(self.levels)}


Feature = Numeric | Categorical


def parse_feature(field: Mapping[str, Any], missing: frozenset[object]) -> Feature:
    """Read one field of a Table Schema.

    Args:
        field: the field's descriptor: name, type, constraints.
        missing: the values that stand for a missing one.

    Raises:
        SchemaError: no number can be made of such a field.

    """
    name, kind = field["name"], field.get("type", "string")
    constraints = field.get("constraints", {})
    if not isinstance(constraints, dict):
        raise SchemaError(f"field {name!r}: 'constraints' must be an object")
    required = bool(constraints.get("required", False))
    if "enum" in constraints or kind == "boolean":
        levels = _levels(name, constraints.get("enum", [False, True]))
        table: dict[object, float] = dict.fromkeys(missing, _NAN)
        for code, level in enumerate(levels):
            for form in _forms(level, field):
                table[form] = float(code)
        numbers = any(isinstance(v, int | float) and not isinstance(v, bool) for v in levels)
        return Categorical(name, required, levels, table, numbers)
    if kind in ("number", "integer"):
        low = _bound(name, "minimum", constraints.get("minimum", -_FLOAT32))
        high = _bound(name, "maximum", constraints.get("maximum", _FLOAT32))
        if low > high:
            raise SchemaError(f"field {name!r} has a minimum above its maximum")
        return Numeric(name, kind == "integer", required, missing, low, high)
    raise SchemaError(
        f"field {name!r} of type {kind!r} can't be a feature: give it constraints.enum (a category)"
        " or the type number, integer or boolean, name it in primaryKey, or leave it out"
    )


def _levels(name: str, enum: Any) -> tuple[Level, ...]:
    if not isinstance(enum, list) or not enum:
        raise SchemaError(f"field {name!r} has an empty enum, or one that is no list")
    if not all(isinstance(level, str | int | float) for level in enum):
        raise SchemaError(f"field {name!r}: enum may hold strings, numbers, true and false")
    if len(set(map(str, enum))) < len(enum):
        raise SchemaError(f"field {name!r} lists a level twice in its enum")
    return tuple(enum)


def _bound(name: str, which: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= _FLOAT32:
            return float(value)
        raise SchemaError(f"field {name!r}: {which} is beyond the range of float32")
    raise SchemaError(f"field {name!r}: {which} must be a number, not {value!r}")


def _forms(level: Level, field: Mapping[str, Any]) -> tuple[object, ...]:
    """A level as JSON gives it and as it may stand in a CSV."""
    if isinstance(level, bool):
        key, usual = ("trueValues", _TRUE) if level else ("falseValues", _FALSE)
        text = field.get(key, usual)
        if not isinstance(text, list | tuple) or not all(isinstance(word, str) for word in text):
            raise SchemaError(f"field {field['name']!r}: {key} must be a list of strings")
        return (level, *text)
    return (level, str(level))
