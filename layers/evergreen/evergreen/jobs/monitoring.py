"""The drift check: who was predicted for lately against whom the champion was chosen for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evergreen.jobs.population import Population
from evergreen.models import artifact
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.statistics.baseline import Baseline
from evergreen.statistics.drift import Report, judge
from evergreen.statistics.kinds import kinds
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Check:
    """A drift report, and what it rests on."""

    model_version: str
    """The version whose baseline it is."""
    window_start: datetime
    window_end: datetime
    records: int
    """How many predictions were made in the window."""
    sampled: float
    """The share of the customers that were looked at: 1, or that of a random sample."""
    predicted_churn: float | None
    """The mean of what was answered for these customers; None where there are none."""
    kinds: tuple[str, ...]
    """Which kinds of customers there are more of than before."""
    report: Report

    def as_dict(self) -> dict[str, Any]:
        """Return the check as the JSON document that is stored: one object, without the nesting."""
        return {
            "model_version": self.model_version,
            "window_start": self.window_start.isoformat(),
            "window_end": self.window_end.isoformat(),
            "records": self.records,
            "sampled": self.sampled,
            "predicted_churn": self.predicted_churn,
            "kinds": self.kinds,
            **self.report.as_dict(),
        }


def check(
    registry: Registry,
    logs: Bucket,
    thresholds: Thresholds,
    window: timedelta,
    max_window: timedelta,
    now: datetime,
) -> Check:
    """Compare the customers of a window of time with the champion's baseline.

    A customer counts once, by the latest prediction in the window. Where there are too few of them
    the window grows back, day by day. It never reaches back beyond the last move of the pointer:
    the champion was chosen for the customers of that day, whom the window would else be full of.

    The score's distribution is taken from the champion's own answers, because another model's are
    not comparable; and a feature is counted where the model that was asked knew it.

    Raises:
        NoModelError: nothing was ever promoted, so there is nothing to compare with.
        CorruptModelError: no version's files are what was published.

    """
    pointer = registry.pointer()
    champion = registry.champion(Reference.load, pointer)
    took_office = datetime.fromisoformat(pointer.move.moved_at)
    limit = min(now, max(took_office, now - max(window, max_window)))
    population = Population(registry, champion, now)
    population.read(logs, max(limit, now - window))
    while population.customers < thresholds.min_rows and population.start > limit:
        population.read(logs, max(limit, population.start - _DAY))
    baseline = Baseline.parse(champion.files[artifact.BASELINE])
    counts = population.count(baseline)
    report = judge(baseline, counts, champion.metrics["importance"], thresholds)
    return Check(
        model_version=champion.version,
        window_start=population.start,
        window_end=now,
        records=population.records,
        sampled=population.sampled,
        predicted_churn=population.predicted_churn,
        kinds=kinds(champion.schema.features, baseline, counts, report),
        report=report,
    )
