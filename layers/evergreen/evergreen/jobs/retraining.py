"""Whether to train, and whether what was trained may serve.

A trigger says that there may be something to learn. Nothing is trained where the labelled data is
the same as before, or where the same kind of trigger has trained within the cool-down: the data
stays in the bucket, and the next trigger learns from it (a schedule is one). One training runs at
a time. A challenger that is worse than the champion is published with the reason, not promoted.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import onnx
import skl2onnx
import sklearn

from evergreen.customers.schema import Schema
from evergreen.errors import ConflictError, CorruptModelError, NoModelError
from evergreen.jobs.history import History, Sources
from evergreen.models import artifact, training
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.export import reference_probabilities
from evergreen.models.training import Labelled, Trained
from evergreen.statistics import evaluation
from evergreen.store import keys, lock
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket

Trigger = Literal["upload", "drift", "manual"]

COMPARED = 2_000
"""The most held-out rows that champion and challenger are compared on; a sample, beyond that."""
MIN_RECENT = 100
"""From so many held-out rows on, only those are compared on that the champion's files lack."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_TIME_LIMIT = timedelta(minutes=15)  # Lambda's own; a lock older than that was left behind


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trigger."""

    status: Literal["promoted", "kept", "skipped"]
    reason: str
    version: str | None = None
    metrics: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as the function answers it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Retraining:
    """What a training needs of the world around it."""

    data: Bucket
    registry: Registry
    cooldown: timedelta
    patience: timedelta = timedelta(seconds=20)
    """How long to wait for another trigger's run, which as a rule only finds nothing to do."""

    def run(self, trigger: Trigger, now: datetime) -> Outcome:
        """Train, compare and promote, where there is reason to.

        Raises:
            InputError: the labelled data or its schema can't be used.
            ParityError: the model could not be exported faithfully.

        """
        try:
            owner = f"a training of {now:%c}"
            with lock.hold(
                self.registry.bucket, keys.RETRAIN_LOCK, owner, _TIME_LIMIT, self.patience
            ):
                return self._run(trigger, now)
        except ConflictError as error:
            return Outcome("skipped", f"another training is running: {error}")

    def _run(self, trigger: Trigger, now: datetime) -> Outcome:
        sources = Sources.find(self.data)
        if not sources.complete:
            return Outcome("skipped", f"waiting for {keys.TRAINING_SCHEMA} and a CSV beside it")
        champion = self._champion()
        if trigger != "manual":
            last = _LONG_AGO  # training on the same kind of trigger
            for manifest in self.registry.manifests():
                if manifest.fingerprint == sources.fingerprint:
                    return self._finish(manifest, champion)
                if manifest.trigger == trigger:
                    last = max(last, datetime.fromisoformat(manifest.created))
            until = last + self.cooldown
            if champion and now < until:
                return Outcome("skipped", f"cooling down until {until:%Y-%m-%d %H:%M} UTC")
        return self._train(sources, champion, trigger, now)

    def _champion(self) -> Pointer | None:
        try:
            return self.registry.pointer()
        except NoModelError:
            return None

    def _finish(self, manifest: Manifest, champion: Pointer | None) -> Outcome:
        """Do what is left to do with a version that was trained on this very data before."""
        version = manifest.version
        undecided = manifest.parent == (champion.version if champion else None)
        if manifest.decision["promoted"] and undecided:
            served = any(move.version == version for move in self.registry.history())
            if not served:  # else it was rolled back; so the training died before promoting
                return self._promote(manifest, champion)
        return Outcome("skipped", f"nothing new to learn from since {version}", version)

    def _train(
        self, sources: Sources, champion: Pointer | None, trigger: Trigger, now: datetime
    ) -> Outcome:
        schema = Schema.parse(self.data.get(keys.TRAINING_SCHEMA)[0])
        history = History.read(self.data, schema, sources.tables)
        labelled = history.labelled(schema)
        trained = training.train(schema, labelled)
        files = training.version_files(schema, labelled, trained)
        decision = self._decide(champion, history, labelled, trained)
        manifest = Manifest(
            version=artifact.version_name(now, sources.fingerprint),
            created=now.isoformat(),
            parent=champion.version if champion else None,
            trigger=trigger,
            fingerprint=sources.fingerprint,
            sources=dict(sources.etags),
            libraries=_libraries(),
            decision=decision,
            files={name: artifact.sha256(content) for name, content in files.items()},
        )
        self.registry.publish(manifest, files)
        outcome = Outcome("kept", decision["reason"], manifest.version)
        if decision["promoted"]:
            outcome = self._promote(manifest, champion)
        return replace(outcome, metrics=trained.metrics["held_out"])

    def _promote(self, manifest: Manifest, champion: Pointer | None) -> Outcome:
        """Move the pointer, unless somebody else has moved it since the champion was looked at."""
        version, reason = manifest.version, manifest.decision["reason"]
        try:
            self.registry.promote(version, seen=champion, reason=reason)
        except ConflictError as error:
            return Outcome("kept", f"not promoted, though {reason}: {error}", version)
        return Outcome("promoted", reason, version)

    def _decide(
        self, champion: Pointer | None, history: History, labelled: Labelled, trained: Trained
    ) -> dict[str, Any]:
        """Judge the challenger against the champion on held-out rows, the newest there are."""
        if champion is None:
            return {"promoted": True, "reason": "the first model", "comparison": None}
        needed = (artifact.SCHEMA, artifact.ONNX)
        try:
            rival = self.registry.first_sound(champion, needed, Artifact.verify)
        except CorruptModelError as error:  # nothing can serve, so anything is better
            return {"promoted": True, "reason": str(error), "comparison": None}
        chosen = _rows_to_compare(history, labelled, rival.manifest.sources)
        scores = trained.scores[np.flatnonzero(chosen[labelled.held_out])]
        comparison = evaluation.compare(
            labelled.churned[chosen], _champion_scores(rival, history, chosen), scores
        )
        verdict = "no worse than" if comparison.no_worse else "worse than"
        reason = (
            f"{verdict} {rival.manifest.version} on {comparison.rows} held-out rows: log loss"
            f" {comparison.challenger_log_loss:.4f} against {comparison.champion_log_loss:.4f}"
        )
        return {
            "promoted": comparison.no_worse,
            "reason": reason,
            "comparison": comparison.as_dict(),
        }


def _rows_to_compare(history: History, labelled: Labelled, learned: Mapping[str, str]) -> Any:
    """Pick the held-out rows that the comparison rests on, as a mask of shape (rows,)."""
    recent = labelled.held_out & ~np.isin(history.source, list(learned))
    enough = recent.sum() >= MIN_RECENT and len(np.unique(labelled.churned[recent])) == 2
    chosen = np.flatnonzero(recent if enough else labelled.held_out)
    if len(chosen) > COMPARED:
        chosen = np.random.default_rng(0).choice(chosen, COMPARED, replace=False)
    return np.isin(np.arange(len(labelled.churned)), chosen)


def _champion_scores(rival: Artifact, history: History, chosen: Any) -> Any:
    """Answer the chosen rows with the champion, read by its own schema and never unpickled."""
    rows = replace(history, frame=history.frame[chosen])
    matrix = rows.encode(Schema.parse(rival.files[artifact.SCHEMA]))
    return reference_probabilities(rival.files[artifact.ONNX], matrix)


def _libraries() -> dict[str, str]:
    return {m.__name__: m.__version__ for m in (np, sklearn, onnx, skl2onnx)}
