"""Who customers are who come as cells: the same numbers as `identity` has, column by column."""

from collections.abc import Mapping, Sequence

import numpy as np

from evergreen.customers.features import Key
from evergreen.customers.identity import Floats, Hashes, Mask, bare, mix, read
from evergreen.customers.json_cells import Cells, hashed
from evergreen.customers.numbers import PLAIN
from evergreen.customers.schema import Schema

_KEY_BYTES = 64  # of a key that is hashed as it stands, …
_EXACT = 15  # … or digits, where it is a number
_DIGIT, _LETTER = 1, 2
_SIGNS = np.zeros(256, np.uint8)
_SIGNS[[*b"0123456789"]] = _DIGIT
_SIGNS[[*b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-:/#"]] = _LETTER


def quick(texts: Sequence[str]) -> Hashes:
    """Hash texts fast, for `identities` that are not kept; somebody could make two alike."""
    return hashed(Cells.of([text.encode("utf-8", "surrogatepass") for text in texts]))


def identities_of_cells(schema: Schema, keys: Mapping[str, Cells], codes: Floats) -> Hashes:
    """Return the `identities` by `quick` digests of customers who come as cells.

    Args:
        schema: as of `identities`.
        keys: the cells of those fields of the primary key that are there.
        codes: what each feature makes of its values, all of which it can read, or NaN; shape
            (features, rows).

    """
    rows = codes.shape[1]
    total, blank = np.zeros(rows, dtype=np.uint64), np.ones(rows, dtype=np.bool_)
    for key in schema.keys:
        if key.name in keys:
            hashes, given = _of_key(key, keys[key.name])
            total += np.where(given, mix(hashes + quick([key.name])), 0)
            blank &= ~given
    nameless = np.flatnonzero(blank)
    if len(nameless):
        for feature, own in zip(schema.features, codes, strict=True):
            some = own[nameless]
            values, name = read(feature, some, quick)[0], quick([feature.name])
            total[nameless] += np.where(np.isnan(some), 0, mix(values + name))
    return mix(total)


def _of_key(key: Key, cells: Cells) -> tuple[Hashes, Mask]:
    """Hash the cells of a field of the key as `_keys` does, and say where there is a key.

    Most are signs that nothing surrounds, and no number in disguise: they stand for themselves.
    """
    sizes = cells.ends - cells.starts
    widest = min(int(sizes.max(initial=1)), _KEY_BYTES)
    signs = _SIGNS[cells.fixed(widest)]
    signs[np.arange(widest) >= sizes[:, None]] = _DIGIT
    leading = cells.fixed(1)[:, 0] == ord("0")
    if cells.quoted:
        plain = (sizes <= widest) & (sizes > 0) & (signs > 0).all(axis=1)
        plain &= ~leading | (signs == _LETTER).any(axis=1)
        plain &= key.format is PLAIN
    else:
        plain = (sizes <= _EXACT) & (sizes > 0) & ~leading & (signs == _DIGIT).all(axis=1)
    hashes = hashed(cells)
    given = np.ones(len(cells), np.bool_)
    for missing in quick([text for text in key.missing if isinstance(text, str)]):
        given &= hashes != missing
    others = np.flatnonzero(~plain)
    if len(others):
        texts = [bare(key.text(value)) for value in cells.values(others)]
        hashes[others] = quick(texts)
        given[others] = [text not in key.missing for text in texts]
    return hashes, given
