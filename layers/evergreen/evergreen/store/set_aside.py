"""Labelled files that are not learned from: what was rolled back, and what contradicts all else.

A file is known by its ETag, so the same content under another name is set aside as well, and a
corrected file under the same name is not. It stays set aside until a person releases it.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from evergreen.errors import InputError
from evergreen.store import keys
from evergreen.store.s3 import Bucket

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that was set aside, and whether it still is."""

    etag: str
    key: str
    """Where it lay."""
    reason: str
    since: str
    released_at: str | None = None
    release_reason: str | None = None

    @property
    def held(self) -> bool:
        """Whether it is still set aside."""
        return self.released_at is None


@dataclass(frozen=True, slots=True)
class SetAside:
    """The entries in the model bucket, one object each."""

    bucket: Bucket

    def entries(self) -> Iterator[Entry]:
        """Read all entries, the released ones too; one that can't be read holds its file."""
        for found in self.bucket.list(keys.SET_ASIDE):
            try:
                yield Entry(**json.loads(self.bucket.get(found.key)[0]))
            except (TypeError, ValueError) as error:
                logger.error("%s can't be read: %s", found.key, error)
                etag = found.key.removeprefix(keys.SET_ASIDE).removesuffix(".json")
                yield Entry(f'"{etag}"', found.key, "its note can't be read", "")

    def add(self, key: str, etag: str, reason: str, now: datetime) -> Entry:
        """Set a file aside, also one that was released before."""
        entry = Entry(etag, key, reason, now.isoformat())
        self._put(entry)
        return entry

    def release(self, name: str, reason: str, now: datetime) -> list[Entry]:
        """Let files be learned from again, whatever the gate thinks of them.

        Args:
            name: the key of a file, or its ETag.
            reason: why; it is kept.
            now: the time.

        Raises:
            InputError: no such file is set aside; the message names those that are.

        """
        held = [entry for entry in self.entries() if entry.held]
        chosen = [entry for entry in held if name in (entry.key, entry.etag)]
        if not chosen:
            others = ", ".join(sorted(entry.key for entry in held)) or "nothing"
            raise InputError(f"{name} is not set aside; {others} is")
        released = [
            replace(entry, released_at=now.isoformat(), release_reason=reason) for entry in chosen
        ]
        for entry in released:
            self._put(entry)
        return released

    def _put(self, entry: Entry) -> None:
        content = json.dumps(asdict(entry), indent=2).encode()
        self.bucket.put(keys.set_aside(entry.etag), content)
