"""What a person decides over the loop's head: go back, promote, let a file be learned from.

Each is kept with its reason, and holds: what was rolled back is neither served nor learned from
again, whatever is uploaded, drifts or falls due, until somebody says so.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from evergreen.errors import InputError
from evergreen.models.artifact import Manifest
from evergreen.store import keys
from evergreen.store.registry import Move, Registry
from evergreen.store.set_aside import Entry, SetAside


@dataclass(frozen=True, slots=True)
class Stewardship:
    """A person at the registry."""

    registry: Registry

    @property
    def set_aside(self) -> SetAside:
        """The files that are not learned from."""
        return SetAside(self.registry.bucket)

    def roll_back(self, reason: str, to: str | None = None) -> Move:
        """Let an earlier version serve, and set aside the files that only later ones knew.

        The files are set aside first: a training that starts in between learns nothing from them.

        Args:
            reason: why; it is kept with the move and with each file.
            to: the version to go back to; else the one that served before.

        Raises:
            NoModelError: nothing was ever promoted.
            NotFoundError: there is no such version.
            InputError: there is none before the champion, or it is the champion; or no reason.
            ConflictError: the pointer was moved meanwhile; look again.

        """
        _require(reason)
        pointer = self.registry.pointer()
        served = list(islice(self.registry.succession(pointer), 2))
        target = to or (served[1] if len(served) > 1 else None)
        if target is None:
            raise InputError(f"there is no version before {pointer.version}")
        if target == pointer.version:
            raise InputError(f"{target} serves already")
        kept = set(self.registry.manifest(target).sources.values())
        for version in self._since(target, pointer.version):
            self._set_aside(version, kept, f"{version.version} was rolled back: {reason}")
        return self.registry.promote(target, seen=pointer, reason=reason, kind="rollback").move

    def promote(self, version: str, reason: str) -> Move:
        """Let a version serve that the gate has not let; its files may be learned from again.

        Raises:
            NotFoundError: there is no such version.
            ConflictError: the pointer was moved meanwhile; look again.

        """
        _require(reason)
        pointer = self.registry.pointer()
        sources = set(self.registry.manifest(version).sources.values())
        move = self.registry.promote(version, seen=pointer, reason=reason).move
        for entry in self.set_aside.entries():
            if entry.held and entry.etag in sources:
                self.release(entry.etag, f"{version} was promoted: {reason}")
        return move

    def release(self, name: str, reason: str) -> list[Entry]:
        """Let a file that was set aside be learned from; see `SetAside.release`."""
        _require(reason)
        return self.set_aside.release(name, reason, self._now())

    def _since(self, target: str, champion: str) -> list[Manifest]:
        """The champion, and the versions that served after the target last did."""
        names = [champion]
        for move in self.registry.history():
            if move.version == target:
                break
            names.append(move.version)
        return [self.registry.manifest(name) for name in dict.fromkeys(names)]

    def _set_aside(self, version: Manifest, kept: set[str], reason: str) -> None:
        for key, etag in version.sources.items():
            if key != keys.TRAINING_SCHEMA and etag not in kept:
                self.set_aside.add(key, etag, reason, self._now())

    def _now(self) -> datetime:
        return self.registry.clock()


def _require(reason: str) -> None:
    if not reason.strip():
        raise InputError("a reason is needed, and kept: say why")
