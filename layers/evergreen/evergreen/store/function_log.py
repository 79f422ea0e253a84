"""The predictor's log, which keeps the records that Firehose did not take."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from evergreen.store import aws
from evergreen.store.metrics import UNDELIVERED

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient


@dataclass(frozen=True, slots=True)
class FunctionLog:
    """A log group."""

    client: "CloudWatchLogsClient"
    group: str

    @classmethod
    def connect(cls, group: str) -> Self:
        """Reach a log group by its name."""
        return cls(aws.client("logs"), group)

    def undelivered(self, since: datetime, until: datetime) -> Iterator[str | None]:
        """Read the records that were written down from one time to before another.

        Yields:
            Each as its JSON text; None for one that can't be read, such as one that was too long
            for a line and was cut.

        """
        pages = self.client.get_paginator("filter_log_events").paginate(
            logGroupName=self.group,
            filterPattern=f'"{UNDELIVERED}"',
            startTime=_milliseconds(since),
            endTime=_milliseconds(until) - 1,
        )
        for page in pages:
            for event in page["events"]:
                if UNDELIVERED in event["message"]:
                    yield _record(event["message"])


def _record(line: str) -> str | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    record = told.get("record") if isinstance(told, dict) else None
    return record if isinstance(record, str) else None


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1_000)
