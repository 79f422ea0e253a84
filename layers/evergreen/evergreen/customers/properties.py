"""What the properties of a Table Schema say; those that are not honoured are refused by name.

Versions 1 and 2 of the Table Schema are read (https://datapackage.org/standard/table-schema/). What
is prose changes no meaning and passes, as does a property of one's own that begins with `x-`.
"""

from collections.abc import Collection, Mapping, Sequence
from math import floor, inf, nextafter
from typing import Any, NamedTuple

from evergreen.customers.levels import Level
from evergreen.customers.names import CHURNED, OBSERVED_AT, PREDICTION_ID, meant
from evergreen.customers.numbers import FLOAT32, PLAIN, NumberFormat
from evergreen.customers.values import plain
from evergreen.errors import SchemaError

NUMBERS = ("number", "integer")
BOUNDS = frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])

_OWN = ("x-", "evergreen:")
_PROSE = ("name", "title", "description", "example", "examples", "$schema")
_OF_SCHEMA = (
    *("fields", "missingValues", "primaryKey", "target", "segments"),
    *(*_PROSE, "id", "profile", "version", "created", "homepage", "image", "keywords"),
    *("sources", "licenses", "contributors"),
)
_OF_FIELD = (*_PROSE, "type", "rdfType", "constraints", "missingValues", "categoriesOrdered")
_OF_TYPE = {
    "decimalChar": NUMBERS,
    "groupChar": NUMBERS,
    "bareNumber": NUMBERS,
    "trueValues": ("boolean",),
    "falseValues": ("boolean",),
}
_UNCHECKED = ("unique", "minLength", "maxLength", "pattern", "jsonSchema")
_TYPES = (
    *("string", "number", "integer", "boolean", "year", "any", "date", "time", "datetime"),
    *("yearmonth", "duration", "geopoint", "geojson", "object", "array", "list"),
)
_TRUE, _FALSE = ("true", "True", "TRUE", "1"), ("false", "False", "FALSE", "0")
_LEAVE = "leave it out, and see to it before the data comes here"


def check_schema(document: Mapping[str, Any]) -> None:
    """Check the properties of a schema apart from those of its fields.

    Raises:
        SchemaError: one of them is not honoured; the message names it and says what to do.

    """
    for name, value in document.items():
        if name in ("foreignKeys", "uniqueKeys"):
            if value:
                raise SchemaError(f"the schema's {name!r} are not checked here: {_LEAVE}")
        elif name == "fieldsMatch":
            if value not in ("exact", ["exact"], "partial", ["partial"]):
                raise SchemaError(
                    f"the schema's 'fieldsMatch' is {value!r}: leave it out. Columns are matched by"
                    " name in any order, others are ignored, and optional ones may be absent"
                )
        else:
            _check_known("the schema", name, _OF_SCHEMA)


def primary_key(
    document: Mapping[str, Any], fields: Collection[str], target: str
) -> tuple[str, ...]:
    """Return the names of the fields that tell customers apart.

    Raises:
        SchemaError: they are no fields beside the target; or, among the columns of a file of
            outcomes, one of them or the target would mean something else as well.

    """
    key = document.get("primaryKey") or []
    names = [key] if isinstance(key, str) else key
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SchemaError("'primaryKey' must be the name of a field, or a list of names")
    for name in names:
        if name not in fields or name == target:
            raise SchemaError(f"primaryKey names {name!r}, which is no field beside the target")
    for role, name in [("target", target), *(("primary key", name) for name in names)]:
        if name in (PREDICTION_ID, OBSERVED_AT) or (name == CHURNED and name != target):
            raise SchemaError(
                f"the {role}'s field is called {name!r}, as is what else an outcome says: rename it"
                " in the schema and in the files"
            )
    return tuple(names)


def segments(document: Mapping[str, Any], categories: Collection[str]) -> str | None:
    """Return the category whose levels drift judges one by one, None where none is named.

    Args:
        document: the schema.
        categories: the names of the features that are categories.

    Raises:
        SchemaError: what is named is none of them.

    """
    name = document.get("segments")
    if name is None or (isinstance(name, str) and name in categories):
        return name
    near = meant(name, categories) if isinstance(name, str) else None
    advice = f"did you mean {near!r}?" if near else f"those are {', '.join(categories) or 'none'}"
    raise SchemaError(
        f"the schema's 'segments' must name one feature that is a category, not {name!r}; {advice}"
    )


