"""Model versions in a bucket, and the one pointer that says which of them serves.

Versions are immutable and complete: the manifest is written last, and a version without one does
not exist. `models/current.json` names the champion. It moves only by a write that is conditional
on what the mover saw, and every move is noted under `promotions/`; rolling back is one more move.
A mover who dies in between leaves a move without a note: it counts all the same wherever the
pointer is known, and the next mover or training notes it.

Who serves is decided here for all: predictor, drift check and gate take the champion from
`Registry.champion`, which reads the same files and passes over the same broken versions.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Literal

from evergreen.errors import ConflictError, CorruptModelError, NoModelError, NotFoundError
from evergreen.models import artifact
from evergreen.models.artifact import Artifact, Manifest
from evergreen.store import keys
from evergreen.store.s3 import Bucket

_KINDS = {"json": "application/json", "html": "text/html; charset=utf-8"}

MoveKind = Literal["promotion", "rollback"]

logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the pointer."""

    version: str
    previous: str | None
    moved_at: str
    reason: str
    kind: MoveKind = "promotion"
    """A rollback says that what served since its version was promoted shall not serve again."""

    @classmethod
    def parse(cls, text: bytes) -> "Move":
        """Read a stored move; raises CorruptModelError where it is none."""
        try:
            move = cls(**json.loads(text))
            datetime.fromisoformat(move.moved_at)
            return move
        except (TypeError, ValueError) as error:
            raise CorruptModelError(f"a move of the pointer can't be read: {error}") from error

    def to_bytes(self) -> bytes:
        """Return the move as it is stored."""
        return json.dumps(asdict(self), indent=2).encode()

    def moved_since(self, time: datetime) -> bool:
        """Whether it is a promotion, and of no earlier time."""
        return self.kind == "promotion" and datetime.fromisoformat(self.moved_at) >= time

    @property
    def key(self) -> str:
        """Where the history keeps this move."""
        return keys.promotion(datetime.fromisoformat(self.moved_at), self.version)


@dataclass(frozen=True, slots=True)
class Pointer:
    """The last move, and the ETag that says it still is the last."""

    move: Move
    etag: str

    @property
    def version(self) -> str:
        """The version that serves."""
        return self.move.version


