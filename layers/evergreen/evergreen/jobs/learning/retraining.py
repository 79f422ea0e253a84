"""Whether to train, and what becomes of what was trained.

A trigger says that there may be something to learn. Nothing is trained where the champion has
learned from this very data, where a challenger made of it was judged against this champion, where
the same kind of trigger has trained within the cool-down, or where an upload brings more of the
same and the champion holds. The data stays in the bucket, and a later trigger looks again (a
schedule is one). Files that contradict all that is known are set aside, files that can't be read
are refused, and the others are learned from. What fails on this very data fails once, and is told
as before then. One training runs at a time. A challenger that may not serve is published with the
reason, not promoted.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

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
    InputError,
    NoModelError,
    NotFoundError,
    ParityError,
    SourceError,
)
from evergreen.jobs.learning.cohort import Cohort
from evergreen.jobs.learning.explanations import Explanations
from evergreen.jobs.learning.failures import Failures
from evergreen.jobs.learning.gate import Decision, Gate
from evergreen.jobs.learning.history import History, Sources
from evergreen.jobs.learning.occasion import Occasion, Trigger
from evergreen.jobs.learning.stewardship import Stewardship
from evergreen.models import artifact, training
from evergreen.models.artifact import Manifest
from evergreen.models.known import Known
from evergreen.models.reference import Reference
from evergreen.reports.model import card
from evergreen.settings import Thresholds
from evergreen.store import keys, lock
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from evergreen.store.set_aside import SetAside

LeftOut = Literal["set_aside", "refused"]
Status = Literal["promoted", "kept", "waits", LeftOut, "labels_wanted", "skipped"]

_TIME_LIMIT = timedelta(minutes=15)  # Lambda's own; a lock older than that was left behind

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trigger."""

    status: Status
    """`waits`: trained, and for a person to promote. `set_aside`: all that was new is suspicious.
    `refused`: all that was new can't be read, or does not fit the schema.
    `labels_wanted`: customers have drifted, and there is nothing, or too little, to learn from."""
    reason: str
    version: str | None = None
    metrics: dict[str, Any] | None = None
    """Of what was trained in this run, on held-out customers."""
    comparison: dict[str, Any] | None = None
    """Of that with the champion."""
    set_aside: dict[str, str] = field(default_factory=dict)
    """The files that were found suspicious in this run, each with the reason."""
    refused: dict[str, str] = field(default_factory=dict)
    """The files that were found in this run not to be fit to learn from, each with the reason."""

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

    def run(self, trigger: Trigger, now: datetime, request: str = "") -> Outcome:
        """Train, compare and promote, where there is reason to.

        Args:
            trigger: what asked for it.
            now: the time.
            request: a name that this run shares with its repetitions, and with nothing else. A
                repetition goes on at once where the run was killed, and tells what that could not.

        Raises:
            InputError: the labelled data or its schema can't be used.
            ParityError: the model could not be exported faithfully.
            BusyError: another training is running, and this one was asked for by hand. For others
                there is a next look: uploads are looked at every hour, drift at the next check.

        """
        request = request or uuid4().hex
        bucket, patience = self.registry.bucket, self.patience
        try:
            with lock.hold(bucket, keys.RETRAIN_LOCK, request, _TIME_LIMIT, patience) as since:
                return self._run(trigger, now, request, since)
        except BusyError as error:
            if trigger == "manual":
                raise
            after = "what it has not seen is learned from at the next look"
            return Outcome("skipped", f"another training is running, {after}: {error}")

    @property
    def set_aside(self) -> SetAside:
        """The files that are not learned from."""
        return SetAside(self.registry.bucket)

    def _run(self, trigger: Trigger, now: datetime, request: str, since: datetime) -> Outcome:
        champion = self._champion()
        if champion:
            Stewardship(self.registry).honour(champion)
        asides = {entry.etag: entry for entry in self.set_aside.entries()}
        held = {etag for etag, entry in asides.items() if entry.held}
        sources = Sources.find(self.data).without(held)
        explanations = Explanations(self.data)
        for key in sources.foreign:
            explanations.give(key, files.refusal(key))
        if not sources.complete:
            waiting = f"waiting for {keys.TRAINING_SCHEMA} and a table beside it"
            aside = ", ".join(asides[etag].key for etag in held)
            return Outcome("skipped", f"{waiting}; set aside: {aside}" if aside else waiting)
        parent = champion.version if champion else None
        failures = Failures(self.registry.bucket, sources, parent, request)
        if champion and champion.move.moved_since(since):  # and the run died before it told so
            refused = failures.refused(told=False)
            return Outcome("promoted", champion.move.reason, parent, refused=refused)
        occasion = Occasion(
            trigger, now, sources, champion, self.registry, failures, asides.keys() - held
        )
        if trigger != "manual":
            if reason := failures.failed():
                again = "as before, until labelled files or the schema change"
                return _too_little(trigger, f"{again}: {reason}")
            without = occasion.refuse(failures.refused())
            occasion = without if without.sources.complete else occasion
        try:
            outcome = self._learn(occasion)
        except (InputError, ParityError) as error:
            failures.fail(str(error))
            raise
        refused = {**occasion.refused, **outcome.refused}
        if outcome.refused:
            failures.refuse(refused)
        explanations.keep({*refused, *sources.foreign})
        return outcome

    def _learn(self, occasion: Occasion) -> Outcome:
        trigger, sources = occasion.trigger, occasion.sources
        if trigger != "manual" and (outcome := self._nothing_to_do(occasion)):
            return outcome
        schema = Schema.parse(self.data.get(keys.TRAINING_SCHEMA)[0])
        gate = self._gate(occasion.champion)
        try:
            history = History.read(self.data, schema, sources)
            cohort = history.cohort(schema, self._known(gate))
        except SourceError as error:
            return self._refuse(error, occasion)
        if gate:
            suspicious = {
                key: reason
                for key, reason in gate.suspicions(cohort).items()
                if sources.etags[key] not in occasion.released
            }
            if suspicious:
                return self._set_aside(suspicious, occasion)
            if trigger != "manual" and (waits := occasion.waits(gate, cohort)):
                return _too_little(trigger, waits)
        return self._train(occasion, schema, cohort, gate)

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

    def _set_aside(self, suspicious: Mapping[str, str], occasion: Occasion) -> Outcome:
        etags = {key: occasion.sources.etags[key] for key in suspicious}
        for key, reason in suspicious.items():
            logger.error("set aside %s: %s", key, reason)
            self.set_aside.add(key, etags[key], reason, occasion.now)
        told = "; ".join(f"{key} is set aside: {reason}" for key, reason in suspicious.items())
        alone = Outcome("set_aside", told, set_aside=dict(suspicious))
        return self._go_on(occasion.without(etags.values()), alone)

    def _refuse(self, error: SourceError, occasion: Occasion) -> Outcome:
        """Go on without files that can't be learned from, unless that would be to unlearn.

        Raises:
            SourceError: nothing is left, or the champion learned from files of these names.

        """
        for key, reason in error.reasons.items():
            logger.error("refused %s: %s", key, reason)
            Explanations(self.data).give(key, reason)
        left = occasion.refuse(error.reasons)
        if not left.sources.complete or occasion.unlearns(error.reasons):
            raise SourceError(left.refused)
        return self._go_on(left, Outcome("refused", str(error), refused=error.reasons))

    def _go_on(self, left: Occasion, alone: Outcome) -> Outcome:
        """Learn from the files that are left; where that comes to nothing, the outcome is `alone`.

        What is said in it of those that are left out is said in any case.
        """
        nothing = left.nothing_new() or not left.sources.complete
        rest = alone if nothing else self._learn(left)
        return replace(
            alone if rest.status in ("skipped", "labels_wanted") else rest,
            set_aside={**rest.set_aside, **alone.set_aside},
            refused={**rest.refused, **alone.refused},
        )

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
            warnings=[*_not_learned(occasion.refused), *cohort.warnings],
            history={**cohort.census, "fresh": int(cohort.fresh.sum())},
        )
        page = card(asdict(manifest), trained.metrics, schema.document)
        self.registry.publish(manifest, files | {artifact.CARD: page.encode()})
        status: Status = "waits" if decision.waits else "kept"
        outcome = Outcome(status, decision.reason, manifest.version)
        if decision.promoted:
            outcome = self._promote(manifest, occasion.champion)
        held_out = trained.metrics["held_out"]
        return replace(outcome, metrics=held_out, comparison=decision.comparison)

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


def _not_learned(refused: Mapping[str, str]) -> Iterator[str]:
    return (f"{key} is not learned from: {reason}" for key, reason in refused.items())


def _libraries() -> dict[str, str]:
    return {m.__name__: m.__version__ for m in (np, sklearn, onnx, skl2onnx)}
