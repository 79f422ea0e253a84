"""Whether clients of one schema can go on as they are under another.

A schema takes another's place without a word to anybody where every customer of the old one is
taken by the new one and means the same to it. Fields that neither schema knows are not considered.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from math import ceil, floor, isnan

from evergreen.customers.features import UNSEEN, Categorical, Feature, Numeric
from evergreen.customers.schema import Schema

_MISSING, _REFUSED = "a missing value", "refused"


def obstacles(old: Schema, new: Schema) -> list[str]:
    """Say why customers of the old schema would be refused by the new one or misread, if so."""
    return [*_renamed(old, new), *_added(old, new), *_changed(old, new)]


def _renamed(old: Schema, new: Schema) -> Iterator[str]:
    """Compare what the answer is about: who leaves, and what leaving is."""
    if new.target != old.target:
        yield f"the target is {new.target!r}, no longer {old.target!r}"
    elif str(new.positive) != str(old.positive):
        yield f"the target's positive is {new.positive!r}, no longer {old.positive!r}"
    if set(new.primary_key) != set(old.primary_key):
        now, before = (", ".join(schema.primary_key) or "none" for schema in (new, old))
        yield f"the primary key is {now}, no longer {before}"


def _added(old: Schema, new: Schema) -> Iterator[str]:
    for feature in new.features:
        if feature.required and feature.name not in old.feature_names:
            yield f"field {feature.name!r} is new and required"


def _changed(old: Schema, new: Schema) -> Iterator[str]:
    successors = {feature.name: feature for feature in new.features}
    for feature in old.features:
        successor = successors.get(feature.name)
        losses = _losses(feature, successor) if successor else ["is no feature any more"]
        yield from (f"field {feature.name!r} {loss}" for loss in losses)


def _losses(old: Feature, new: Feature) -> Iterator[str]:
    """Say which values that a feature took are refused, or mean something else, now."""
    if new.required and not old.required:
        yield "is required now"
    if isinstance(old, Numeric) and isinstance(new, Numeric):
        yield from _of_number(old, new)
    elif isinstance(old, Categorical) and isinstance(new, Categorical):
        yield from _of_category(old, new)
    else:
        was, now = ("a number" if isinstance(f, Numeric) else "a category" for f in (old, new))
        yield f"was {was}, and is {now} now"


def _of_number(old: Numeric, new: Numeric) -> Iterator[str]:
    low, high = (ceil(old.low), floor(old.high)) if old.integer else (old.low, old.high)
    if new.low > low or new.high < high or (new.integer and not old.integer):
        yield f"could be {old.expected}, and has to be {new.expected} now"
    was, now = old.format, new.format
    if was.decimal != now.decimal or was.group not in ("", now.group) or now.bare > was.bare:
        yield f"was written {was.described()}, and is {now.described()} now"
    if not old.required:
        for text in _texts(old.missing - new.missing):
            yield f"could be {text!r}, which was a missing value and is none now"
    for text in _texts(new.missing - old.missing):
        (code,) = old.codes([text])
        if low <= code <= high and (code.is_integer() or not old.integer):
            yield f"could be {text!r}, which was a number and is a missing value now"


def _texts(values: AbstractSet[object]) -> list[str]:
    return sorted(map(str, values))


def _of_category(old: Categorical, new: Categorical) -> Iterator[str]:
    new_forms = (form for form in new.table if form not in old.table)
    forms = [*old.table, *new_forms]  # a new form may have been a variant of an old one
    changed: dict[tuple[str, str], list[str]] = {}
    for form, before, now in zip(forms, _meanings(old, forms), _meanings(new, forms), strict=True):
        if before != now and before != _REFUSED and not (before == _MISSING and old.required):
            changed.setdefault((before, now), []).append(repr(form))
    for (before, now), values in changed.items():
        yield f"could be {' or '.join(values)}, which was {before} and is {now} now"


def _meanings(feature: Categorical, forms: list[object]) -> list[str]:
    """Say what each form of a value stands for; a level by its text: its place may change."""
    codes = feature.codes(forms)
    return [
        _MISSING if isnan(c) else _REFUSED if c == UNSEEN else f"the level {feature.levels[int(c)]}"
        for c in codes
    ]
