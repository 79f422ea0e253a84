"""The files of one model version and the manifest that vouches for them.

schema.json    the schema that the version was trained with
model.onnx     what is served
model.joblib   the fitted scikit-learn pipeline, for people and for retraining
golden.npz     rows with the probabilities that scikit-learn gave them
baseline.npz   the training sample as drift compares with it
metrics.json   threshold, held-out metrics, permutation importance
manifest.json  sha256 of each, where they come from, and what the gate decided
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

from evergreen.errors import CorruptModelError

SCHEMA = "schema.json"
ONNX = "model.onnx"
PIPELINE = "model.joblib"
GOLDEN = "golden.npz"
BASELINE = "baseline.npz"
METRICS = "metrics.json"

ONNX_INPUT, ONNX_OUTPUT = "customers", "probabilities"
"""The graph's names: float32 customers (rows, features) → float32 (rows, 2), stays and leaves."""

SERVING = (SCHEMA, ONNX, GOLDEN, METRICS)
"""What a predictor needs of a version; the rest stays in the bucket."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version is made of and where it comes from."""

    version: str
    """`<YYYYMMDDTHHMMSSZ>-<first 8 hex digits of the fingerprint>`"""
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

    def verify(self) -> Self:
        """Return it if every file is what the manifest says; else raises CorruptModelError."""
        for name, content in self.files.items():
            if self.manifest.files.get(name) != sha256(content):
                raise CorruptModelError(
                    f"{self.manifest.version}: {name} is not the file that was published"
                )
        return self


def version_name(created: datetime, fingerprint: str) -> str:
    """Name a version: sortable by time, and telling what it was trained on."""
    return f"{created:%Y%m%dT%H%M%SZ}-{fingerprint[:8]}"


def sha256(content: bytes) -> str:
    """Return the hex digest of some bytes."""
    return hashlib.sha256(content).hexdigest()
