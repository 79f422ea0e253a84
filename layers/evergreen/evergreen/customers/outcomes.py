"""What became of customers: outcomes as requests and files have them → their one normal form.

An outcome says of a prediction, by its id, or of a customer, by the primary key, whether the
customer left, and when that was seen.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, NotRequired, TypedDict

from evergreen.customers.features import Categorical, Key, parse_feature, short
from evergreen.customers.identity import identities
from evergreen.customers.names import CHURNED, KEY, OBSERVED_AT, PREDICTION_ID, meant
from evergreen.customers.schema import Schema
from evergreen.customers.values import folded, plain
from evergreen.errors import Problem, TableError

FIELDS = (PREDICTION_ID, KEY, CHURNED, OBSERVED_AT)
"""Of an outcome as a request has it."""

SLACK = timedelta(minutes=5)
"""So much another clock may be ahead of ours."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_REMEMBERED = 10_000  # values of a field that need not be read again
_SHOWN = 100  # characters of a name in a message
_TIME = "a date or a date-time as ISO 8601 has it: 2026-05-31 or 2026-05-31T17:00:00+02:00"
_BY = "by the field prediction_id, or by the fields of the primary key"


class Outcome(TypedDict):
    """The normal form; either the id or the key is there."""

    received_at: str
    """In UTC with all six decimals, as is `observed_at`: such texts sort by time."""
    observed_at: str
    churned: bool
    prediction_id: NotRequired[str]
    key: NotRequired[dict[str, str]]
    """As `Key.text` has the values: for `identity.identities`."""


class _Wrong(str):
    """Why a value is refused."""

    __slots__ = ()


