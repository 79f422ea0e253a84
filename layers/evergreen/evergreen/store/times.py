"""Times: texts of ISO 8601 and, in columns of numbers, whole microseconds since 1970 (UTC)."""

from datetime import UTC, datetime, timedelta
from typing import Any

DAY = 86_400_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Return a time as a number."""
    return (time - _EPOCH) // _MICROSECOND


def microseconds_of(text: str) -> int:
    """Return a time of ISO 8601, which has a zone, as a number."""
    return microseconds(datetime.fromisoformat(text))


def is_time(value: Any) -> bool:
    """Whether a value is a time of ISO 8601, which has a zone."""
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def time_of(number: int) -> datetime:
    """Return the time of so many microseconds."""
    return _EPOCH + number * _MICROSECOND
