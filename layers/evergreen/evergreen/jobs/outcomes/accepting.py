"""The outcomes of a request → the log, in their one normal form."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from evergreen.customers.outcomes import Opposite, Reader, opposites
from evergreen.customers.schema import Schema
from evergreen.errors import InvalidRows
from evergreen.store import outcomes as kept
from evergreen.store.s3 import Bucket


def accept(
    logs: Bucket,
    schema: Schema,
    given: Sequence[Mapping[str, Any]],
    received_at: datetime,
    name: str,
) -> list[Opposite]:
    """Keep the outcomes of a request, all or none, and return which contradict each other.

    Args:
        logs: where they go.
        schema: of the customers.
        given: the outcomes as they were sent.
        received_at: when that was.
        name: of the request; the same one on the same day keeps nothing twice.

    Raises:
        InvalidRows: some can't be read.

    """
    outcomes, problems = Reader(schema, received_at).objects(given)
    if problems:
        raise InvalidRows(problems, "outcome")
    kept.write(logs, received_at, name, outcomes)
    return opposites(schema, outcomes)
