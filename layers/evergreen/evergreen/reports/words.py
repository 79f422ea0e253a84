"""Numbers, times and names as people read them."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

NOTHING, MINUS, TIMES = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
VERDICTS = {
    "drift": ("alarm", "▲", "Customers have changed"),
    "no_drift": ("", "●", "No change that counts"),
    "too_few_rows": ("unknown", "○", "Too few customers to tell"),
}
"""For each verdict its class, its sign, and its words."""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_LONG, _GAP = 60, "\N{NO-BREAK SPACE}"


def percent(share: float | None) -> str:
    """Return a share as people say it: 0.4 %, 4 %, 42 %."""
    if share is None:
        return NOTHING
    if 0 < abs(share) < 0.0005:
        return f"under 0.1{_GAP}%"
    digits = 0 if abs(share) >= 0.0195 or abs(share) in (0, 0.01) else 1
    return f"{100 * share:.{digits}f}{_GAP}%".replace("-", MINUS)


def decimal(number: float | None, digits: int = 3) -> str:
    """Return a number to so many digits."""
    return NOTHING if number is None else f"{number:.{digits}f}".replace("-", MINUS)


def count(number: float | None) -> str:
    """Return how many there are, by thousands."""
    return NOTHING if number is None else f"{number:,.0f}"


def few(customers: int) -> str:
    """Return how many customers there are; of fewer than five only that."""
    return "fewer than 5" if 0 < customers < 5 else count(customers)


def chance(p_value: float) -> str:
    """Return a p-value: 0.034, or beyond that as a power of ten."""
    if p_value >= 0.001:
        return f"{p_value:.3f}"
    if p_value < 1e-30:
        return "below 10⁻³⁰"
    digit, power = f"{p_value:.0e}".split("e-")
    raised = str(int(power)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{digit} {TIMES} 10⁻{raised}"


def several(number: int, one: str, more: str = "") -> str:
    """Return a number with its noun: 1 feature, 3 features."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names as a sentence has them: a, b and 4 more."""
    shown = [short(name, 40) for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def short(name: str, most: int = _LONG) -> str:
    """Cut a name to a width; signs of eastern scripts and emoji take two places."""
    width = 0
    for place, sign in enumerate(name):
        width += 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        if width > most and place:
            return f"{name[:place].rstrip()}…"
    return name


def moment(iso: str | None, *, year: bool = False) -> str:
    """Return a time: Tuesday 24 November 14:00 UTC."""
    if not iso:
        return NOTHING
    at = datetime.fromisoformat(iso).astimezone(UTC)
    which = f" {at.year}" if year else ""
    return f"{_DAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]}{which} {at:%H:%M} UTC"


def day(iso: str) -> str:
    """Return the day of a time: 24 Nov."""
    at = datetime.fromisoformat(iso)
    return f"{at.day} {_MONTHS[at.month - 1][:3]}"
