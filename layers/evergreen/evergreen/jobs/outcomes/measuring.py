"""How good the models that answered really were, week by week, as far as outcomes have come.

A customer counts once for each version and week, by the latest prediction. Who has an outcome is
measured; of the others it is estimated how good the answers are, so that decay shows before labels
come. Weeks of which no outcome can come any more stay as they were measured last.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np

from evergreen.customers.value import Amounts
from evergreen.errors import CorruptModelError, NotFoundError
from evergreen.jobs.outcomes.campaign_effects import Campaigns
from evergreen.jobs.outcomes.joining import Join, Joined, monday
from evergreen.jobs.outcomes.learnable import Learnable, Learned
from evergreen.jobs.outcomes.told import NEVER, Table
from evergreen.models import artifact, typical
from evergreen.models.reference import Reference
from evergreen.statistics import decay
from evergreen.statistics.decay import Expectation, Judgement
from evergreen.statistics.estimation import estimate
from evergreen.statistics.performance import measure
from evergreen.store import keys, lock, outcomes
from evergreen.store.measured import VERSION, Measured
from evergreen.store.predictions_index import PredictionsIndex, stakes
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from evergreen.store.times import DAY, microseconds, time_of

LABELLED = 100
"""With fewer outcomes nothing is measured …"""
RARER = 10
"""… nor with fewer of the rarer one."""
COMPLETE = 0.5
"""From this share of a week's outcomes on it is judged by them: the first to come are others than
the rest."""
KEPT = 104
"""So many weeks back are told of."""

_WEEK = timedelta(days=7)
_TIME_LIMIT = timedelta(minutes=15)  # Lambda's own

Announce = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a measurement found."""

    document: dict[str, Any]
    learned: dict[str, int]
    """How many customers became labelled history; see `Learnable.write`."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as the function answers it."""
        told = ("measured_at", "outcomes", "decay")
        counts = {"weeks": len(self.document["weeks"]), "learned": self.learned}
        return {name: self.document[name] for name in told} | counts

    def metrics(self, champion: str) -> dict[str, float | None]:
        """Return what is published: of outcomes, and of the champion's latest weeks."""
        found: dict[str, float | None] = {
            "OutcomesMatched": self.document["outcomes"]["matched"],
            "OutcomesUnmatched": self.document["outcomes"]["unmatched"],
            "Decayed": int(bool(self.document["decay"] and self.document["decay"]["seen"])),
        }
        own = [week for week in self.document["weeks"] if week["model_version"] == champion]
        if week := next((week for week in own if week["measured"]), None):
            found["MeasuredRocAuc"] = week["measured"]["roc_auc"]["value"]
            found["MeasuredLogLoss"] = week["measured"]["log_loss"]["value"]
        if week := next((week for week in own if week["estimated"]), None):
            found["EstimatedRocAuc"] = week["estimated"]["roc_auc"]
            found["EstimatedLogLoss"] = week["estimated"]["log_loss"]
        return found


