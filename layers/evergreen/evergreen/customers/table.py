"""The header of a CSV: what both scoring and training demand of it."""

from collections.abc import Iterable, Sequence

from evergreen.errors import TableError

_SHOWN = 20


def check_header(header: Sequence[str], needed: Iterable[str]) -> None:
    """Check that a header has all the columns that are needed, and none twice.

    Raises:
        TableError: it does not; the message names the columns, and what was found instead.

    """
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise TableError(f"the header names {', '.join(twice)} twice")
    lacking = [name for name in needed if name not in header]
    if lacking:
        found = ", ".join(header[:_SHOWN]) + (", …" if len(header) > _SHOWN else "")
        raise TableError(
            f"the header lacks {', '.join(lacking)}; found: {found or 'nothing'}"
            " (columns are separated by commas)"
        )
