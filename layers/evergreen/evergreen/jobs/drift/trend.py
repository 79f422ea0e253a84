"""The checks of the last two weeks: since when something has drifted, and what has changed since.

They lie in one object, a line of numbers each, which every check writes anew with itself in it. It
is written only if it still is what was read, so no check is lost where two end at once; one that is
repeated takes its own place. Where the object can't be read it begins anew: the reports are still
there.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from evergreen.errors import ConflictError, NotFoundError
from evergreen.statistics.baseline import Baseline, Counts
from evergreen.statistics.drift import Report, effects
from evergreen.store import keys
from evergreen.store.s3 import Bucket

KEPT = timedelta(days=14)
SHOWN = 60
_TRIES = 10

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One check, in short."""

    checked_at: str
    model_version: str
    verdict: str
    customers: int
    drifted_share: float | None
    predicted_churn: float | None
    since: str | None
    """The first of the unbroken series of checks that found drift; None where this one did not."""
    drifted: Mapping[str, str]
    """For each feature that has drifted the first of the series in which it has."""

    @classmethod
    def parse(cls, found: Mapping[str, Any]) -> Self:
        """Read one; raises what comes of it where it is none."""
        entry = cls(**found)
        if entry.time.tzinfo is None or not isinstance(entry.drifted, dict):
            raise ValueError("a check has a time with its zone, and names of features")
        return entry

    @property
    def time(self) -> datetime:
        """When the check was made, which is when its window ended."""
        return datetime.fromisoformat(self.checked_at)

    def shown(self) -> dict[str, Any]:
        """Return it as a report has it."""
        found = asdict(self)
        return {name: found[name] for name in found if name not in ("since", "drifted")}


@dataclass(frozen=True, slots=True)
class Trend:
    """The checks that are kept, oldest first."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        """Keep checks: of each time the last one given, and none that is two weeks older."""
        at = {entry.time: entry for entry in entries}
        return cls(tuple(at[time] for time in sorted(at) if time > max(at) - KEPT))

    def add(self, entry: Entry) -> "Trend":
        """Put a check in, in place of one of the same time."""
        return self.of([*self.entries, entry])

    def before(self, time: datetime, version: str) -> list[Entry]:
        """Return the earlier checks that this version's baseline served for, latest first."""
        earlier = [entry for entry in self.entries if entry.time < time]
        return [entry for entry in reversed(earlier) if entry.model_version == version]

    def entry(
        self, checked_at: datetime, version: str, report: Report, predicted_churn: float | None
    ) -> Entry:
        """Put a new check into its series.

        A check that had too few customers says nothing, so it breaks no series; another version
        does, because that is another baseline.
        """
        said = [e for e in self.before(checked_at, version) if e.verdict != "too_few_rows"]
        last = said[0] if said else None
        now = checked_at.isoformat()
        drifted = {
            name: (last.drifted.get(name) if last else None) or now for name in report.drifted
        }
        since = (last.since if last else None) or now
        return Entry(
            checked_at=now,
            model_version=version,
            verdict=report.verdict,
            customers=report.customers,
            drifted_share=report.drifted_share,
            predicted_churn=predicted_churn,
            since=since if report.verdict == "drift" else None,
            drifted=drifted,
        )

    def shown(self, until: datetime) -> list[dict[str, Any]]:
        """Return the checks up to a time, for a report: the last, and of neighbours the gravest."""
        entries = [entry for entry in self.entries if entry.time <= until]
        step = -(-len(entries[:-1]) // (SHOWN - 1)) or 1
        groups = [entries[:-1][i : i + step] for i in range(0, len(entries[:-1]), step)]
        gravest = [max(group, key=_gravity) for group in groups]
        return [entry.shown() for entry in (*gravest, *entries[-1:])]


def read(logs: Bucket) -> Trend:
    """Return the checks that are kept."""
    return _read(logs)[0]


def keep(logs: Bucket, entry: Entry) -> None:
    """Put a check among those that are kept.

    Raises:
        ConflictError: others were faster again and again.

    """
    for left in reversed(range(_TRIES)):
        trend, etag = _read(logs)
        lines = (json.dumps(asdict(one)) for one in trend.add(entry).entries)
        content = ("[\n" + ",\n".join(lines) + "\n]\n").encode()
        try:
            if etag is None:
                logs.create(keys.DRIFT_HISTORY, content)
            else:
                logs.replace(keys.DRIFT_HISTORY, content, etag)
            return
        except (ConflictError, NotFoundError):  # written by another check, or removed
            if not left:
                raise


def previous_effects(
    logs: Bucket,
    earlier: Sequence[Entry],
    start: datetime,
    baseline: Baseline,
    counts: Counts,
    min_rows: int,
) -> dict[str, float]:
    """How far the customers are from those of the latest window that this one does not overlap.

    Args:
        logs: where what was counted by each check is kept.
        earlier: the checks by the same baseline, latest first.
        start: when this check's window began.
        baseline: by which both were counted.
        counts: of this check.
        min_rows: what fewer customers are known by is left out.

    """
    last = next((e for e in earlier if e.time <= start and e.customers >= min_rows), None)
    if last is None:
        return {}
    key = keys.drift_counts(last.time)
    try:
        return effects(baseline, Counts.parse(logs.get(key)[0], baseline), counts, min_rows)
    except NotFoundError:
        return {}
    except Exception as error:  # whatever numpy makes of what is no such file
        logger.warning("passed over %s, which can't be read: %s", key, error)
        return {}


def _read(logs: Bucket) -> tuple[Trend, str | None]:
    try:
        content, etag = logs.get(keys.DRIFT_HISTORY)
    except NotFoundError:
        return Trend(), None
    try:
        return Trend.of(Entry.parse(one) for one in json.loads(content)), etag
    except (AttributeError, TypeError, ValueError) as error:
        logger.warning("%s can't be read, and begins anew: %s", keys.DRIFT_HISTORY, error)
        return Trend(), etag


def _gravity(entry: Entry) -> tuple[bool, float, datetime]:
    return entry.verdict == "drift", entry.drifted_share or 0.0, entry.time
