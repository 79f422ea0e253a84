"""The drift check: who was predicted for lately against whom the champion was chosen for."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.customers.schema import Matrix
from evergreen.jobs.drift import trend
from evergreen.jobs.drift.pieces import KeptPieces
from evergreen.jobs.drift.population import MOST, Population, starts
from evergreen.jobs.drift.segments import Segments, segments
from evergreen.jobs.drift.trend import Entry, Trend
from evergreen.models import artifact, reference_sample
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.statistics.baseline import Baseline, Counts, Known
from evergreen.statistics.distribution import Distribution, distribution
from evergreen.statistics.drift import ColumnDrift, Report, judge
from evergreen.statistics.joint import Joint, joint
from evergreen.statistics.kinds import kinds
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket

REPORT_VERSION = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Findings:
    """What some customers are like, beside those that a version was chosen for."""

    model_version: str
    """The version whose baseline it is."""
    baseline: Baseline = field(compare=False, repr=False)
    counts: Counts = field(compare=False, repr=False)
    report: Report
    kinds: tuple[str, ...]
    """Which kinds of customers there are more of than before."""
    distributions: Mapping[str, Distribution]
    """By the names of the columns of the report, the score's as well."""
    joint: Joint | None
    """All features at once; None where the version has no sample, or there are too few."""
    segments: Segments | None
    """Level by level; None where the schema asks for none, or the version has no sample."""

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON document: one object, the report's members among the others."""
        return {
            "report_version": REPORT_VERSION,
            "model_version": self.model_version,
            "kinds": self.kinds,
            **self.report.as_dict(),
            "columns": [self._column(column) for column in self.report.columns],
            "score": self._column(self.report.score) if self.report.score else None,
            "joint": asdict(self.joint) if self.joint else None,
            "segments": asdict(self.segments) if self.segments else None,
        }

    def _column(self, column: ColumnDrift) -> dict[str, Any]:
        return {**asdict(column), **asdict(self.distributions[column.name])}


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of the customers of a window, and how that goes with the checks before."""

    found: Findings
    window_start: datetime
    window_end: datetime
    """When it was checked."""
    records: int
    """How many predictions were made in the window."""
    sampled: float
    """The share of the customers that were looked at: 1, or that of a random sample."""
    predicted_churn: float | None
    """The mean of what was answered for these customers; None where there are none."""
    entry: Entry
    """The check in short, as a member of its series."""
    previous_effects: Mapping[str, float]
    """For each column how far the customers are from those of the latest window before."""
    trend: Trend
    """The checks that are kept, this one included."""

    @property
    def model_version(self) -> str:
        """The version whose baseline it is."""
        return self.found.model_version

    @property
    def report(self) -> Report:
        """The verdict, and how it came about."""
        return self.found.report

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which kinds of customers there are more of than before."""
        return self.found.kinds

    def as_dict(self) -> dict[str, Any]:
        """Return the check as the JSON document that is stored: one object, without the nesting."""
        found = self.found.as_dict()
        return {
            **found,
            "checked_at": self.window_end.isoformat(),
            "window_start": self.window_start.isoformat(),
            "window_end": self.window_end.isoformat(),
            "records": self.records,
            "sampled": self.sampled,
            "predicted_churn": self.predicted_churn,
            "since": self.entry.since,
            "columns": [self._since(column) for column in found["columns"]],
            "score": self._since(found["score"]) if found["score"] else None,
            "history": self.trend.shown(self.window_end),
        }

    def _since(self, column: dict[str, Any]) -> dict[str, Any]:
        name = column["name"]
        return column | {
            "since": self.entry.drifted.get(name),
            "previous_effect": self.previous_effects.get(name),
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

    What was gathered of hours that are over is kept (see `pieces`); nothing else is written, for
    which see `publishing`.

    Raises:
        NoModelError: nothing was ever promoted, so there is nothing to compare with.
        CorruptModelError: no version's files are what was published.

    """
    pointer = registry.pointer()
    champion = reference(registry, pointer)
    took_office = datetime.fromisoformat(pointer.move.moved_at)
    begins = starts(now, window, max_window, took_office)
    population = Population(registry, champion, now, begins)
    population.gather(logs, thresholds.min_rows, KeptPieces(logs, champion.schema, MOST))
    return concluded(logs, champion, population, thresholds)


def concluded(
    logs: Bucket, champion: Reference, population: Population, thresholds: Thresholds
) -> Check:
    """Compare the customers of a window, who were gathered, with the champion's baseline."""
    now = population.until
    baseline = Baseline.parse(champion.files[artifact.BASELINE])
    counts = population.count(baseline)
    found = _judged(champion, baseline, counts, population.matrix, population.known, thresholds)
    past, predicted_churn = trend.read(logs), population.predicted_churn
    entry = past.entry(now, champion.version, found.report, predicted_churn)
    earlier = past.before(now, champion.version)
    return Check(
        found=found,
        window_start=population.start,
        window_end=now,
        records=population.records,
        sampled=population.sampled,
        predicted_churn=predicted_churn,
        entry=entry,
        previous_effects=trend.previous_effects(
            logs, earlier, population.start, baseline, counts, thresholds.min_rows
        ),
        trend=past.add(entry),
    )


def against(
    champion: Reference,
    matrix: Matrix,
    scores: npt.NDArray[np.floating[Any]],
    thresholds: Thresholds,
    known: Known | None = None,
) -> Findings:
    """Compare any customers with those that a version was chosen for.

    Args:
        champion: as `reference` loads it.
        matrix: by the champion's schema, each customer once, shape (rows, features).
        scores: its own answers to them, shape (any,).
        thresholds: what counts as drift.
        known: where a value was asked for, shape as of `matrix`; else everywhere.

    """
    baseline = Baseline.parse(champion.files[artifact.BASELINE])
    known = np.ones(matrix.shape, np.bool_) if known is None else known
    counts = baseline.count(matrix, scores, known)
    return _judged(champion, baseline, counts, matrix, known, thresholds)


def reference(registry: Registry, pointer: Pointer | None = None) -> Reference:
    """Load the champion to compare with, and the sample of its customers where it has one.

    Versions from before there was such a file lack it; one that can't be used is as good as none.

    Raises:
        NoModelError: nothing was ever promoted.
        CorruptModelError: no version's files are what was published.

    """
    champion = registry.champion(Reference.load, pointer)
    more = registry.fetch(champion.version, (), (artifact.SAMPLE,))
    try:
        for content in more.verify().files.values():
            reference_sample.parse(content)
    except Exception as error:  # as of a model: whatever it is, it must not be used
        logger.warning("%s has no sample that can be used: %s", champion.version, error)
        return champion
    return replace(champion, files={**champion.files, **more.files})


def _judged(
    champion: Reference,
    baseline: Baseline,
    counts: Counts,
    matrix: Matrix,
    known: Known,
    thresholds: Thresholds,
) -> Findings:
    schema, importance = champion.schema, champion.metrics["importance"]
    report = judge(baseline, counts, importance, thresholds)
    columns = zip(baseline.features, counts.features, schema.features, strict=True)
    described = {column.name: distribution(column, cells, of) for column, cells, of in columns}
    described[baseline.score.name] = distribution(baseline.score, counts.score)
    sample = champion.files.get(artifact.SAMPLE)
    rows = reference_sample.parse(sample) if sample else None
    return Findings(
        model_version=champion.version,
        baseline=baseline,
        counts=counts,
        report=report,
        kinds=kinds(schema.features, baseline, counts, report),
        distributions=described,
        joint=None if rows is None else joint(rows, matrix[known.all(axis=1)], thresholds),
        segments=None
        if rows is None or report.verdict == "too_few_rows"
        else segments(schema, rows, matrix, known, importance, thresholds),
    )
