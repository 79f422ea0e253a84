"""What a single field of a customer may hold, and the number that each of its values becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evergreen.errors import SchemaError

UNSEEN = -1.0
"""The code of a category that the schema does not list."""

_NAN = float("nan")
_INF = float("inf")
_FLOAT32 = float(np.finfo(np.float32).max)
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
            if bool not in set(map(type, values)):
                return [_NAN if v in missing else float(v) for v in values]  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            pass  # at least one value is no number: find out which
        return [self._code(value) for value in values]

    def _code(self, value: object) -> float:
        try:
            if value in self.missing:
                return _NAN
            return _INF if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return _INF

    @property
    def expected(self) -> str:
        """What a value has to be, in words."""
        kind = "a whole number" if self.integer else "a number"
        low, high = self.low > -_FLOAT32, self.high < _FLOAT32
        if low and high:
            return f"{kind} from {self.low:g} to {self.high:g}"
        if low:
            return f"{kind} of at least {self.low:g}"
        return f"{kind} of at most {self.high:g}" if high else kind

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
    levels: tuple[str | int | float | bool, ...]
    table: Mapping[object, float]

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
            return [get(value, UNSEEN) for value in values]
        except TypeError:  # a list or an object, which can't be looked up and is no level
            return [UNSEEN if isinstance(v, list | dict | set) else get(v, UNSEEN) for v in values]

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
    required = bool(constraints.get("required", False))
    if "enum" in constraints or kind == "boolean":
        levels = tuple(constraints.get("enum", (False, True)))
        if not levels:
            raise SchemaError(f"field {name!r} has an empty enum")
        table: dict[object, float] = dict.fromkeys(missing, _NAN)
        for code, level in enumerate(levels):
            for form in _forms(level, field):
                table[form] = float(code)
        return Categorical(name, required, levels, table)
    if kind in ("number", "integer"):
        low = float(constraints.get("minimum", -_FLOAT32))
        high = float(constraints.get("maximum", _FLOAT32))
        if low > high:
            raise SchemaError(f"field {name!r} has a minimum above its maximum")
        return Numeric(name, kind == "integer", required, missing, low, high)
    raise SchemaError(
        f"field {name!r} of type {kind!r} can't be a feature: give it constraints.enum (a category)"
        " or the type number, integer or boolean, name it in primaryKey, or leave it out"
    )


def _forms(level: str | int | float | bool, field: Mapping[str, Any]) -> tuple[object, ...]:
    """A level as JSON gives it and as it may stand in a CSV."""
    if isinstance(level, bool):
        text = field.get("trueValues", _TRUE) if level else field.get("falseValues", _FALSE)
        return (level, *text)
    return (level, str(level))
