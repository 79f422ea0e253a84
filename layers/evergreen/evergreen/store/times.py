"""Times as columns of numbers have them: whole microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

DAY = 86_400_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Return a time as a number."""
    return (time - _EPOCH) // _MICROSECOND


def microseconds_of(text: str) -> int:
    """Return a time of ISO 8601, which has a zone, as a number."""
    return microseconds(datetime.fromisoformat(text))


def time_of(number: int) -> datetime:
    """Return the time of so many microseconds."""
    return _EPOCH + number * _MICROSECOND
