"""Whether a trigger is reason enough to train."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import takewhile
from typing import Literal, Self

from evergreen.errors import CorruptModelError, NotFoundError
from evergreen.jobs.learning.cohort import RECENT, Cohort
from evergreen.jobs.learning.failures import Failures
from evergreen.jobs.learning.gate import GROWTH, Gate
from evergreen.jobs.learning.history import Sources
from evergreen.models.artifact import Manifest
from evergreen.store import keys
from evergreen.store.registry import Pointer, Registry

Trigger = Literal["upload", "drift", "manual"]

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Occasion:
    """A trigger, with the labelled files that there are and the champion that serves."""

    trigger: Trigger
    now: datetime
    sources: Sources
    champion: Pointer | None
    registry: Registry
    failures: Failures
    """What failed on these files before."""
    released: Collection[str] = ()
    """The ETags of files that a person lets be learned from, whatever the gate thinks of them."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """The files that can't be learned from, and are not among `sources`, each with the reason."""

    @property
    def parent(self) -> str | None:
        """The version that serves."""
        return self.champion.version if self.champion else None

    def nothing_new(self) -> bool:
        """Whether the champion has learned from this very data."""
        serving = self._serving
        return serving is not None and serving.fingerprint == self.sources.fingerprint

    def without(self, etags: Collection[str]) -> Self:
        """Leave out files that are set aside."""
        return replace(self, sources=self.sources.without(etags))

    def refuse(self, reasons: Mapping[str, str]) -> Self:
        """Leave out files that can't be learned from."""
        refused = {**self.refused, **reasons}
        return replace(self, sources=self.sources.apart_from(reasons), refused=refused)

    def unlearns(self, names: Iterable[str]) -> bool:
        """Whether the champion has learned from files of these names, or that can't be told."""
        serving = self._serving
        known = serving.sources if serving else self.sources.etags if self.parent else {}
        return any(name in known for name in names)

    def judged(self) -> Manifest | None:
        """Find the challenger made of this very data that was judged against this champion."""
        for manifest in self._challengers:
            if manifest.fingerprint == self.sources.fingerprint:
                return manifest
        return None

    def cooling_down(self, cooldown: timedelta) -> datetime | None:
        """Say until when this kind of trigger waits for the training before; None if it is over."""
        for manifest in self.registry.manifests():
            until = datetime.fromisoformat(manifest.created) + cooldown
            if until <= self.now:
                return None
            if manifest.trigger == self.trigger:
                return until
        return None

    def changed(self) -> bool:
        """Whether there is news beside fresh customers: another schema, or a file taken away."""
        serving = self._serving
        if serving is None:
            return True
        schema = serving.sources.get(keys.TRAINING_SCHEMA)
        gone = serving.sources.keys() - self.sources.etags.keys()
        return bool(gone) or schema != self.sources.etags[keys.TRAINING_SCHEMA]

    def waits(self, gate: Gate, cohort: Cohort) -> str | None:
        """Say why fresh customers are not reason enough, and note it; None where they are."""
        if self.changed():
            return None
        reason = self._too_few(cohort)
        if not reason and self.trigger == "upload":
            reason = gate.holds(cohort)
        if reason:
            note = self._note | {"reason": reason}
            self.registry.bucket.put(self._note_key, json.dumps(note, indent=2).encode())
        return reason

    def known_to_wait(self) -> str | None:
        """Say what `waits` found when it last looked at this very data; None if it did not."""
        try:
            note = json.loads(self.registry.bucket.get(self._note_key)[0])
        except (NotFoundError, ValueError):
            return None
        same = isinstance(note, dict) and self._note.items() <= note.items()
        return str(note.get("reason")) if same else None

    @property
    def _note(self) -> dict[str, str]:
        return {"fingerprint": self.sources.fingerprint, "trigger": self.trigger}

    @property
    def _note_key(self) -> str:
        return keys.waiting(str(self.parent))

    @cached_property
    def _serving(self) -> Manifest | None:
        """The champion's manifest; None where there is none that can be read."""
        if self.parent is None:
            return None
        try:
            return self.registry.manifest(self.parent)
        except (CorruptModelError, NotFoundError):
            return None

    @cached_property
    def _challengers(self) -> Sequence[Manifest]:
        """The versions that were judged against this champion, the latest first."""
        serving = self._serving
        since = datetime.fromisoformat(serving.created) if serving else _LONG_AGO
        later = takewhile(
            lambda manifest: datetime.fromisoformat(manifest.created) >= since,
            self.registry.manifests(),
        )
        return [manifest for manifest in later if manifest.parent == self.parent]

    def _too_few(self, cohort: Cohort) -> str | None:
        """Say why fresh customers are too few for one more challenger; None if they are enough."""
        judged = self._withstood()
        more = RECENT if self.trigger == "drift" else int(GROWTH * judged)
        if not judged or cohort.fresh.sum() >= judged + more:
            return None
        return f"a challenger of {judged} new customers was kept; the next waits for {more} more"

    def _withstood(self) -> int:
        """How many fresh customers the latest challenger had that was not promoted.

        One that knew a file which is set aside or gone says nothing of those that there are, and
        drift is a new situation to one that was made before there was any.
        """
        for manifest in self._challengers:
            comparable = manifest.sources.items() <= self.sources.etags.items()
            if comparable and (self.trigger != "drift" or manifest.trigger == "drift"):
                return int(manifest.history.get("fresh", 0))
        return 0
