"""What a person decides over the loop's head: go back, promote, let a file be learned from.

Each is kept with its reason, and holds: what was rolled back is neither served nor learned from
again, whatever is uploaded, drifts or falls due, until somebody says so.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile, islice, takewhile

from evergreen.errors import CorruptModelError, InputError, NotFoundError
from evergreen.store import keys
from evergreen.store.registry import Move, Pointer, Registry
from evergreen.store.set_aside import Entry, SetAside

logger = logging.getLogger(__name__)


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
        Said again for the same reason it is the same rollback, of which what is left is done: who
        hears of a failure can't know how far it came.

        Args:
            reason: why; it is kept with the move and with each file.
            to: the version to go back to; else the one that served before.

        Raises:
            NoModelError: nothing was ever promoted.
            InputError: there is none before the champion, or it is the champion, or it never
                served; or no reason is given.
            ConflictError: the pointer was moved meanwhile; look again.

        """
        _require(reason)
        pointer = self.registry.pointer()
        last = pointer.move
        if (last.kind, last.reason) == ("rollback", reason) and to in (None, last.version):
            self.registry.settle(pointer)
            return last
        served = list(islice(self.registry.succession(pointer), 2))
        target = to or (served[1] if len(served) > 1 else None)
        if target is None:
            raise InputError(f"there is no version before {pointer.version}")
        if target == pointer.version:
            raise InputError(f"{target} serves already")
        if all(move.version != target for move in self.registry.history(pointer)):
            raise InputError(f"{target} never served, so it can only be promoted")
        self._set_aside(pointer, target, reason, apart_from=set())
        return self.registry.promote(target, seen=pointer, reason=reason, kind="rollback").move

    def honour(self, pointer: Pointer) -> None:
        """Note a move, and set aside what a rollback wants set aside, whoever moved the pointer.

        What a person released since stays released. Where the version that serves can't be read,
        nothing is set aside: what it knew can't be told.
        """
        self.registry.settle(pointer)
        if pointer.move.kind != "rollback":
            return
        seen = {entry.etag for entry in self.set_aside.entries()}
        try:
            self._set_aside(pointer, pointer.version, pointer.move.reason, apart_from=seen)
        except (CorruptModelError, NotFoundError) as error:
            logger.error("nothing is set aside after the rollback: %s", error)

    def promote(self, version: str, reason: str) -> Move:
        """Let a version serve that the gate has not let; its files may be learned from again.

        Said again for the same reason it is the same promotion; see `roll_back`.

        Raises:
            NotFoundError: there is no such version.
            ConflictError: the pointer was moved meanwhile; look again.

        """
        _require(reason)
        pointer = self.registry.pointer()
        sources = set(self.registry.manifest(version).sources.values())
        if (pointer.version, pointer.move.reason) == (version, reason):
            self.registry.settle(pointer)
        else:
            pointer = self.registry.promote(version, seen=pointer, reason=reason)
        for entry in self.set_aside.entries():
            if entry.held and entry.etag in sources:
                self.release(entry.etag, f"{version} was promoted: {reason}")
        return pointer.move

    def release(self, name: str, reason: str) -> list[Entry]:
        """Let a file that was set aside be learned from; see `SetAside.release`."""
        _require(reason)
        return self.set_aside.release(name, reason, self._now())

    def _set_aside(self, pointer: Pointer, target: str, reason: str, apart_from: set[str]) -> None:
        """Set aside the labelled files that only those versions knew which served since."""
        kept = set(self.registry.manifest(target).sources.values()) | apart_from
        moves = dropwhile(lambda move: move.version == target, self.registry.history(pointer))
        since = takewhile(lambda move: move.version != target, moves)
        for name in dict.fromkeys(move.version for move in since):
            for key, etag in self.registry.manifest(name).sources.items():
                if key != keys.TRAINING_SCHEMA and etag not in kept:
                    told = f"{name} was rolled back: {reason}"
                    self.set_aside.add(key, etag, told, self._now())

    def _now(self) -> datetime:
        return self.registry.clock()


def _require(reason: str) -> None:
    if not reason.strip():
        raise InputError("a reason is needed, and kept: say why")
