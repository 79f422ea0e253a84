"""Which column of an unknown file says who left, and which one who a customer is.

Going by the names of columns, in English and German, and by what stands in them. Whatever is
guessed is said, with the option of `evergreen schema infer` that says otherwise.
"""

import re
from collections.abc import Collection, Mapping, Sequence

from evergreen.customers.columns import Cells, Column, category, words
from evergreen.customers.features import Level
from evergreen.customers.names import CHURNED, OBSERVED_AT, PREDICTION_ID, meant
from evergreen.customers.values import folded
from evergreen.errors import InputError

OUTCOMES = 20
"""A column with more values than these is no outcome."""

_CHURN = re.compile(
    r"churn(ed|er)?|exit(ed)?|left|leaver|attrition|attrited|cancell?ed|terminated|lapsed"
    r"|unsubscribed|kündigung|gekündigt|abgewandert|abwanderung"
)
_LEFT = re.compile(
    rf"{_CHURN.pattern}|yes|y|true|t|1|ja|j|oui|sí?|lost|gone|closed|inactive|former|ex"
)
_STAYED = re.compile(r"no|not|non|never|nicht|existing")

_WHO = re.compile(r"(customer|client|kunde|konto|vertrag).*|account|member|subscriber|user|policy")
_ID = re.compile(r"ids?|key|uuid|guid")
_NUMBER = re.compile(r"number|num|.*nummer|.*nr|no|phone|msisdn|email|account|login|username")
_PLACE = re.compile(r"row(num(ber)?)?|index|line|record|zeile|unnamed")
_LONGEST = 40  # characters of a key that is guessed


def named(name: str, cells: Collection[str]) -> str:
    """Return the column that a person means by a name; raises InputError where there is none."""
    if name in cells:
        return name
    alike = [other for other in cells if folded(other) == folded(name)]
    if len(alike) == 1:
        return alike[0]
    close = meant(name, cells)
    hint = f"did you mean {close!r}?" if close else f"there are {', '.join(filter(None, cells))}"
    raise InputError(f"no column is named {name!r}; {hint}")


def find_target(cells: Mapping[str, Cells], name: str | None, notes: list[str]) -> str:
    """Find the column that says who left."""
    if name is not None:
        return named(name, cells)
    values = {name: len(_outcomes(one)) for name, one in cells.items()}
    paired = [name for name, count in values.items() if count == 2]
    likely = [n for n, count in values.items() if 2 <= count <= OUTCOMES and _says(_CHURN, n)]
    best = [name for name in likely if name in paired] or likely
    if not best:
        those = f" two values: {', '.join(paired)}" if paired else " two values: none"
        raise InputError(
            "no column's name says that it tells who left; name it with --target. Columns with"
            + those
        )
    if len(best) > 1:
        best.sort(key=lambda name: len(words(name)))  # "Churn" before "Churn value"
    notes.append(f"{best[0]!r} is taken for the column that says who left (else: --target)")
    return best[0]


def _outcomes(cells: Cells) -> Sequence[Level]:
    if len(cells.counts) > 2 * OUTCOMES or cells.types & {list, dict}:
        return ()
    levels: Sequence[Level] = _levels(category(cells))
    return levels


def _levels(column: Column) -> Sequence[Level]:
    if column.field["type"] == "boolean":
        return [False, True]
    levels: Sequence[Level] = column.field["constraints"]["enum"]
    return levels


def find_positive(cells: Cells, wanted: str | None, notes: list[str]) -> Level:
    """Find the value of the target for those who left."""
    name = cells.name
    counts: dict[Level, int] = dict.fromkeys(_outcomes(cells), 0)
    if not 1 < len(counts) <= OUTCOMES:
        raise InputError(
            f"{name!r} can't be the target: it has {len(cells.counts):,} values, and has to say of"
            " each customer whether they left"
        )
    for text, count in cells.counts.items():
        for level in counts:
            counts[level] += count * (folded(str(level)) == folded(text))
    listed = ", ".join(f"{level} ({count:,})" for level, count in counts.items())
    if wanted is not None:
        for level in counts:
            if folded(str(level)) == folded(wanted):
                return level
        raise InputError(f"{name!r} is never {wanted!r}: its values are {listed}")
    if len(counts) > 2:
        raise InputError(
            f"{name!r} has {len(counts)} values: {listed}. Say with --positive which of them means"
            " that the customer left; the others will mean that they stayed"
        )
    says = [level for level in counts if _says_left(str(level))]
    rarer = min(counts, key=lambda level: counts[level])
    chosen = says[0] if len(says) == 1 else rarer
    why = "" if len(says) == 1 else ", for fewer have it"
    notes.append(f"{chosen!r} in {name!r} is taken for those who left{why} (else: --positive)")
    return chosen


def _says_left(level: str) -> bool:
    return _says(_LEFT, level) and not _says(_STAYED, level)


def _says(what: re.Pattern[str], name: str) -> bool:
    """Whether one of a name's words is of a kind."""
    return any(map(what.fullmatch, words(name)))


def find_key(cells: Mapping[str, Cells], target: str, notes: list[str]) -> list[str]:
    """Find the column that says who a customer is, by name or else by shape."""
    ranked = {n: _rank(one) for n, one in cells.items() if n != target and _tells_apart(one)}
    able = {name: rank for name, rank in ranked.items() if rank is not None}
    if not able:
        notes.append(
            "no column says who a customer is, so one whose values have changed from one file to"
            " the next counts as another customer (else: --key)"
        )
        return []
    best = min(able, key=lambda name: able[name])
    notes.append(f"{best!r} is taken for what tells customers apart (else: --key)")
    return [best]


def identifies(cells: Cells) -> bool:
    """Whether a column's values are ids by their name, and nearly as many as there are rows."""
    return (
        _says(_ID, cells.name)
        and len(cells.counts) > max(2, cells.filled / 2)
        and not _fractions(cells)
    )


def _tells_apart(cells: Cells) -> bool:
    return (
        cells.name not in ("", PREDICTION_ID, CHURNED, OBSERVED_AT)
        and cells.unique
        and bool not in cells.types
        and not cells.dates
        and not _fractions(cells)
        and max(map(len, cells.counts)) <= _LONGEST
        and not _says(_PLACE, cells.name)
    )


def _rank(cells: Cells) -> int | None:
    """How much speaks for a column's being the key, 0 the most; None where nothing does."""
    name = cells.name
    if _says(_ID, name) or _says(_NUMBER, name):
        return 0 if _says(_WHO, name) else 1 if _says(_ID, name) else 2
    shapes = {_shape(text) for text in cells.counts}
    identifying = len(shapes) <= 3 and any("9" in shape and len(shape) > 1 for shape in shapes)
    return 3 if identifying and not all(map(str.isdecimal, cells.counts)) else None


def _shape(text: str) -> str:
    """Return a text with its digits and letters each as one and the same: `7590-VHV` is `9-A`."""
    kinds = ["9" if c.isdigit() else "A" if c.isalpha() else c for c in text]
    return "".join(c for i, c in enumerate(kinds) if i == 0 or c != kinds[i - 1])


def _fractions(cells: Cells) -> bool:
    """Whether all are numbers, and some of them no whole ones."""
    numbers = len(cells.numeric()) == len(cells.counts)
    return numbers and any(not {".", ","}.isdisjoint(text) for text in cells.counts)
