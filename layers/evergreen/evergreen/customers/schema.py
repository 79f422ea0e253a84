"""Customers → one float32 matrix, as a Table Schema describes them.

A schema is a Frictionless Table Schema (https://specs.frictionlessdata.io/table-schema/) plus
`target: {field, positive}`. Every field but the target and the primary key is a feature: one with
`enum` (or of type boolean) is categorical, a `number` or `integer` without is numeric.

Training, serving, scoring, explaining and drift all read customers through `Schema.encode`, so
they can't disagree on what a value means. A value means the same as JSON and as the text of a CSV.

A field that the schema does not know is ignored: clients may send it before a model learns from it,
and after. A slip for a field that is not there is refused, as it would pass for a missing one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import replace
from math import ceil, floor, isnan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evergreen.customers.features import (
    UNSEEN,
    Categorical,
    Feature,
    Key,
    Numeric,
    parse_feature,
    parse_key,
    short,
)
from evergreen.customers.given import Given
from evergreen.customers.levels import Level
from evergreen.customers.names import meant
from evergreen.customers.numbers import NumberFormat
from evergreen.customers.properties import check_schema, missing_values, primary_key, segments
from evergreen.customers.value import Campaign
from evergreen.errors import Problem, SchemaError

Matrix = npt.NDArray[np.float32]
"""Encoded customers, shape (rows, features): numbers, codes of categories, NaN where missing."""

UNKNOWN = (
    "A field that the model does not know is ignored, and named in the answer's `ignored_fields`;"
    " one whose name is a slip for an absent field is refused, and so are unknown fields where none"
    " of the model's features is given. If it is no slip, give the absent field as null."
)
"""What becomes of unknown fields, in words for those who send them."""

VARIANTS = (
    "The values as JSON has them. Each may also come as the cell of a CSV: as text of at most 1,000"
    ' characters, in other capitals or among spaces. `"12"` is 12, `"Yes"` the level `yes`, blank'
    ' null, `"true"` and `"1"` are true, or what words the schema has for it. Text of digits may be'
    ' a number as well: 1 for the level `"1"`, or for true. Of a name that is given twice the last'
    " value counts."
)
"""What else is taken for a value, in words: a JSON Schema could not say it."""

_SHOWN = 20  # names of fields that a message names
_NO_FIELD = "is not a field of the schema"


class Encoded(NamedTuple):
    """A matrix and what was wrong with the values behind it.

    A category that the schema does not list is `UNSEEN` in the matrix, and whatever else is wrong
    is NaN there; both are also in `problems`.
    """

    matrix: Matrix
    problems: list[Problem]


class Schema:
    """A parsed schema document: which columns are features, and how their values become numbers."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Parse a schema document.

        Raises:
            SchemaError: the document is not a Table Schema with a target; the message names the
                field and what it lacks.

        """
        self.document = document
        fields = _fields(document)
        check_schema(document)
        self.missing = missing_values(document)
        self.fields = tuple(fields)
        self._outcome, self._left = _target(document, fields, self.missing)
        self.target = self._outcome.name
        self.positive: Level = self._outcome.levels[int(self._left)]
        self.primary_key = primary_key(document, fields, self.target)
        self.keys = tuple(
            parse_key(fields[name], self.missing, alone=len(self.primary_key) == 1)
            for name in self.primary_key
        )
        self.features: tuple[Feature, ...] = tuple(
            parse_feature(field, self.missing)
            for name, field in fields.items()
            if name != self.target and name not in self.primary_key
        )
        if not self.features:
            raise SchemaError("the schema has no field left that could be a feature")
        self.feature_names = tuple(feature.name for feature in self.features)
        categories = [feature.name for feature in self.features if isinstance(feature, Categorical)]
        self.segments = segments(document, categories)
        numbers = {f.name: i for i, f in enumerate(self.features) if isinstance(f, Numeric)}
        self.campaign = Campaign.parse(document["target"], numbers)
        own = ("decimalChar", "groupChar")
        self.stated = {name for name, field in fields.items() if any(key in field for key in own)}
        self._inputs = dict.fromkeys((*self.primary_key, *self.feature_names)).keys()
        self._bounds = [(f.low, f.high, f.integer, f.required) for f in self.features]
        self._low = np.array([feature.low for feature in self.features])
        self._high = np.array([feature.high for feature in self.features])
        self._fractional = np.array([not feature.integer for feature in self.features])
        self._required = np.array([feature.required for feature in self.features])
        self.categorical = np.array([isinstance(f, Categorical) for f in self.features])

    @classmethod
    def parse(cls, text: bytes | str) -> "Schema":
        """Parse a schema from the text of its JSON document; raises SchemaError."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise SchemaError(f"the schema is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise SchemaError("the schema must be a JSON object with 'fields' and 'target'")
        return cls(document)

    def reading(self, formats: Mapping[str, NumberFormat]) -> "Schema":
        """Return the schema that reads the text of numbers in these fields as a file writes it.

        A field that states its own decimalChar or groupChar stays as it is, as does all JSON.
        """

        def read[Field: (Feature, Key)](field: Field) -> Field:
            if isinstance(field, Categorical) or field.name not in formats.keys() - self.stated:
                return field
            return replace(field, format=replace(formats[field.name], bare=field.format.bare))

        other = copy(self)
        other.features = tuple(map(read, self.features))
        other.keys = tuple(map(read, self.keys))
        return other

    def encode(self, columns: Mapping[str, Sequence[object]], rows: int) -> Encoded:
        """Encode customers given by column.

        Args:
            columns: for each feature its values, `rows` of them; a feature that is not there is
                missing in every row, and other columns are ignored.
            rows: how many customers there are.

        Returns:
            The matrix, shape (rows, features), and the problems in order of their rows.

        """
        absent = [None] * rows
        codes = np.empty((len(self.features), rows))
        for own, feature in zip(codes, self.features, strict=True):
            own[:] = feature.codes(columns.get(feature.name, absent))
        exact = codes.T
        fits = (exact >= self._low) & (exact <= self._high)
        fits &= self._fractional | (exact == np.rint(exact))
        if np.count_nonzero(fits) == fits.size:
            return Encoded(np.ascontiguousarray(exact, dtype=np.float32), [])  # as most are
        missing = np.isnan(exact)
        wrong = np.where(missing, self._required, ~fits)
        if not wrong.any():
            return Encoded(np.ascontiguousarray(exact, dtype=np.float32), [])
        problems: list[Problem] = []
        for row, j in np.argwhere(wrong).tolist():
            feature = self.features[j]
            if missing[row, j]:
                message = f"is required: expected {feature.expected}"
            else:
                value = columns[feature.name][row]
                message = feature.complaint(value, len(problems))
            problems.append(Problem(row, feature.name, message))
        exact = np.where(wrong & ~(self.categorical & (exact == UNSEEN)), np.nan, exact)
        return Encoded(np.ascontiguousarray(exact, dtype=np.float32), problems)

    def encode_rows(self, rows: Sequence[Mapping[str, object]]) -> Encoded:
        """Encode customers given one by one; `mistakes` in their fields' names are problems."""
        return self.encode_given(Given(rows))

    def encode_given(self, given: Given) -> Encoded:
        """Do what `encode_rows` does."""
        if len(given) == 1 and (row := self._fitting(given.rows[0])) is not None:
            return Encoded(row, [])
        columns = given.columns(self._inputs)
        matrix, problems = self.encode(columns, len(given))
        told = given.told(self.mistakes)
        mistaken = [
            Problem(index, name, message)
            for index, mistakes in enumerate(told if any(told) else ())
            for name, message in mistakes
        ]
        keyless = [
            Problem(index, key.name, f"expected {key.expected}, got {short(values[index])}")
            for key in self.keys
            for values in [columns.get(key.name, ())]
            for index in key.unfit(values)
        ]
        if mistaken or keyless:
            problems = sorted([*mistaken, *keyless, *problems], key=lambda p: p.row)
        return Encoded(matrix, problems)

    def _fitting(self, customer: Mapping[str, object]) -> Matrix | None:
        """Encode one customer who fits, in half the time; None for whoever may not."""
        known = not self.mistakes(customer.keys())
        if not (known and all(key.fits(customer.get(key.name)) for key in self.keys)):
            return None
        codes: list[float] = []
        for feature, bounds in zip(self.features, self._bounds, strict=True):
            low, high, integer, required = bounds
            code = feature.code(customer.get(feature.name))
            fits = low <= code <= high and (not integer or code.is_integer())
            if not fits and (required or not isnan(code)):
                return None
            codes.append(code)
        return np.array([codes], np.float32)

    def unknown(self, names: AbstractSet[str]) -> tuple[str, ...]:
        """Return those names, sorted, that a prediction ignores; the target's is among them."""
        return () if names <= self._inputs else tuple(sorted(names - self._inputs))

    def mistakes(self, names: AbstractSet[str]) -> list[tuple[str, str]]:
        """Return names that can't be ignored, each with the reason.

        They are slips for fields that are absent (see `names.meant`), or all of them where none is
        a feature's. Whoever does mean another field gives the absent one as well, as missing.
        """
        strangers = [name for name in self.unknown(names) if name != self.target]
        if not strangers:
            return []
        absent = [name for name in self._inputs if name not in names]
        slips = {name: field for name in strangers if (field := meant(name, absent))}
        found = {name: f"{_NO_FIELD}; did you mean {field!r}?" for name, field in slips.items()}
        if names.isdisjoint(self.feature_names):
            more = len(self.feature_names) - _SHOWN
            others = f" and {more:,} more" if more > 0 else ""
            known = ", ".join(self.feature_names[:_SHOWN])
            none = f"{_NO_FIELD}, and none else is: they are {known}{others}"
            found = {name: found.get(name, none) for name in strangers}
        return list(found.items())

    def labels(self, values: Iterable[object]) -> tuple[npt.NDArray[np.bool_], list[Problem]]:
        """Whether each customer left, shape (rows,), from the values of the target's column."""
        values = list(values)
        codes = np.array(self._outcome.codes(values), dtype=np.float64)
        problems = [
            Problem(row, self.target, self._outcome.complaint(values[row], told))
            for told, row in enumerate(np.flatnonzero(~(codes >= 0)).tolist())
        ]
        return codes == self._left, problems

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of one customer, as a request gives it."""
        described = {field["name"]: field for field in self.document["fields"]}
        return {
            "title": "Customer",
            "description": VARIANTS,
            "type": "object",
            "properties": {
                field.name: field.json_schema() | _prose(described[field.name])
                for field in (*self.keys, *self.features)
            },
            "required": [feature.name for feature in self.features if feature.required],
            "additionalProperties": {"description": UNKNOWN},
            "examples": [self.example()],
        }

    def example(self) -> dict[str, object]:
        """Return a customer who fits: the fields' own examples, and whatever else is required."""
        own = {f["name"]: f["example"] for f in self.document["fields"] if "example" in f}
        given = {name: own[name] for name in self._inputs if name in own}
        unfit = {problem.field for problem in self.encode_rows([given]).problems}
        derived = {f.name: _sample(f) for f in self.features if f.name in unfit}
        fit = given | derived
        return {name: fit[name] for name in self._inputs if name in fit}