@dataclass(frozen=True, slots=True)
class Measuring:
    """What it takes to measure."""

    data: Bucket
    logs: Bucket
    registry: Registry
    horizon: timedelta
    """So long after a prediction an outcome tells of it."""
    announce: Announce = lambda kind, detail: None
    """Tells others that a model has decayed."""
    _metrics: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    def run(self, now: datetime, request: str = "") -> tuple[Measurement, str]:
        """Measure, keep what was found, and let what is new be learned from.

        Args:
            now: the time.
            request: a name that this run shares with its repetitions, and with nothing else.

        Returns:
            What was found, and the champion's version.

        Raises:
            NoModelError: nothing was ever promoted, so nobody was predicted for.
            BusyError: another run is at it.
            ConflictError: another run, which took too long, has written meanwhile.

        """
        owner = request or uuid4().hex
        with lock.hold(self.logs, keys.PERFORMANCE_LOCK, owner, _TIME_LIMIT):
            return self._run(now.astimezone(UTC))

    def _run(self, now: datetime) -> tuple[Measurement, str]:
        champion = self.registry.champion(Reference.load)
        before = Measured.read(self.logs)
        first = monday(microseconds(now - self.horizon - _WEEK) // DAY)
        since = time_of(first * DAY)
        index = PredictionsIndex(self.logs, champion.schema)
        campaigns = Campaigns(self.logs, since, now, self.horizon)
        learnable = Learnable(Learned.read(self.logs))
        horizon = self.horizon // timedelta(microseconds=1)
        join = Join(index, champion.schema, horizon, first, microseconds(now) // DAY)
        joined = join.run(
            lambda: outcomes.read(self.logs, since, now), takers=(campaigns, learnable)
        )
        weeks = [
            self._week(*key, rows, champion)
            for key, rows in sorted(joined.weeks.items(), key=lambda item: item[0][::-1])
        ][::-1]
        known = before.document.get("weeks", [])
        document = {
            "performance_version": VERSION,
            "measured_at": now.isoformat(),
            "horizon_days": self.horizon / timedelta(days=1),
            "outcomes": _counted(joined),
            "weeks": weeks + _older(known, since, now),
            "campaigns": campaigns.told(before.document.get("campaigns", []), since),
            "decay": self._decay(joined, champion.version),
            "announced": before.document.get("announced", []),
        }
        self._announce(document)
        before.replace(self.logs, document)
        written = learnable.write(self.data, self.logs, index, now, first * DAY)
        return Measurement(document, written), champion.version

    def _announce(self, document: dict[str, Any]) -> None:
        """Tell of decay, once for a version and week, before that is noted: lost it is never."""
        found = document["decay"]
        if found and found["seen"]:
            about = {"model_version": found["model_version"], "week": found["week"]}
            if about not in document["announced"]:
                self.announce("Performance Decayed", found)
                document["announced"] = [about, *document["announced"]][:KEPT]

    def _week(self, version: str, first: int, rows: Table, champion: Reference) -> dict[str, Any]:
        """Tell how a version did in a week."""
        known = rows["observed"] != NEVER
        start = time_of(first * DAY).date()
        labelled, others = rows[known], rows["score"][~known]
        measured = None
        if _measurable(labelled):
            amounts = _amounts(labelled, champion)
            measured = measure(labelled["churned"], labelled["score"], amounts)
        held_out = self._held_out(version) or {}
        return {
            "model_version": version,
            "week": week_of(first),
            "start": start.isoformat(),
            "customers": len(rows),
            "labelled": len(labelled),
            "measured": measured,
            "estimated": estimate(others) if len(others) else None,
            "expected": {name: held_out.get(name) for name in ("roc_auc", "log_loss", "brier")},
        }

    def _decay(self, joined: Joined, version: str) -> dict[str, Any] | None:
        """Judge the champion by its latest week of which enough is known and, before, by itself."""
        held_out = self._held_out(version)
        if not held_out:
            return None
        expected = Expectation(held_out["log_loss"], held_out["rows"])
        weeks = sorted((first for name, first in joined.weeks if name == version), reverse=True)
        guess: tuple[int, Judgement] | None = None
        for first in weeks:
            rows = joined.weeks[version, first]
            known = rows["observed"] != NEVER
            if _measurable(rows[known]) and known.mean() >= COMPLETE:
                true = decay.measured(rows["churned"][known], rows["score"][known], expected)
                if true.decayed or not (guess and guess[1].decayed):
                    return _decayed(version, first, true, "outcomes")
                break
            if guess is None and (~known).sum() >= LABELLED:
                found = decay.estimated(rows["score"][~known], expected)
                guess = first, found
        return _decayed(version, *guess, "estimate") if guess else None

    def _held_out(self, version: str) -> dict[str, Any] | None:
        """Return what a version's held-out customers said; None where that is gone."""
        if version not in self._metrics:
            try:
                found = self.registry.fetch(version, (artifact.METRICS,)).verify()
                metrics = json.loads(found.files[artifact.METRICS])
                self._metrics[version] = metrics["held_out"]
            except (NotFoundError, CorruptModelError, KeyError, ValueError):
                self._metrics[version] = None
        return self._metrics[version]


def _counted(joined: Joined) -> dict[str, Any]:
    return {
        "received": joined.received,
        "matched": joined.matched,
        "unmatched": joined.received - joined.matched,
        "examples": joined.unmatched,
        "contradictions": joined.contradictions,
    }


def _measurable(labelled: Table) -> bool:
    left = int(labelled["churned"].sum())
    return len(labelled) >= LABELLED and min(left, len(labelled) - left) >= RARER


def _amounts(rows: Table, champion: Reference) -> Amounts | None:
    """Return what is at stake with customers; None where the schema does not state it."""
    schema = champion.schema
    value = schema.campaign.value
    if value is None:
        return None
    kept = champion.metrics.get("typical")
    usual = typical.parse(kept or [None] * len(schema.features))
    matrix = np.tile(usual, (len(rows), 1))
    matrix[:, stakes(schema)] = rows["amounts"]
    return value.amounts(matrix, usual.tolist())


def _older(
    known: Sequence[Mapping[str, Any]], since: datetime, now: datetime
) -> list[Mapping[str, Any]]:
    """Return the weeks that are no longer measured, as they were last."""
    first, last = (now - KEPT * _WEEK).date().isoformat(), since.date().isoformat()
    return [week for week in known if first <= week["start"] < last]


def _decayed(version: str, first: int, found: Judgement, basis: str) -> dict[str, Any]:
    week = week_of(first)
    how = "measured on" if basis == "outcomes" else "estimated for"
    limit = found.expected + found.margin
    verdict = (
        "surely worse than" if found.decayed else f"below {limit:.3f}, so not surely worse than"
    )
    return {
        "seen": found.decayed,
        "model_version": version,
        "week": week,
        "metric": "log_loss",
        "basis": basis,
        "measured": found.loss,
        "expected": found.expected,
        "reason": (
            f"the log loss {how} the customers of {week} is {found.loss:.3f}, {verdict} the"
            f" {found.expected:.3f} of held-out customers"
        ),
    }


def week_of(first: int) -> str:
    """Name the week that begins on the day of this number, as ISO 8601 does."""
    year, week, _ = time_of(first * DAY).isocalendar()
    return f"{year}-W{week:02}"
