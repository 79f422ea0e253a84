"""What could not be learned from, remembered so that it is told once and not every hour.

A note holds while the labelled files are what they were, and not for the request that wrote it:
Lambda's retry of a training that failed fails again, and so ends in the failure queue; one of a
training that died before it told of a file tells of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evergreen.errors import NotFoundError
from evergreen.jobs.learning.history import Sources
from evergreen.store import keys
from evergreen.store.s3 import Bucket


@dataclass(frozen=True, slots=True)
class Failures:
    """The notes on these labelled files, of which nothing is left out yet."""

    bucket: Bucket
    sources: Sources
    parent: str | None
    """The version that serves."""
    request: str

    def refused(self, *, told: bool = True) -> dict[str, str]:
        """Name the files that were refused as they are, by this schema, each with the reason.

        Args:
            told: those of other requests; else those of this one, as it may have died before it
                told of them.

        """
        note, etags = self._read(keys.REFUSED), self.sources.etags
        if (note.get("request") != self.request) != told:
            return {}
        if note.get("schema") != etags[keys.TRAINING_SCHEMA]:
            return {}
        found: dict[str, list[str]] = note["files"]
        return {key: reason for key, (etag, reason) in found.items() if etags.get(key) == etag}

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Note the files that are refused, all of them."""
        etags = self.sources.etags
        note = {
            "schema": etags[keys.TRAINING_SCHEMA],
            "files": {key: [etags[key], reason] for key, reason in reasons.items()},
        }
        self._write(keys.REFUSED, note)

    def failed(self) -> str | None:
        """Say why the training on this data after this version failed; None if none has."""
        note = self._read(keys.FAILED)
        if note.get("request") == self.request or note.get("occasion") != self._occasion:
            return None
        return str(note["reason"])

    def fail(self, reason: str) -> None:
        """Note that the training on this data after this version fails whenever it is tried."""
        self._write(keys.FAILED, {"occasion": self._occasion, "reason": reason})

    @property
    def _occasion(self) -> str:
        return f"{self.sources.fingerprint} after {self.parent}"

    def _read(self, key: str) -> dict[str, Any]:
        try:
            note = json.loads(self.bucket.get(key)[0])
        except (NotFoundError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _write(self, key: str, note: dict[str, Any]) -> None:
        self.bucket.put(key, json.dumps(note | {"request": self.request}, indent=2).encode())