@dataclass(frozen=True, slots=True)
class Registry:
    """The versions in a bucket."""

    bucket: Bucket
    clock: Callable[[], datetime] = field(default=_now, compare=False)
    """Tells when a move is made."""

    def pointer(self) -> Pointer:
        """Return the pointer; raises NoModelError where nothing was ever promoted."""
        try:
            return self._pointer(*self.bucket.get(keys.POINTER))
        except NotFoundError:
            raise _no_model() from None

    def pointer_if_moved(self, seen: Pointer) -> Pointer | None:
        """Return the pointer unless it is the one that was seen."""
        try:
            found = self.bucket.get_if_changed(keys.POINTER, seen.etag)
        except NotFoundError:
            raise _no_model() from None
        return self._pointer(*found) if found else None

    def manifest(self, version: str) -> Manifest:
        """Return a version's manifest; raises NotFoundError for one that was never completed."""
        return Manifest.parse(self.bucket.get(keys.model_file(version, keys.MANIFEST))[0])

    def fetch(self, version: str, names: Iterable[str], optional: Collection[str] = ()) -> Artifact:
        """Return a version with these of its files; raises NotFoundError where one is gone.

        Those that are optional are left out where there are none.
        """

        def content(name: str) -> bytes | None:
            try:
                return self.bucket.get(keys.model_file(version, name))[0]
            except NotFoundError:
                if name in optional:
                    return None
                raise

        wanted = [keys.MANIFEST, *names, *optional]
        with ThreadPoolExecutor(len(wanted)) as pool:  # a cold start waits for one of them, not all
            found = zip(wanted, pool.map(content, wanted), strict=True)
            files = {name: body for name, body in found if body is not None}
        return Artifact(Manifest.parse(files.pop(keys.MANIFEST)), files)

    def load[T](self, version: str, load: Callable[[Artifact], T]) -> T:
        """Load a version; raises NotFoundError where it is gone, and what `load` does."""
        return load(self.fetch(version, artifact.CHAMPION, artifact.FASTER).verify())

    def champion[T](self, load: Callable[[Artifact], T], pointer: Pointer | None = None) -> T:
        """Load the champion or, where it is refused, the latest version before it that is not.

        A version that was rolled back is not gone back to.

        Args:
            load: makes whatever is wanted of a version: of `artifact.CHAMPION`, what it has of
                `artifact.FASTER`, and the manifest; raises CorruptModelError to refuse it.
            pointer: names the champion; else it is read.

        Raises:
            NoModelError: nothing was ever promoted.
            CorruptModelError: every version was refused.

        """
        refused: list[str] = []
        for version in self.succession(pointer or self.pointer()):
            try:
                return self.load(version, load)
            except (CorruptModelError, NotFoundError) as error:
                refused.append(version)
                logger.error("refused a model: %s", error)
        raise CorruptModelError(f"no version can be used; refused: {', '.join(sorted(refused))}")

    def succession(self, pointer: Pointer) -> Iterator[str]:
        """Name the champion, and then those that served before it, the latest first, each once.

        What a rollback went back from is not among them.
        """
        named = set[str]()
        gone_back_to = None
        for move in chain([pointer.move], self.history()):  # read only where the first is refused
            if gone_back_to in (None, move.version):
                gone_back_to = move.version if move.kind == "rollback" else None
                before = [] if gone_back_to or not move.previous else [move.previous]
                for version in (move.version, *before):
                    if version not in named:
                        named.add(version)
                        yield version

    def publish(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Write a version, its manifest last; raises ConflictError where it is complete already.

        Files that the manifest does not name are for people.
        """
        complete = keys.model_file(manifest.version, keys.MANIFEST)
        if any(self.bucket.list(complete)):
            raise ConflictError(f"{manifest.version} is published, and versions never change")
        for name, content in files.items():
            kind = _KINDS.get(name.rpartition(".")[2], "application/octet-stream")
            self.bucket.put(keys.model_file(manifest.version, name), content, kind)
        self.bucket.create(complete, manifest.to_bytes())

    def manifests(self) -> Iterator[Manifest]:
        """Read the manifests of all complete versions, newest first."""
        for version in reversed([*self.bucket.folders(keys.MODELS)]):
            try:
                yield self.manifest(version)
            except NotFoundError:
                continue  # half published, so it does not exist
            except CorruptModelError as error:
                logger.warning("passed over %s: %s", version, error)

    def promote(
        self, version: str, *, seen: Pointer | None, reason: str, kind: MoveKind | None = None
    ) -> Pointer:
        """Move the pointer.

        Args:
            version: the version that is to serve; it must be complete.
            seen: the pointer that the decision rests on, None where there was none.
            reason: one line for the history.
            kind: what the mover means; else a move along the succession is a rollback.

        Raises:
            NotFoundError: the version was never completed.
            ConflictError: the pointer is no longer the one that was seen.

        """
        self.manifest(version)
        move = Move(
            version=version,
            previous=seen.version if seen else None,
            moved_at=self.clock().isoformat(),
            reason=reason,
            kind=kind or self._kind(version, seen),
        )
        if seen:
            self.settle(seen)
            etag = self.bucket.replace(keys.POINTER, move.to_bytes(), seen.etag)
        else:
            etag = self.bucket.create(keys.POINTER, move.to_bytes())
        self._note(move)
        return Pointer(move, etag)

    def settle(self, pointer: Pointer) -> None:
        """Note the last move, unless that was done: its mover may have died before."""
        if not any(self.bucket.list(pointer.move.key)):
            self._note(pointer.move)

    def history(self, pointer: Pointer | None = None) -> Iterator[Move]:
        """Read the moves of the pointer, newest first, each when it is asked for.

        Where the pointer is given, its own move is among them whether it was noted or not.
        """
        for key in self._moves(pointer):
            if move := self._move(key, pointer):
                yield move

    def latest(self, count: int, pointer: Pointer | None = None) -> list[Move]:
        """Read the latest moves, as `history` does but at once: at most a request each, and one."""
        read = partial(self._move, pointer=pointer)
        with ThreadPoolExecutor(count) as pool:
            return [move for move in pool.map(read, self._moves(pointer)[:count]) if move]

    def _moves(self, pointer: Pointer | None) -> list[str]:
        """The keys of all moves, newest first: they sort by time."""
        noted = {entry.key for entry in self.bucket.list(keys.PROMOTIONS)}
        return sorted(noted | ({pointer.move.key} if pointer else set()), reverse=True)

    def _move(self, key: str, pointer: Pointer | None) -> Move | None:
        if pointer and key == pointer.move.key:
            return pointer.move
        try:
            return Move.parse(self.bucket.get(key)[0])
        except CorruptModelError as error:
            logger.warning("passed over %s: %s", key, error)
            return None

    def _pointer(self, content: bytes, etag: str) -> Pointer:
        """Read the pointer or, where somebody spoilt it, the last move that the history knows."""
        try:
            return Pointer(Move.parse(content), etag)
        except CorruptModelError as error:
            for last in self.history():
                logger.error("%s; going by the history: %s", error, last.version)
                return Pointer(last, etag)
            raise

    def _kind(self, version: str, seen: Pointer | None) -> MoveKind:
        """Tell a move to a version that served before, and was not taken back, from any other."""
        if seen is None or version == seen.version:
            return "promotion"
        served = any(key.endswith(f"-{version}.json") for key in self._moves(seen))
        return "rollback" if served and version in self.succession(seen) else "promotion"

    def _note(self, move: Move) -> None:
        self.bucket.put(move.key, move.to_bytes())


def _no_model() -> NoModelError:
    return NoModelError(
        f"no model has been trained yet: put {keys.TRAINING_SCHEMA} and a labelled CSV under"
        f" {keys.TRAINING} of the data bucket"
    )
