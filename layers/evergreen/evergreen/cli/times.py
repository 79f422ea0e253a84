"""Times as people give them: 36h, 7d, 2026-03-01, 2026-03-01T09:30."""

import re
from datetime import UTC, datetime, timedelta

import typer

_AGO = re.compile(r"(\d+)([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

MEANT = "36h or 7d ago, or a time such as 2026-03-01T09:30, in UTC."


def moment(text: str, now: datetime) -> datetime:
    """Return the time that a text means; raises BadParameter."""
    if ago := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: give {MEANT}") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def age(since: datetime, now: datetime) -> str:
    """Say how long ago something was."""
    seconds = int((now - since).total_seconds())
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count:,} {name}{'s' if count != 1 else ''} ago"
    return "just now"
