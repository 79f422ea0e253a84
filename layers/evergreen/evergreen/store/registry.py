"""Model versions in a bucket, and the one pointer that says which of them serves.

Versions are immutable and complete: the manifest is written last, and a version without one does
not exist. `models/current.json` names the champion. It moves only by a write that is conditional
on what the mover saw, and every move is kept under `promotions/`; rolling back is one more move.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from evergreen.errors import ConflictError, CorruptModelError, NoModelError, NotFoundError
from evergreen.models.artifact import Artifact, Manifest
from evergreen.store import keys
from evergreen.store.s3 import Bucket

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the pointer."""

    version: str
    previous: str | None
    moved_at: str
    reason: str

    @classmethod
    def parse(cls, text: bytes) -> "Move":
        """Read a stored move; raises CorruptModelError where it is none."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise CorruptModelError(f"a move of the pointer can't be read: {error}") from error

    def to_bytes(self) -> bytes:
        """Return the move as it is stored."""
        return json.dumps(asdict(self), indent=2).encode()

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

    def fetch(self, version: str, names: Iterable[str]) -> Artifact:
        """Return a version with these of its files; raises NotFoundError where one is gone."""
        files = {name: self.bucket.get(keys.model_file(version, name))[0] for name in names}
        return Artifact(self.manifest(version), files)

    def first_sound[T](
        self, pointer: Pointer, names: Iterable[str], load: Callable[[Artifact], T]
    ) -> T:
        """Load the champion or, where it is refused, the latest version before it that is not.

        Args:
            pointer: names the champion.
            names: the files of a version that are needed.
            load: makes of them what is wanted; raises CorruptModelError to refuse them.

        Raises:
            CorruptModelError: every version was refused.

        """
        names, refused = tuple(names), set[str]()
        for version in self._champions(pointer):
            if version in refused:
                continue
            try:
                return load(self.fetch(version, names))
            except (CorruptModelError, NotFoundError) as error:
                refused.add(version)
                logger.error("refused a model: %s", error)
        raise CorruptModelError(f"no version can be used; refused: {', '.join(sorted(refused))}")

    def publish(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Write a version, its manifest last; raises ConflictError where it is complete already."""
        complete = keys.model_file(manifest.version, keys.MANIFEST)
        if any(self.bucket.list(complete)):
            raise ConflictError(f"{manifest.version} is published, and versions never change")
        for name, content in files.items():
            kind = "application/json" if name.endswith(".json") else "application/octet-stream"
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

    def promote(self, version: str, *, seen: Pointer | None, reason: str) -> Pointer:
        """Move the pointer.

        Args:
            version: the version that is to serve; it must be complete.
            seen: the pointer that the decision rests on, None where there was none.
            reason: one line for the history.

        Raises:
            NotFoundError: the version was never completed.
            ConflictError: the pointer is no longer the one that was seen.

        """
        self.manifest(version)
        move = Move(
            version=version,
            previous=seen.version if seen else None,
            moved_at=datetime.now(UTC).isoformat(),
            reason=reason,
        )
        if seen:
            self._remember(seen.move)  # where the mover before us died between its two writes
            etag = self.bucket.replace(keys.POINTER, move.to_bytes(), seen.etag)
        else:
            etag = self.bucket.create(keys.POINTER, move.to_bytes())
        self._remember(move)
        return Pointer(move, etag)

    def history(self) -> Iterator[Move]:
        """Read the moves of the pointer, newest first."""
        for entry in reversed([*self.bucket.list(keys.PROMOTIONS)]):
            try:
                yield Move.parse(self.bucket.get(entry.key)[0])
            except CorruptModelError as error:
                logger.warning("passed over %s: %s", entry.key, error)

    def _pointer(self, content: bytes, etag: str) -> Pointer:
        """Read the pointer or, where somebody spoilt it, the last move that the history knows."""
        try:
            return Pointer(Move.parse(content), etag)
        except CorruptModelError as error:
            for last in self.history():
                logger.error("%s; going by the history: %s", error, last.version)
                return Pointer(last, etag)
            raise

    def _champions(self, pointer: Pointer) -> Iterator[str]:
        """Name the versions that serve or served, the latest first; some more than once."""
        yield pointer.version
        for move in self.history():
            yield move.version
            if move.previous:
                yield move.previous

    def _remember(self, move: Move) -> None:
        self.bucket.put(move.key, move.to_bytes())


def _no_model() -> NoModelError:
    return NoModelError(
        f"no model has been trained yet: put {keys.TRAINING_SCHEMA} and a labelled CSV under"
        f" {keys.TRAINING} of the data bucket"
    )
