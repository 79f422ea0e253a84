"""Which level of a category a value is, in whatever variant it comes."""

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from math import isnan

from evergreen.customers.numbers import PLAIN, NumberFormat
from evergreen.customers.values import LONGEST, folded, plain

UNSEEN = -1.0
"""The code of a category that the schema does not list."""

Level = str | int | float | bool

_WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")  # 1.0, as programs write a whole number
_REMEMBERED = 4_096
_LONGEST = 64
_CLOSE = 0.6  # as difflib.get_close_matches has it


class Codes(dict[object, float]):
    """Value → code, for every value: those that are not listed are looked for among the variants.

    What is listed is found as in any dictionary. Variants that are text are remembered, so many
    and so long as not to matter. A bool among levels that are numbers, and a number among levels
    that are true and false, are the same to Python: they must not be looked up, see `of_number`.
    """

    __slots__ = ("_format", "_forms", "_numbers", "_room", "_variants")

    def __init__(
        self, forms: Mapping[object, float], numbers: Iterable[float] = (), of: NumberFormat = PLAIN
    ) -> None:
        """Start with the forms that are listed.

        Args:
            forms: every level and missing value as JSON and as text, with its code.
            numbers: those among the levels that are numbers.
            of: how the text of a number is written.

        """
        super().__init__(forms)
        self._forms = dict(forms)
        self._format = of
        self._numbers = {number: forms[number] for number in numbers}
        self._variants = _variants(forms)
        self._room = len(forms) + _REMEMBERED

    def __missing__(self, value: object) -> float:
        """Return the code of a value that is not listed."""
        if not isinstance(value, str):
            return self.of_number(value)
        if len(value) > LONGEST:
            return UNSEEN
        code = self._of_text(plain(value))
        if len(self) < self._room and len(value) <= _LONGEST:
            self[value] = code
        return code

    def of_number(self, value: object) -> float:
        """Return the code of what is no text: a number is what its text is, anything else none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return UNSEEN
        return self._listed_or_variant(str(value))

    def _of_text(self, text: str) -> float:
        if text in self._forms:
            return self._forms[text]
        if self._numbers:
            number = self._format.number(text)
            if number in self._numbers:
                return self._numbers[number]
        if self._format.decimal != ".":
            return self._variants.get(folded(text), UNSEEN)
        return self._listed_or_variant(text)

    def _listed_or_variant(self, text: str) -> float:
        for form in (text, _whole(text)):
            if form in self._forms:
                return self._forms[form]
        return self._variants.get(folded(_whole(text)), UNSEEN)


def close(value: object, levels: Iterable[Level]) -> Level | None:
    """Return the level that a text is a slip for, by difflib's ratio, if there is one."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    text = folded(plain(value))
    matcher = SequenceMatcher(None, "", text)
    best, found = _CLOSE, None
    for level in levels:
        if isinstance(level, str) and 2 * min(len(level), len(text)) >= best * (
            len(level) + len(text)
        ):
            matcher.set_seq1(folded(level))
            if matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
                best, found = ratio, level
    return found


def _whole(text: str) -> str:
    match = _WHOLE.fullmatch(text)
    if match is None:
        return text
    return "0" if match[1] == "-0" else match[1]


def _variants(forms: Mapping[object, float]) -> dict[str, float]:
    """Return what the variants of one level, and of no other or missing value, are folded to."""
    found: dict[str, float] = {}
    shared: set[str] = set()
    for form, code in forms.items():
        if isinstance(form, str):
            common = folded(_whole(plain(form)))
            if found.setdefault(common, code) is not code and found[common] != code:
                shared.add(common)
    return {c: code for c, code in found.items() if c not in shared and not isnan(code)}
