"""What a text means, whatever programs did to it on its way: to spaces, capitals and formulas.

`plain` reads what people and programs write; `defused` writes what a spreadsheet may open. They are
counterparts: a value that was defused is read as the value that it was.
"""

import re
from unicodedata import normalize

LONGEST = 1_000
"""So many characters a text may have that is to be understood."""

_INVISIBLE = (  # of no width: joiners, marks of direction, soft hyphens, the byte order mark
    "\xad\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufeff"
)
_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + _INVISIBLE
_EXECUTED = r"=+\-@\uff1d\uff0b\uff0d\uff20"  # as first character; those of full width as well
_GUARDS = re.compile(rf"(?:[{_BLANK}]*+'(?=[\t\r]|[{_BLANK}]*+[{_EXECUTED}]))+")
_FORMULA = re.compile(rf"[\t\r]|[{_BLANK}]*+[{_EXECUTED}]")
_NO_FORMULA = re.compile(r"[+-]?[\d.,'\u2019 \u00a0\u202f]*(?:\d[eE][+-]?\d+)?\s?%?", re.ASCII)
_UNSEEN_INSIDE = dict.fromkeys(map(ord, _INVISIBLE))


def plain(text: str) -> str:
    """Return a text without what surrounds it: spaces of any kind, and the apostrophe of `defused`.

    No-break spaces, spaces of no width and byte order marks are spaces too.
    """
    text = text.strip(_BLANK)
    if text.startswith("'") and (guards := _GUARDS.match(text)):
        return text[guards.end() :].strip(_BLANK)
    return text


def folded(text: str) -> str:
    """Return what all variants of a text have in common, apart from capitals, width and spaces."""
    even = normalize("NFKC", text).translate(_UNSEEN_INSIDE).casefold()
    return " ".join(normalize("NFKC", even).split())


def defused(cell: str) -> str:
    """Return a text that no spreadsheet executes: after an apostrophe where it is a formula's.

    Formulas begin with one of = + - @ or their forms of full width, after spaces too, or with a tab
    or carriage return (OWASP, CSV injection). Numbers and lone signs are left as they are.
    """
    if _FORMULA.match(cell) and not _NO_FORMULA.fullmatch(cell.strip(_BLANK)):
        return "'" + cell
    return cell
