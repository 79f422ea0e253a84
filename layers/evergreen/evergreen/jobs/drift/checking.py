"""Drift of any customers that a person asks about: of a file, or of any part of the log."""

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from evergreen.customers.identity import identities
from evergreen.customers.table import Table
from evergreen.errors import InputError, NotFoundError
from evergreen.jobs.drift import monitoring
from evergreen.jobs.drift.monitoring import Findings
from evergreen.jobs.drift.population import Population
from evergreen.models import artifact
from evergreen.models.answers import rounded
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket


class Judged(NamedTuple):
    """What was found of the customers who were asked about."""

    found: Findings
    rows: int
    """Of a file, or predictions of the log; a customer counts once, by the last of them."""
    of: dict[str, Any]
    """Where they are from."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as a drift report, but for what only a series of checks can say."""
        return {**self.found.as_dict(), "rows": self.rows, **self.of}


def reference(registry: Registry, version: str | None) -> Reference:
    """Load a version to compare with, else the champion; raises InputError where it is not there.

    Raises:
        NoModelError: nothing was ever promoted.
        CorruptModelError: it can't be used.

    """
    if version is None:
        return monitoring.reference(registry)
    try:
        optional = (*artifact.FASTER, artifact.SAMPLE)
        return Reference.load(registry.fetch(version, artifact.CHAMPION, optional))
    except NotFoundError:
        raise InputError(
            f"there is no version {version}: `evergreen models list` names them"
        ) from None


def of_table(champion: Reference, table: Table, thresholds: Thresholds) -> Judged:
    """Compare the customers of a table, read by that version's schema, with those of a version.

    As in the log, a value that does not fit counts as missing, or as a level that is not listed.
    """
    schema, rows = champion.schema, len(table.lines)
    who = identities(schema, table.columns, rows)
    _, latest = np.unique(who[::-1], return_index=True)
    matrix = schema.encode(table.columns, rows).matrix[rows - 1 - latest]
    scores = rounded(champion.probabilities(matrix))
    found = monitoring.against(champion, matrix, scores, thresholds)
    return Judged(found, rows, {"file": table.name, "unread": len(table.rejected)})


def of_log(
    registry: Registry,
    logs: Bucket,
    champion: Reference,
    since: datetime,
    until: datetime,
    thresholds: Thresholds,
) -> Judged:
    """Compare the customers who were predicted for within a time with those of a version."""
    population = Population(registry, champion, until, [since])
    population.gather(logs, 0)
    matrix, known = population.matrix, population.known
    scores = rounded(champion.probabilities(matrix))
    found = monitoring.against(champion, matrix, scores, thresholds, known=known)
    window = {"window_start": since.isoformat(), "window_end": until.isoformat()}
    return Judged(found, population.records, {**window, "sampled": population.sampled})
