"""Names of fields: those of outcomes, and which one was probably meant by a name that is none."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

PREDICTION_ID: Final = "prediction_id"
KEY: Final = "key"
CHURNED: Final = "churned"
OBSERVED_AT: Final = "observed_at"

_WORD = re.compile(r"\d+|[^\W\d_]+")
_INNER_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SIMILAR = 0.8


def meant(name: str, fields: Iterable[str]) -> str | None:
    """Return the first field of which a name is a slip, if there is one.

    Names are compared word by word, without regard to capitals and to what parts the words, by
    difflib's ratio: `tenur_month` is a slip for `tenure_months` and so is `TenureMonths`. A number
    has to be the same, and no whole word another: `visits_30d` is no slip for `visits_90d`, nor
    `inbound_calls` for `outbound_calls`. Those are names of other things.
    """
    words = _words(name)
    return next((field for field in fields if _alike(words, _words(field))), None)


def _words(name: str) -> list[str]:
    return _WORD.findall(_INNER_CAPITAL.sub("_", name).casefold())


def _alike(these: list[str], those: list[str]) -> bool:
    if not these:
        return False
    if "".join(these) == "".join(those):
        return True
    return len(these) == len(those) and all(map(_similar, these, those))


def _similar(this: str, that: str) -> bool:
    if this == that:
        return True
    if this.isdecimal() or that.isdecimal():
        return False
    matcher = SequenceMatcher(None, this, that)
    return (  # the bounds first, which are cheap
        matcher.real_quick_ratio() >= _SIMILAR
        and matcher.quick_ratio() >= _SIMILAR
        and matcher.ratio() >= _SIMILAR
    )
