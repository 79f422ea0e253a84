"""What a drift check leaves behind: report, page, counts, its line in the history, and the latest.

All of it is named by the time of the check, so a check that is repeated after a fault writes it
again and completes it. What others read first is written last.
"""

import json
import logging
from datetime import UTC, datetime

from evergreen.errors import ConflictError, NotFoundError
from evergreen.jobs.drift import trend
from evergreen.jobs.drift.monitoring import Check
from evergreen.reports.drift import page
from evergreen.store import keys
from evergreen.store.measured import Measured
from evergreen.store.s3 import Bucket

HTML = "text/html; charset=utf-8"

_TRIES = 10
_NEVER = datetime.min.replace(tzinfo=UTC)

logger = logging.getLogger(__name__)


def publish(logs: Bucket, found: Check) -> str:
    """Write all that there is of a check, and return the key of its report.

    Raises:
        ConflictError: other checks were faster again and again; a repetition will do.

    """
    at = found.window_end
    document = json.dumps(found.as_dict(), indent=2).encode()
    shown = page(json.loads(document), Measured.read(logs).document or None)
    logs.put(keys.drift_counts(at), found.found.counts.to_bytes(), "application/octet-stream")
    logs.put(keys.drift_page(at), shown.encode(), HTML)
    logs.put(keys.drift_report(at), document)
    trend.keep(logs, found.entry)
    _move_latest(logs, at, document)
    _show_latest(logs)
    return keys.drift_report(at)


def _move_latest(logs: Bucket, at: datetime, document: bytes) -> None:
    """Let a report be the latest, unless there is a later one."""
    for left in reversed(range(_TRIES)):
        try:
            latest, etag = _latest(logs)
            if at < latest:
                return
            if etag is None:
                logs.create(keys.DRIFT_LATEST, document)
            else:
                logs.replace(keys.DRIFT_LATEST, document, etag)
            return
        except ConflictError:
            if not left:
                raise


def _show_latest(logs: Bucket) -> None:
    """Let the latest page be that of the latest report, also where two checks end at once.

    Whoever puts a page there looks again whether its report still is the latest; so the last one
    who does has the right one.
    """
    seen = None
    for _ in range(_TRIES):
        latest, etag = _latest(logs)
        if etag is None or etag == seen:
            return
        seen = etag
        shown, _ = logs.get(keys.drift_page(latest))
        logs.put(keys.DRIFT_LATEST_PAGE, shown, HTML)


def _latest(logs: Bucket) -> tuple[datetime, str | None]:
    """Return the time and ETag of the latest report; one that can't be read is older than all."""
    try:
        content, etag = logs.get(keys.DRIFT_LATEST)
    except NotFoundError:
        return _NEVER, None
    try:
        at = datetime.fromisoformat(json.loads(content)["checked_at"])
        return (at, etag) if at.tzinfo else (_NEVER, etag)
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("%s can't be read, and is written anew: %s", keys.DRIFT_LATEST, error)
        return _NEVER, etag
