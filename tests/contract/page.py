"""What the page of the API says of customers and outcomes: in JSON Schemas, and in words elsewhere.

The words are read here once more, apart from the code that they describe.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from math import isinf
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import jsonschema

from evergreen.customers.values import folded, plain

is_key = re.compile("[!-~]{1,255}").fullmatch
"""Matches what an `Idempotency-Key` may be."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WORDS = {True: ("true", "1"), False: ("false", "0")}
_EXPLAIN = {"explain": ("true", "false")}
_OPTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "/predict": _EXPLAIN,
    "/predict/batch": _EXPLAIN | {"on_invalid": ("refuse", "skip")},
    "/outcomes": {},
}
_LONGEST = 1_000
_NO_FIELD = "is not a field of the schema"


class Page:
    """The part of a page that is about customers and what became of them."""

    def __init__(self, page: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        """Read a page.

        Args:
            page: the OpenAPI document.
            document: the model's schema, for its own words for true and false.

        """
        self._customer = page["components"]["schemas"]["Customer"]
        self._valid = jsonschema.Draft202012Validator(self._customer)
        self._most = page["components"]["schemas"]["Customers"]["maxItems"]
        self._fields = self._customer["properties"]
        self._keys = {n for n, value in self._fields.items() if isinstance(value.get("type"), list)}
        self._validators = {
            name: jsonschema.Draft202012Validator(value) for name, value in self._fields.items()
        }
        self._words = {field["name"]: _words(field) for field in document["fields"]}
        schemas = page["components"]["schemas"]
        names = [each["$ref"].rpartition("/")[2] for each in schemas["Outcome"]["oneOf"]]
        kinds = [schemas[name] for name in names]
        self._outcome = jsonschema.Draft202012Validator({"oneOf": kinds})
        self._churned = kinds[0]["properties"]["churned"]
        self._left = self._words[document["target"]["field"]] | {"true": True, "false": False}

    @staticmethod
    def asks(query: str, headers: Mapping[str, str], path: str) -> bool:
        """Whether there is nothing else in a request's address and key than there may be."""
        options = _OPTIONS[path]
        given = parse_qsl(query, keep_blank_values=True)
        key = next((v for name, v in headers.items() if name.lower() == "idempotency-key"), "none")
        return (
            len(given) == len(dict(given))
            and all(value.lower() in options.get(name, ()) for name, value in given)
            and is_key(key.strip(" \t")) is not None
        )

    def takes(self, body: object, *, batch: bool, skipping: bool = False) -> bool:
        """Whether a body is one that is answered."""
        if not batch:
            return self._takes(body)
        if not isinstance(body, list) or not 0 < len(body) <= self._most:
            return False
        return all(isinstance(c, dict) if skipping else self._takes(c) for c in body)

    def takes_outcomes(self, body: object) -> bool:
        """Whether a body is one of outcomes that are kept."""
        if not isinstance(body, list) or not 0 < len(body) <= self._most:
            return False
        return all(isinstance(each, dict) and self._takes_outcome(each) for each in body)

    def excuses(self, customers: list[Any], errors: list[dict[str, Any]]) -> bool:
        """Whether all that is wrong with customers whom the JSON Schema takes are their names."""
        return bool(errors) and all(self._slip(customers[e["index"]], e) for e in errors)

    def _takes(self, customer: object) -> bool:
        if not isinstance(customer, dict):
            return False
        read = {name: self._read(name, value) for name, value in customer.items()}
        return self._valid.is_valid(read)

    def _takes_outcome(self, outcome: Mapping[str, Any]) -> bool:
        read = dict(outcome)
        if "churned" in read:
            valid = jsonschema.Draft202012Validator(self._churned).is_valid
            variants = _variants(read["churned"], self._churned, self._left)
            read["churned"] = next(filter(valid, variants), read["churned"])
        for name, is_right in (("prediction_id", _is_id), ("observed_at", _is_time)):
            if isinstance(read.get(name), str) and not is_right(plain(read[name])):
                return False
        if isinstance(key := read.get("key"), dict):
            bare = {name: plain(v) if isinstance(v, str) else v for name, v in key.items()}
            return self._outcome.is_valid(read) and self._outcome.is_valid({**read, "key": bare})
        return self._outcome.is_valid(read)

    def _read(self, name: str, value: object) -> object:
        """Return what a value is taken for."""
        if name not in self._fields or name in self._keys:
            return value
        variants = _variants(value, self._fields[name], self._words.get(name, {}))
        return next(filter(self._validators[name].is_valid, variants), value)

    def _slip(self, customer: Mapping[str, Any], error: Mapping[str, Any]) -> bool:
        name, message = error["field"], error["message"]
        if name in self._fields or name not in customer or not message.startswith(_NO_FIELD):
            return False
        meant = re.search(r"did you mean '(.*)'\?$", message)
        if meant:
            return meant[1] in self._fields and meant[1] not in customer
        return customer.keys().isdisjoint(self._fields.keys() - self._keys)


def parse(body: bytes | str | None) -> object:
    """Parse JSON as RFC 8259 has it; raises ValueError."""

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is no JSON")

    def number(text: str) -> float:
        found = float(text)
        if isinf(found):
            raise ValueError(f"{text} is beyond all readers of JSON")
        return found

    return json.loads(body or b"", parse_constant=refuse, parse_float=number)


def _is_id(text: str) -> bool:
    """Whether a text is a UUID in its usual form, and of no time to come."""
    try:
        own = UUID(text)
    except ValueError:
        return False
    made = (own.int >> 80) / 1_000
    return str(own) == text.lower() and (own.int >> 76 & 15 != 7 or made < time.time() + 300)


def _is_time(text: str) -> bool:
    """Whether a text is blank or a time that has come."""
    try:
        seen = datetime.fromisoformat(text or "2000-01-01")
        return (seen if seen.tzinfo else seen.replace(tzinfo=UTC)).timestamp() < time.time() + 300
    except (ValueError, OverflowError):
        return False


def _variants(
    value: object, field: Mapping[str, Any], words: Mapping[str, bool]
) -> Iterator[object]:
    yield value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return
    if isinstance(value, str):
        if len(value) > _LONGEST:
            return
        text = plain(value)
        yield text or None
        if _NUMBER.fullmatch(text):
            yield float(text)
    else:
        text = str(int(value) if value == int(value) else value)
        yield float(value) if abs(value) < 1e308 else value  # as most readers of JSON have it
    if folded(text) in words:
        yield words[folded(text)]
    for level in _levels(field):
        if isinstance(level, str | int | float) and folded(str(level)) == folded(text):
            yield level


def _levels(field: Mapping[str, Any]) -> Iterator[object]:
    for part in (field, *field.get("anyOf", ())):
        yield from part.get("enum", ())


def _words(field: Mapping[str, Any]) -> dict[str, bool]:
    """Return what stands for true and false in a field."""
    if field.get("type") != "boolean":
        return {}
    names = {True: "trueValues", False: "falseValues"}
    return {folded(w): truth for truth, of in names.items() for w in field.get(of, _WORDS[truth])}
