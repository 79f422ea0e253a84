"""The cells of a header → the fields of a schema, as far as that is beyond doubt."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evergreen.customers.names import meant
from evergreen.customers.schema import Schema
from evergreen.customers.values import folded, plain
from evergreen.errors import TableError

_SHOWN = 20
_LONGEST = 60  # characters of a name in a message


@dataclass(frozen=True, slots=True)
class Header:
    """What each column of a file is; columns are counted from 0."""

    written: tuple[str, ...]
    """The cells as they stand."""
    names: tuple[str, ...]
    """For each column the field that it is, else its own name, trimmed; "" where it has none.

    A field is there once at most: a column that is not the field, but would be called so once
    trimmed, keeps its name as it stands. Other names may be there more than once.
    """
    unnamed: tuple[int, ...]
    """The columns without a name."""
    matched: Mapping[str, str] = field(default_factory=dict)
    """Names as they stand → the fields that they are, where the two differ."""
    absent: tuple[str, ...] = ()
    """The optional features that no column is."""


def match(cells: Sequence[str], schema: Schema, *beside: str) -> Header:
    """Find out which field of a schema each column is.

    A column is the field that it is called: to the letter, else once trimmed, else once `folded`.
    A closer column comes first, and the other one is the user's own. Where several fields are alike
    once folded, no column is any of them by that.

    Args:
        cells: the header as it stands.
        schema: says which fields there are, and which of the features are required.
        beside: further fields that have to be there.

    Raises:
        TableError: two columns are the same field, one that has to be there is not, or a name is a
            slip for one that is absent.

    """
    fields, names = _named(cells, schema.fields)
    _check_lacking(names, schema, beside)
    mistakes = schema.mistakes(set(filter(None, names)))
    if mistakes:
        raise TableError("; ".join(f"column {name!r} {message}" for name, message in mistakes))
    return Header(
        tuple(cells),
        names,
        _unnamed(names),
        _matched(cells, fields),
        tuple(name for name in schema.feature_names if name not in names),
    )


def of(cells: Sequence[str], fields: Sequence[str] = ()) -> Header:
    """Return the header of a file for which there is no schema: its own names, trimmed.

    A column that is one of some fields, as in `match`, has the field's name. Raises TableError
    where two columns are the same field.
    """
    found, names = _named(cells, fields)
    return Header(tuple(cells), names, _unnamed(names), _matched(cells, found))


def _named(cells: Sequence[str], fields: Sequence[str]) -> tuple[dict[int, str], tuple[str, ...]]:
    """Return which columns are fields, and the names of all."""
    found: dict[int, str] = {}
    for form in (str, plain, folded):
        found |= _called(form, cells, fields, set(found.values()))
    return found, tuple(found.get(i) or _own(cell, fields) for i, cell in enumerate(cells))


def _matched(cells: Sequence[str], fields: Mapping[int, str]) -> dict[str, str]:
    return {cells[index]: name for index, name in sorted(fields.items()) if cells[index] != name}


def _called(
    form: Callable[[str], str], cells: Sequence[str], fields: Sequence[str], known: Collection[str]
) -> dict[int, str]:
    """Return the columns that are one of the fields not known yet, going by a form of the names."""
    found = {}
    columns = _alike(form, cells)
    for key, places in _alike(form, fields).items():
        name, those = fields[places[0]], columns.get(key, [])
        if not those or len(places) > 1 or name in known:
            continue
        if len(those) > 1:
            where = " and ".join(f"column {i + 1}, {_short(cells[i])!r}" for i in those)
            raise TableError(f"the header names {name} twice: {where}")
        found[those[0]] = name
    return found


def _alike(form: Callable[[str], str], names: Iterable[str]) -> dict[str, list[int]]:
    """Return where the names are that have a form in common."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(form(name), []).append(place)
    return places


def _own(cell: str, fields: Collection[str]) -> str:
    name = plain(cell)
    return cell if name in fields else name


def _unnamed(names: Sequence[str]) -> tuple[int, ...]:
    return tuple(index for index, name in enumerate(names) if not name)


def _check_lacking(names: Sequence[str], schema: Schema, beside: Sequence[str]) -> None:
    found = set(names)
    none = found.isdisjoint(schema.feature_names)
    needed = (*beside, *(f.name for f in schema.features if f.required or none))
    lacking = [name for name in dict.fromkeys(needed) if name not in found]
    if not lacking:
        return
    own = [name for name in names if name and name not in schema.fields]
    slips = {name: meant(name, lacking) for name in own}
    hints = [f"{_short(name)!r} looks like {slip!r}" for name, slip in slips.items() if slip]
    if not hints and found.isdisjoint(schema.fields):
        hints = ["is the first line the header, and is it split by comma, semicolon, tab or pipe?"]
    seen = _listed([_short(name) for name in names if name]) or "nothing"
    message = f"the header lacks {_listed(lacking)}; found: {seen}"
    raise TableError("; ".join([message, *hints[:_SHOWN]]))


def _listed(names: Collection[str]) -> str:
    return ", ".join([*names][:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