def _fields(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    fields = document.get("fields")
    if not isinstance(fields, list) or not fields:
        raise SchemaError("the schema needs 'fields', a list of {name, type, constraints}")
    named: dict[str, Mapping[str, Any]] = {}
    for index, field in enumerate(fields):
        if not isinstance(field, dict) or not isinstance(field.get("name"), str):
            raise SchemaError(f"fields[{index}] needs a 'name'")
        if field["name"] in named:
            raise SchemaError(f"two fields are named {field['name']!r}")
        named[field["name"]] = field
    return named


def _target(
    document: Mapping[str, Any],
    fields: Mapping[str, Mapping[str, Any]],
    missing: frozenset[object],
) -> tuple[Categorical, float]:
    """Return the target's field and the code of its positive outcome."""
    target = document.get("target")
    if not isinstance(target, dict) or not {"field", "positive"} <= target.keys():
        raise SchemaError(
            "the schema needs 'target': {'field': the column that says who left,"
            " 'positive': its value for those who did}"
        )
    name, positive = target["field"], target["positive"]
    if not isinstance(name, str) or name not in fields:
        raise SchemaError(f"target names {name!r}, which is not among the fields")
    outcome = parse_feature(fields[name], missing)
    if not isinstance(outcome, Categorical):
        raise SchemaError(f"the target {name!r} needs constraints.enum: its outcomes")
    (code,) = outcome.codes([positive])
    if not code >= 0:
        raise SchemaError(f"the target's positive is {positive!r}, but not {outcome.expected}")
    return outcome, code


def _sample(feature: Feature) -> Level:
    """Return a value that fits: the first level, or a number near zero, a whole one if there is."""
    if isinstance(feature, Categorical):
        return feature.levels[0]
    nearest = min(max(feature.low, 0.0), feature.high)
    whole = ceil(nearest) if nearest > 0 else floor(nearest)
    return whole if feature.integer or feature.low <= whole <= feature.high else nearest


def _prose(field: Mapping[str, Any]) -> dict[str, Any]:
    prose = {key: field[key] for key in ("title", "description") if key in field}
    return prose | ({"examples": [field["example"]]} if "example" in field else {})