class Reader:
    """Reads outcomes of the customers of a schema that are received at the same time."""

    def __init__(self, schema: Schema, received_at: datetime) -> None:
        """Prepare for outcomes of which those without a time are seen as they are received."""
        self._schema = schema
        self._received_at, self._latest = received_at, received_at + SLACK
        self._received = _iso(received_at)
        self._target = outcome_field(schema)
        (self._left,) = self._target.codes([schema.positive])
        self._churned = _each(self._read_churned)
        self._label = _each(self._read_label)
        self._observed = _each(self._read_observed)

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that a file may have."""
        names = (PREDICTION_ID, *self._schema.primary_key, self._schema.target, CHURNED)
        return tuple(dict.fromkeys((*names, OBSERVED_AT)))

    def check(self, names: Collection[str]) -> None:
        """Check the names of a file's columns; raises TableError where needed ones are lacking."""
        schema, needed = self._schema, {*names}
        target = dict.fromkeys((schema.target, CHURNED))
        if len(target) > 1 and target.keys() <= needed:
            raise TableError(
                f"there are columns {schema.target!r} and {CHURNED!r}, which both say who left:"
                " leave one out"
            )
        lacking = [] if needed & target.keys() else [*target]
        message = f"the header lacks {' or '.join(target)}: who left" if lacking else ""
        keys = schema.primary_key
        if PREDICTION_ID not in needed and not (keys and needed.issuperset(keys)):
            absent = [name for name in (PREDICTION_ID, *keys) if name not in needed]
            lacking += absent
            who = " or ".join([PREDICTION_ID, *([" and ".join(keys)] if keys else [])])
            message = "; ".join(filter(None, [message, f"the header lacks {who}: of whom it is"]))
        optional = [OBSERVED_AT] if OBSERVED_AT not in needed else []
        own = [name for name in names if name and name not in self.fields]
        slips = {name: meant(name, [*lacking, *optional]) for name in own}
        hints = [f"{name[:_SHOWN]!r} looks like {slip!r}" for name, slip in slips.items() if slip]
        if lacking or hints:
            raise TableError("; ".join([*filter(None, [message]), *hints]))

    def columns(
        self, columns: Mapping[str, Sequence[object]], rows: int
    ) -> tuple[list[Outcome], list[Problem]]:
        """Read outcomes by column.

        Args:
            columns: for each of `fields` its values, `rows` of them; one may be absent, and others
                are ignored. The target's own column holds its labels, `churned` true and false as
                well.
            rows: how many outcomes there are.

        Returns:
            Those that can be read, in their order, and what is wrong with the others.

        """
        absent = [None] * rows
        target = self._schema.target
        labels = target if target in columns else CHURNED
        read = self._churned if labels == CHURNED else self._label
        churned = read(columns.get(labels, absent))
        observed = self._observed(columns.get(OBSERVED_AT, absent))
        ids = self._ids(columns.get(PREDICTION_ID, absent))
        keys = [
            (key.name, [_key(key, value) for value in columns[key.name]])
            for key in self._schema.keys
            if key.name in columns
        ]
        named = [name for name, _ in keys]
        outcomes: list[Outcome] = []
        problems: list[Problem] = []
        received = self._received
        for row, (own, left, seen, *values) in enumerate(
            zip(ids, churned, observed, *(texts for _, texts in keys), strict=True)
        ):
            if isinstance(left, _Wrong) or isinstance(seen, _Wrong) or isinstance(own, _Wrong):
                given = {PREDICTION_ID: own, labels: left, OBSERVED_AT: seen}
                problems += [Problem(row, n, v) for n, v in given.items() if isinstance(v, _Wrong)]
                continue
            outcome: Outcome = {"received_at": received, "observed_at": seen, "churned": left}
            if own:
                outcome["prediction_id"] = own
            elif wrong := self._incomplete(row, named, values):
                problems += wrong
                continue
            else:
                outcome["key"] = dict(zip(named, values, strict=True))
            outcomes.append(outcome)
        return outcomes, problems

    def objects(self, given: Sequence[Mapping[str, Any]]) -> tuple[list[Outcome], list[Problem]]:
        """Read outcomes as a request has them; a field that is none of `FIELDS` is a problem."""
        problems = [
            Problem(index, *wrong)
            for index, one in enumerate(given)
            for wrong in self._strange(one)
        ]
        if problems:
            return [], problems
        flat = [{**one, **one.get(KEY, {})} for one in given]
        names = (PREDICTION_ID, CHURNED, OBSERVED_AT, *self._schema.primary_key)
        return self.columns({name: [one.get(name) for one in flat] for name in names}, len(flat))

    def _strange(self, given: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return what is wrong with the names of an outcome's fields, and with what they hold."""
        found = [(name[:_SHOWN], self._advice(name, given)) for name in given if name not in FIELDS]
        keys = self._schema.primary_key
        if KEY in given and PREDICTION_ID in given:
            found.append((KEY, f"give it or {PREDICTION_ID}, not both"))
        elif PREDICTION_ID in given and given[PREDICTION_ID] is None:
            found.append((PREDICTION_ID, "expected a UUID, got None"))
        elif KEY in given and not keys:
            found.append((KEY, f"customers have no primary key here: give {PREDICTION_ID}"))
        elif KEY in given and not isinstance(given[KEY], dict):
            wanted = " and ".join(keys)
            found.append((KEY, f"expected an object with {wanted}, got {short(given[KEY])}"))
        elif KEY in given:
            for name in given[KEY]:
                if name not in keys:
                    slip = meant(name[:_SHOWN], [key for key in keys if key not in given[KEY]])
                    advice = f"did you mean {slip!r}?" if slip else f"it is {' and '.join(keys)}"
                    found.append((name[:_SHOWN], f"is not part of the primary key; {advice}"))
        elif PREDICTION_ID not in given:
            ways = f"{PREDICTION_ID} or {KEY}" if keys else PREDICTION_ID
            found.append((PREDICTION_ID, f"is required: give {ways}"))
        return found

    def _advice(self, name: str, given: Mapping[str, Any]) -> str:
        if name in self._schema.primary_key:
            return f"is not a field of an outcome; put it into {KEY!r}"
        if name == self._schema.target:
            return f"is not a field of an outcome; did you mean {CHURNED!r}?"
        slip = meant(name[:_SHOWN], [field for field in FIELDS if field not in given])
        advice = f"did you mean {slip!r}?" if slip else f"they are {', '.join(FIELDS)}"
        return f"is not a field of an outcome; {advice}"

    def _ids(self, values: Sequence[object]) -> list[str | _Wrong | None]:
        read = self._read_id
        return [None if value is None else read(value) for value in values]

    def _read_id(self, value: object) -> str | _Wrong | None:
        text = plain(value).lower() if isinstance(value, str) else None
        if text == "":
            return None
        if text is None or not _UUID(text):
            return _Wrong(f"expected a UUID, got {short(value)}")
        if text[14] == "7":
            made = int(text[:8] + text[9:13], 16) / 1_000
            if made > self._latest.timestamp():
                return _Wrong(
                    "expected the id of a prediction, but by its time it is still to come"
                )
        return text

    def _read_churned(self, value: object) -> bool | _Wrong:
        if isinstance(value, bool):
            return value
        text = folded(plain(value)) if isinstance(value, str) else str(value)
        word = _WORDS.get(text)
        if text in ("true", "false") and word is not None:
            return word
        label = self._read_label(value)
        if isinstance(label, _Wrong):
            return _Wrong(label.replace("expected ", "expected true, false or ", 1))
        if word is not None and word != label:
            return _Wrong(
                f"got {short(value)}, by which {self._schema.target!r} and {CHURNED!r} mean the"
                " opposite: give true or false"
            )
        return label

    def _read_label(self, value: object) -> bool | _Wrong:
        (code,) = self._target.codes([value])
        if code >= 0:
            return code == self._left
        return _Wrong(self._target.complaint(value, _REMEMBERED))

    def _read_observed(self, value: object) -> str | _Wrong:
        text = plain(value) if isinstance(value, str) else value
        if text is None or text == "":
            return self._received
        try:
            seen = datetime.fromisoformat(text)  # type: ignore[arg-type]
            seen = (seen if seen.tzinfo else seen.replace(tzinfo=UTC)).astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            return _Wrong(f"expected {_TIME}; got {short(value)}")
        if seen > self._latest:
            return _Wrong(f"expected a time that has come, got {short(value)}")
        return _iso(seen)

    def _incomplete(
        self, row: int, names: Sequence[str], texts: Sequence[str | _Wrong]
    ) -> list[Problem]:
        """Return what is wrong with a customer's primary key."""
        given = dict(zip(names, texts, strict=True))
        wrong = [Problem(row, n, text) for n, text in given.items() if isinstance(text, _Wrong)]
        if wrong:
            return wrong
        lacking = [name for name in self._schema.primary_key if not given.get(name)]
        if lacking and len(lacking) < len(self._schema.primary_key):
            whole = " and ".join(self._schema.primary_key)
            return [Problem(row, name, f"is required: the key is {whole}") for name in lacking]
        if lacking or not names:
            return [
                Problem(row, PREDICTION_ID, f"is missing: an outcome says of whom it is, {_BY}")
            ]
        return []


class Opposite(NamedTuple):
    """Two outcomes of the same that say the opposite of each other at the same time."""

    place: int
    earlier: int
    """The place of the one that came before."""


def opposites(schema: Schema, outcomes: Sequence[Outcome]) -> list[Opposite]:
    """Return which outcomes say the opposite of one before, seen at the same time."""
    keys = [outcome["key"] for outcome in outcomes if KEY in outcome]
    columns = {name: [key[name] for key in keys] for name in schema.primary_key}
    customers = iter(identities(schema, columns, len(keys)).tolist())
    said: dict[tuple[str | int, str], tuple[int, bool]] = {}
    found: list[Opposite] = []
    for index, outcome in enumerate(outcomes):
        who = outcome["prediction_id"] if PREDICTION_ID in outcome else next(customers)
        now = index, outcome["churned"]
        first = said.setdefault((who, outcome["observed_at"]), now)
        if first[1] != now[1]:
            found.append(Opposite(index, first[0]))
    return found


def outcome_field(schema: Schema) -> Categorical:
    """Return the target of a schema as a category."""
    (field,) = (each for each in schema.document["fields"] if each["name"] == schema.target)
    target = parse_feature(field, schema.missing)
    assert isinstance(target, Categorical)
    return target


def _key(key: Key, value: object) -> str | _Wrong:
    if key.fits(value):
        return key.text(value)
    return _Wrong(f"expected {key.expected}, got {short(value)}")


def _each[T](read: Callable[[Any], T]) -> Callable[[Sequence[object]], list[T]]:
    """Let a function read a column, which remembers what it has read."""
    known = lru_cache(_REMEMBERED, typed=True)(read)  # or 1 and true would be the same

    def column(values: Sequence[object]) -> list[T]:
        try:
            return [known(value) for value in values]
        except TypeError:  # a list or an object, which can't be looked up
            return [read(value) for value in values]

    return column


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
