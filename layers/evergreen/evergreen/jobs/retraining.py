"""Whether to train, and what becomes of what was trained.

A trigger says that there may be something to learn. Nothing is trained where the champion has
learned from this very data, where a challenger made of it was judged against this champion, where
the same kind of trigger has trained within the cool-down, or where an upload brings more of the
same and the champion holds. The data stays in the bucket, and a later trigger looks again (a
schedule is one). Files that contradict all that is known are set aside. One training runs at a
time. A challenger that may not serve is published with the reason, not promoted.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import onnx
import skl2onnx
import sklearn

from evergreen.customers import files
from evergreen.customers.schema import Schema
from evergreen.errors import (
    BusyError,
    ConflictError,
    CorruptModelError,
    NoModelError,
    NotFoundError,
    SourceError,
)
from evergreen.jobs.cohort import Cohort
from evergreen.jobs.gate import Decision, Gate
from evergreen.jobs.history import History, Sources
from evergreen.jobs.occasion import Occasion, Trigger
from evergreen.jobs.stewardship import Stewardship
from evergreen.models import artifact, training
from evergreen.models.artifact import Manifest
from evergreen.models.known import Known
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.store import keys, lock
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from evergreen.store.set_aside import SetAside

Status = Literal["promoted", "kept", "waits", "set_aside", "labels_wanted", "skipped"]

_TIME_LIMIT = timedelta(minutes=15)  # Lambda's own; a lock older than that was left behind

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trigger."""

    status: Status
    """`waits`: trained, and for a person to promote. `set_aside`: all that was new is suspicious.
    `labels_wanted`: customers have drifted, and there is nothing, or too little, to learn from."""
    reason: str
    version: str | None = None
    metrics: dict[str, Any] | None = None
    set_aside: dict[str, str] = field(default_factory=dict)
    """The files that were found suspicious in this run, each with the reason."""

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as the function answers it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Retraining:
    """What a training needs of the world around it."""

    data: Bucket
    registry: Registry
    cooldown: timedelta
    thresholds: Thresholds = field(default_factory=Thresholds)
    """From where on labelled customers count as others than the champion's."""
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
        except BusyError as error:
            return Outcome("skipped", f"another training is running: {error}")
        except SourceError as error:
            self._explain(error.key, str(error))
            raise

    @property
    def set_aside(self) -> SetAside:
        """The files that are not learned from."""
        return SetAside(self.registry.bucket)

    def _run(self, trigger: Trigger, now: datetime) -> Outcome:
        champion = self._champion()
        if champion:
            Stewardship(self.registry).honour(champion)
        asides = {entry.etag: entry for entry in self.set_aside.entries()}
        held = {etag for etag, entry in asides.items() if entry.held}
        sources = Sources.find(self.data).without(held)
        for key in sources.foreign:
            self._explain(key, files.refusal(key))
        if not sources.complete:
            waiting = f"waiting for {keys.TRAINING_SCHEMA} and a table beside it"
            aside = ", ".join(asides[etag].key for etag in held)
            return Outcome("skipped", f"{waiting}; set aside: {aside}" if aside else waiting)
        occasion = Occasion(trigger, now, sources, champion, self.registry)
        if trigger != "manual" and (outcome := self._nothing_to_do(occasion)):
            return outcome
        schema = Schema.parse(self.data.get(keys.TRAINING_SCHEMA)[0])
        history = History.read(self.data, schema, sources)
        gate = self._gate(champion)
        cohort = history.cohort(schema, self._known(gate))
        if gate:
            suspicious = {
                key: reason
                for key, reason in gate.suspicions(cohort).items()
                if sources.etags[key] not in asides  # a person has released it
            }
            if suspicious:
                return self._without(suspicious, occasion)
            if trigger != "manual" and (waits := occasion.waits(gate, cohort)):
                return _too_little(trigger, waits)
        return self._train(occasion, schema, cohort, gate)

    def _explain(self, key: str, reason: str) -> None:
        """Say in the bucket why a file is not learned from, unless that was said before."""
        explanation = keys.explained(key)
        content = f"{reason}\n".encode()
        try:
            if self.data.get(explanation)[0] == content:
                return
        except NotFoundError:
            pass
        self.data.put(explanation, content, "text/plain; charset=utf-8")

    def _champion(self) -> Pointer | None:
        try:
            return self.registry.pointer()
        except NoModelError:
            return None

    def _gate(self, champion: Pointer | None) -> Gate | None:
        """Load the measure of what comes; None where nothing can serve, so anything is better."""
        if champion is None:
            return None
        try:
            rival = self.registry.champion(Reference.load, champion)
        except CorruptModelError as error:
            logger.error("there is nothing to compare with: %s", error)
            return None
        anchor, name = None, rival.manifest.decision.get("anchor")
        if name and name != rival.version:
            try:
                anchor = self.registry.load(name, Reference.load)
            except (CorruptModelError, NotFoundError) as error:
                logger.warning("the best version so far is no longer one: %s", error)
        return Gate(rival, anchor, self.thresholds)

    def _known(self, gate: Gate | None) -> Known | None:
        """The rows that the champion knew; None where that can't be told, so that all are fresh."""
        if gate is None:
            return None
        try:
            version = self.registry.fetch(gate.champion.version, [artifact.CUSTOMERS]).verify()
        except (CorruptModelError, NotFoundError) as error:
            logger.warning("it can't be told what the champion knew: %s", error)
            return None
        return Known.parse(version.files[artifact.CUSTOMERS], gate.champion.schema)

    def _nothing_to_do(self, occasion: Occasion) -> Outcome | None:
        """Look, without reading any data, whether there is nothing to learn, or not yet."""
        if occasion.nothing_new():
            return _nothing_new(occasion.trigger, str(occasion.parent))
        if judged := occasion.judged():
            return self._finish(judged, occasion)
        if occasion.champion and (until := occasion.cooling_down(self.cooldown)):
            return Outcome("skipped", f"cooling down until {until:%Y-%m-%d %H:%M} UTC")
        waits = occasion.known_to_wait()
        return _too_little(occasion.trigger, waits) if waits else None

    def _finish(self, manifest: Manifest, occasion: Occasion) -> Outcome:
        """Do what is left to do with a version that was judged against this very champion."""
        version = manifest.version
        if manifest.decision["promoted"]:
            if all(move.version != version for move in self.registry.history()):
                return self._promote(manifest, occasion.champion)  # the training died before
            return Outcome("skipped", f"{version} served before and was taken back", version)
        if manifest.decision.get("waits"):
            return Outcome("waits", manifest.decision["reason"], version)
        return _nothing_new(occasion.trigger, version)

    def _without(self, suspicious: Mapping[str, str], occasion: Occasion) -> Outcome:
        """Set files aside, and go on with what is left."""
        etags = {key: occasion.sources.etags[key] for key in suspicious}
        for key, reason in suspicious.items():
            logger.error("set aside %s: %s", key, reason)
            self.set_aside.add(key, etags[key], reason, occasion.now)
        left = replace(occasion, sources=occasion.sources.without(etags.values()))
        outcome = None if left.nothing_new() else self._run(occasion.trigger, occasion.now)
        if outcome and outcome.status not in ("skipped", "labels_wanted"):
            return replace(outcome, set_aside={**outcome.set_aside, **suspicious})
        reasons = {**(outcome.set_aside if outcome else {}), **suspicious}
        told = "; ".join(f"{key} is set aside: {reason}" for key, reason in reasons.items())
        return Outcome("set_aside", told, set_aside=reasons)

    def _train(
        self, occasion: Occasion, schema: Schema, cohort: Cohort, gate: Gate | None
    ) -> Outcome:
        sources, parent = occasion.sources, occasion.parent
        trained = training.train(schema, cohort.labelled)
        known = {artifact.CUSTOMERS: cohort.known.to_bytes()}
        files = training.version_files(schema, cohort.labelled, trained, known)
        if gate:
            withdrawn = not gate.champion.manifest.sources.items() <= sources.etags.items()
            decision = gate.judge(schema, cohort, trained, withdrawn=withdrawn)
        else:
            decision = Decision(True, "nothing else can serve" if parent else "the first model")
        manifest = Manifest(
            version=artifact.version_name(occasion.now, f"{sources.fingerprint} after {parent}"),
            created=occasion.now.isoformat(),
            parent=parent,
            trigger=occasion.trigger,
            fingerprint=sources.fingerprint,
            sources=dict(sources.etags),
            libraries=_libraries(),
            decision=asdict(decision),
            files={name: artifact.sha256(content) for name, content in files.items()},
            warnings=list(cohort.warnings),
            history={**cohort.census, "fresh": int(cohort.fresh.sum())},
        )
        self.registry.publish(manifest, files)
        status: Status = "waits" if decision.waits else "kept"
        outcome = Outcome(status, decision.reason, manifest.version)
        if decision.promoted:
            outcome = self._promote(manifest, occasion.champion)
        return replace(outcome, metrics=trained.metrics["held_out"])

    def _promote(self, manifest: Manifest, champion: Pointer | None) -> Outcome:
        """Move the pointer, unless somebody else has moved it since the champion was looked at."""
        version, reason = manifest.version, manifest.decision["reason"]
        try:
            self.registry.promote(version, seen=champion, reason=reason)
        except ConflictError as error:
            return Outcome("kept", f"not promoted, though {reason}: {error}", version)
        return Outcome("promoted", reason, version)


def _too_little(trigger: Trigger, reason: str) -> Outcome:
    """New customers are no reason to train yet; where drift asks, more of them are wanted."""
    return Outcome("labels_wanted" if trigger == "drift" else "skipped", reason)


def _nothing_new(trigger: Trigger, since: str) -> Outcome:
    if trigger == "drift":
        wanted = f"customers have changed, and there is nothing new to learn from since {since}"
        return Outcome("labels_wanted", f"{wanted}: labelled history of them is wanted", since)
    return Outcome("skipped", f"nothing new to learn from since {since}", since)


def _libraries() -> dict[str, str]:
    return {m.__name__: m.__version__ for m in (np, sklearn, onnx, skl2onnx)}
