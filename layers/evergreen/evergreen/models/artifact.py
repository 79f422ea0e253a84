"""The files of one model version and the manifest that vouches for them.

schema.json    the schema that the version was trained with
model.onnx     what is served
forest.npz     the same trees as tables, for many customers at a time
model.joblib   the fitted scikit-learn pipeline, for people and for retraining
golden.npz     rows with the probabilities that scikit-learn gave them
baseline.npz   the recent customers, and answers to them, as drift compares with them
sample.npz     some of those customers as rows, without keys, for what is seen in rows only
metrics.json   threshold, candidates tried, held-out metrics, permutation importance
customers.npz  which customers it learned from and which were held out, as hashes
manifest.json  sha256 of each, where they come from, and what the gate decided
card.html      all of that for people; nobody is answered by it, so no hash vouches for it
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from evergreen.errors import CorruptModelError

SCHEMA = "schema.json"
ONNX = "model.onnx"
FOREST = "forest.npz"
PIPELINE = "model.joblib"
GOLDEN = "golden.npz"
BASELINE = "baseline.npz"
SAMPLE = "sample.npz"
METRICS = "metrics.json"
CUSTOMERS = "customers.npz"
CARD = "card.html"

ONNX_INPUT, ONNX_OUTPUT = "customers", "probabilities"
"""The graph's names: float32 customers (rows, features) → float32 (rows, 2), stays and leaves."""

CHAMPION = (SCHEMA, ONNX, GOLDEN, BASELINE, METRICS)
"""What a version is refused without, by whatever predicts, compares or looks for drift."""
FASTER = (FOREST,)
"""What makes it faster. Versions from before there was such a file lack it, and answer the same."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version is made of and where it comes from."""

    version: str
    """`<YYYYMMDDTHHMMSSZ>-<8 hex digits>`, see `version_name`"""
    created: str
    parent: str | None
    """The champion at that time, which it was compared with."""
    trigger: str
    fingerprint: str
    """sha256 over the names and ETags of the schema and the labelled files it learned from."""
    sources: dict[str, str]
    """Those files: key → ETag."""
    libraries: dict[str, str]
    decision: dict[str, Any]
    """What the gate said: promoted or not, why, and the numbers behind it."""
    files: dict[str, str] = field(default_factory=dict)
    """File name → sha256."""
    warnings: list[str] = field(default_factory=list)
    """What a person should know of the data or of the version, a sentence each."""
    history: dict[str, Any] = field(default_factory=dict)
    """The census of the labelled history: how many rows and customers of which kind."""

    def to_bytes(self) -> bytes:
        """Return the manifest as the JSON document that is stored."""
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def parse(cls, text: bytes) -> "Manifest":
        """Read a stored manifest; raises CorruptModelError where it is none."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise CorruptModelError(f"the manifest can't be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Artifact:
    """A version's manifest with some or all of its files, in memory."""

    manifest: Manifest
    files: Mapping[str, bytes]

    def verify(self, needed: Iterable[str] = ()) -> Self:
        """Return it if it has what is needed and every file is what the manifest says.

        Raises:
            CorruptModelError: the message names the version and the file.

        """
        for name in needed:
            if name not in self.files:
                raise CorruptModelError(f"{self.manifest.version}: {name} is missing")
        for name, content in self.files.items():
            if self.manifest.files.get(name) != sha256(content):
                raise CorruptModelError(
                    f"{self.manifest.version}: {name} is not the file that was published"
                )
        return self


def version_name(created: datetime, origin: str) -> str:
    """Name a version: sortable by time, and unlike any other's, also of the same second.

    Args:
        created: when, to the microsecond.
        origin: what it was trained on and after which version.

    """
    return f"{created:%Y%m%dT%H%M%SZ}-{sha256(f'{created.isoformat()} {origin}'.encode())[:8]}"


def sha256(content: bytes) -> str:
    """Return the hex digest of some bytes."""
    return hashlib.sha256(content).hexdigest()