def check_field(field: Mapping[str, Any]) -> None:
    """Check the properties of the target's field or a feature's; raises SchemaError."""
    _check_properties(field, (*_OF_FIELD, *_OF_TYPE, "categories"))
    known = ("required", "enum", *BOUNDS)
    for name, value in _constraints(field).items():
        _check_constraint(field, name, value, known)


def check_key(field: Mapping[str, Any], *, alone: bool) -> None:
    """Check the properties of a field of the primary key; raises SchemaError.

    It may be `required`, and `unique` where it is the whole key: that is what a primary key is.
    """
    _check_properties(field, (*_OF_FIELD, *_OF_TYPE))
    known = ("required", "unique") if alone else ("required",)
    for name, value in _constraints(field).items():
        _check_constraint(field, name, value, known)


def _check_properties(field: Mapping[str, Any], known: Collection[str]) -> None:
    who, kind = f"field {field['name']!r}", field.get("type", "string")
    if kind not in _TYPES:
        near = meant(kind, _TYPES) if isinstance(kind, str) else None
        advice = f"did you mean {near!r}?" if near else f"the types are {', '.join(_TYPES)}"
        raise SchemaError(f"{who} is of type {kind!r}, which there is not; {advice}")
    for name, value in field.items():
        if name == "format":
            if value != "default":
                raise SchemaError(f"{who}: the format {value!r} is not honoured: {_LEAVE}")
        else:
            _check_known(who, name, known)
        if name in _OF_TYPE and kind not in _OF_TYPE[name]:
            of = " or ".join(_OF_TYPE[name])
            raise SchemaError(f"{who}: {name!r} is for fields of type {of}, not {kind}")


def _constraints(field: Mapping[str, Any]) -> Mapping[str, Any]:
    constraints = field.get("constraints", {})
    if not isinstance(constraints, dict):
        raise SchemaError(f"field {field['name']!r}: 'constraints' must be an object")
    for name in ("required", "unique"):
        if not isinstance(constraints.get(name, False), bool):
            raise SchemaError(f"field {field['name']!r}: {name!r} must be true or false")
    return constraints


def _check_constraint(
    field: Mapping[str, Any], name: str, value: object, known: Collection[str]
) -> None:
    if name in known or (name == "unique" and not value):
        return
    who = f"field {field['name']!r}, constraints"
    if name in (*_UNCHECKED, "enum", *BOUNDS):
        raise SchemaError(f"{who}: {name!r} is not checked here: {_LEAVE}")
    _check_known(who, name, known)


def _check_known(who: str, name: str, known: Collection[str]) -> None:
    if name in known or name.startswith(_OWN):
        return
    near = meant(name, known)
    advice = f"did you mean {near!r}?" if near else "leave it out, or let its name begin with 'x-'"
    raise SchemaError(f"{who} has the property {name!r}, which is not honoured; {advice}")


class Range(NamedTuple):
    """Which numbers a field may hold."""

    low: float
    high: float
    open: tuple[bool, bool]
    """Whether low and high are the numbers next to a bound that is itself excluded."""


def missing_values(
    descriptor: Mapping[str, Any], inherited: frozenset[object] = frozenset()
) -> frozenset[object]:
    """Return the texts that stand for a missing value, and None; blank text always is among them.

    Args:
        descriptor: a schema or a field; its entries may have labels.
        inherited: what holds where the descriptor states none.

    Raises:
        SchemaError: they are no list of texts.

    """
    who = "" if "fields" in descriptor else f"field {descriptor['name']!r}: "
    if "missingValues" not in descriptor:
        return inherited | {None, ""}
    values = descriptor["missingValues"]
    if not isinstance(values, list):
        raise SchemaError(f"{who}'missingValues' must be a list of strings")
    texts = [_value(entry) for entry in values]
    if not all(isinstance(text, str) for text in texts):
        raise SchemaError(
            f"{who}'missingValues' must be a list of strings, or of objects with 'value' and"
            " 'label'; numbers are written as strings too"
        )
    return frozenset([None, "", *texts, *map(plain, texts)])


