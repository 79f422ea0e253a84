"""Who a customer is, and which row is the same row: one number each, the same everywhere.

A customer is its primary key or, where there is none, its feature values. Every field is hashed
together with its name and the hashes are added, so neither the order of columns nor that of the
schema's fields counts, and a missing value adds nothing: a new optional field changes nobody.
A value is what the schema reads, so JSON and text agree on it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from evergreen.customers.features import Categorical, Feature
from evergreen.customers.schema import Schema
from evergreen.customers.values import plain

Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Digests = Callable[[Sequence[str]], Hashes]
"""Hashes texts, the same way in every process."""

_OUTCOME = "\0outcome"  # no field is named like that


def identities(
    schema: Schema,
    columns: Mapping[str, Sequence[object]],
    rows: int,
    digests: Digests | None = None,
) -> Hashes:
    """Who each customer is, shape (rows,), spread evenly over all 64 bits.

    By the primary key, apart from what surrounds it (see `values.plain`) and, in numbers, leading
    zeros and a fraction of zero: `0042`, `42` and `42.0` are one customer, `C7` and `c7` are two.
    By the feature values where a row has no key.

    Args:
        schema: says which fields are the key and what values mean.
        columns: for each field its values, `rows` of them; a field that is not there is missing
            in every row, and other columns are ignored.
        rows: how many customers there are.
        digests: by default those that can't be forged, by which customers are held out.

    """
    digests = digests or _digests
    total, blank = _keys(schema, columns, rows, digests)
    nameless = np.flatnonzero(blank).tolist()
    if nameless:
        values = {f.name: columns[f.name] for f in schema.features if f.name in columns}
        if len(nameless) < rows:
            values = {name: [column[i] for i in nameless] for name, column in values.items()}
        total[nameless] = _features(schema, values, len(nameless), digests)
    return mix(total)


def contents(
    schema: Schema, columns: Mapping[str, Sequence[object]], rows: int, churned: Mask
) -> Hashes:
    """What stands in each labelled row, shape (rows,): its key, its features and its outcome.

    The same row is the same in any file, whatever the order of the columns, and under a schema
    with another optional field of which it knows nothing. Arguments as of `identities`.
    """
    outcome = mix(churned.astype(np.uint64) + _digests([_OUTCOME]))
    keys, _ = _keys(schema, columns, rows, _digests)
    return mix(keys + _features(schema, columns, rows, _digests) + outcome)


def keyless(schema: Schema, columns: Mapping[str, Sequence[object]], rows: int) -> Mask:
    """Which customers have no primary key, shape (rows,); where it has several fields, none."""
    return _keys(schema, columns, rows, _digests)[1]


def combined(first: Hashes, second: Hashes) -> Hashes:
    """One hash for each pair; which of the two comes first counts."""
    return mix(first + mix(second))


def _keys(
    schema: Schema, columns: Mapping[str, Sequence[object]], rows: int, digests: Digests
) -> tuple[Hashes, Mask]:
    """Add up the fields of the primary key, and say where all of them are blank."""
    total, blank = np.zeros(rows, dtype=np.uint64), np.ones(rows, dtype=np.bool_)
    for key in schema.keys:
        if key.name in columns:
            texts = [bare(key.text(value)) for value in columns[key.name]]
            given = np.array([t not in key.missing for t in texts], dtype=np.bool_)
            total += np.where(given, mix(digests(texts) + digests([key.name])), 0)
            blank &= ~given
    return total, blank


def _features(
    schema: Schema, columns: Mapping[str, Sequence[object]], rows: int, digests: Digests
) -> Hashes:
    total = np.zeros(rows, dtype=np.uint64)
    for feature in schema.features:
        if feature.name in columns:
            values, given = _values(feature, columns[feature.name], digests)
            total += np.where(given, mix(values + digests([feature.name])), 0)
    return total


def _values(feature: Feature, values: Sequence[object], digests: Digests) -> tuple[Hashes, Mask]:
    """One hash for each value, and where there is a value at all."""
    codes = np.array(feature.codes(values), dtype=np.float64)
    given = ~np.isnan(codes)
    hashes, known = read(feature, codes, digests)
    unread = np.flatnonzero(given & ~known)
    hashes[unread] = digests([_canonical(values[i]) for i in unread.tolist()])
    return hashes, given


def read(feature: Feature, codes: Floats, digests: Digests) -> tuple[Hashes, Mask]:
    """One hash for each value that the feature could read, and which they are."""
    if isinstance(feature, Categorical):
        known = codes >= 0  # the levels by their text: their places in the list may change
        levels = digests([*map(_canonical, feature.levels)])
        return levels[np.where(known, codes, 0).astype(np.intp)], known
    return (codes + 0.0).view(np.uint64), np.isfinite(codes)  # -0.0 is 0.0


def _canonical(value: object) -> str:
    """Return a value as text without what programs add to it on the way: zeros and spaces."""
    return "" if value is None else bare(plain(str(value)))


def bare(text: str) -> str:
    """Return a text without leading zeros and a fraction of zero, if it is a number."""
    whole, _, fraction = text.partition(".")
    if whole.isdecimal() and whole.isascii() and not fraction.strip("0"):
        return whole.lstrip("0") or "0"
    return text


def _digests(texts: Iterable[str]) -> Hashes:
    """Hash texts the same way in every process, which Python's own hash does not."""
    digests = b"".join(
        [blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts]
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def mix(hashes: Hashes) -> Hashes:
    """Make every bit of the result depend on every bit given (SplitMix64; Steele et al., 2014)."""
    mixed = hashes + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