def number_format(field: Mapping[str, Any]) -> NumberFormat:
    """Return how a field's numbers are written as text; raises SchemaError."""
    who = f"field {field['name']!r}"
    group = field.get("groupChar", PLAIN.group)
    usual = "," if field.get("type") == "integer" and group == "." else "."  # it has no decimalChar
    decimal = field.get("decimalChar", usual)
    bare = field.get("bareNumber", True)
    for name, sign in (("decimalChar", decimal), ("groupChar", group or " ")):
        if not isinstance(sign, str) or len(sign) != 1 or sign.isalnum() or sign in "+-":
            raise SchemaError(f"{who}: {name!r} must be one sign, not {sign!r}")
    if decimal == group:
        raise SchemaError(f"{who}: decimalChar and groupChar can't both be {decimal!r}")
    if not isinstance(bare, bool):
        raise SchemaError(f"{who}: 'bareNumber' must be true or false")
    stated = NumberFormat(decimal, group or "", bare)
    return PLAIN if stated == PLAIN else stated


def levels(field: Mapping[str, Any]) -> tuple[Level, ...] | None:
    """Return the levels of a category, None where a field is none; raises SchemaError."""
    name, constraints = field["name"], field.get("constraints", {})
    found: tuple[Level, ...] | None = (False, True) if field.get("type") == "boolean" else None
    if "categories" in field:
        found = _levels(name, "categories", field["categories"])
    if "enum" in constraints:
        wide, found = found, _levels(name, "enum", constraints["enum"])
        other = [level for level in found if wide is not None and level not in wide]
        if other:
            raise SchemaError(f"field {name!r}: {other[0]!r} is in its enum, but no such level")
    if found is not None and not set(BOUNDS).isdisjoint(constraints):
        low, high, _ = limits(field)
        for level in found:
            if not isinstance(level, int | float) or not low <= level <= high:
                raise SchemaError(f"field {name!r}: its level {level!r} is out of its own bounds")
    return found


def words(field: Mapping[str, Any]) -> dict[bool, Sequence[str]]:
    """Return the texts that stand for true and for false; raises SchemaError."""
    usual = {True: ("trueValues", _TRUE), False: ("falseValues", _FALSE)}
    own: dict[bool, list[str]] = {}
    for truth, (name, _) in usual.items():
        if name in field:
            texts = field[name]
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise SchemaError(f"field {field['name']!r}: {name} must be a list of strings")
            own[truth] = texts
    twice = sorted(set(own.get(True, ())) & set(own.get(False, ())))
    if twice:
        raise SchemaError(f"field {field['name']!r}: {twice[0]!r} is both true and false")
    return {
        truth: own.get(truth) or [text for text in texts if text not in own.get(not truth, ())]
        for truth, (_, texts) in usual.items()
    }


def limits(field: Mapping[str, Any]) -> Range:
    """Return the bounds of a number; raises SchemaError."""
    name, constraints = field["name"], field.get("constraints", {})
    whole = field.get("type") != "number"
    bounds = {
        which: _bound(name, which, constraints[which]) for which in BOUNDS & constraints.keys()
    }
    low, high = bounds.get("minimum", -FLOAT32), bounds.get("maximum", FLOAT32)
    above, below = bounds.get("exclusiveMinimum", -inf), bounds.get("exclusiveMaximum", inf)
    is_open = (above >= low and not whole, below <= high and not whole)
    if above >= low:
        low = floor(above) + 1.0 if whole else nextafter(above, inf)
    if below <= high:
        high = -floor(-below) - 1.0 if whole else nextafter(below, -inf)
    if low > high:
        raise SchemaError(f"field {name!r} has a minimum above its maximum")
    return Range(low, high, is_open)


def _bound(name: str, which: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= FLOAT32:
            return float(value)
        raise SchemaError(f"field {name!r}: {which} is beyond the range of float32")
    raise SchemaError(f"field {name!r}: {which} must be a number, not {value!r}")


def _levels(name: str, which: str, values: Any) -> tuple[Level, ...]:
    if not isinstance(values, list) or not values:
        raise SchemaError(f"field {name!r} has an empty {which}, or one that is no list")
    found = tuple(map(_value, values)) if which == "categories" else tuple(values)
    if not all(isinstance(level, str | int | float) for level in found):
        raise SchemaError(f"field {name!r}: {which} may hold strings, numbers, true and false")
    if len(set(map(str, found))) < len(found) or len(set(found)) < len(found):
        raise SchemaError(f"field {name!r} lists a level twice in its {which}")
    return found


def _value(entry: Any) -> Any:
    """Return the value of an entry that may have a label, which is for people."""
    if isinstance(entry, dict) and "value" in entry and entry.keys() <= {"value", "label"}:
        return entry["value"]
    return entry
