"""A model version, loaded and proved where the serving runtime has no room: by gate and drift."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import CorruptModelError
from evergreen.models import artifact as names
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.forest import Forest
from evergreen.models.golden import Golden, Probabilities
from evergreen.models.graph import Graph


@dataclass(frozen=True, slots=True)
class Reference:
    """A version that has reproduced its golden rows, so it may be compared with."""

    manifest: Manifest
    schema: Schema
    metrics: dict[str, Any]
    files: Mapping[str, bytes]
    graph: Graph | Forest
    """What answers: the tables of a version that has them, which are faster."""

    @classmethod
    def load(cls, artifact: Artifact) -> Self:
        """Check a version's hashes, read it, and replay its golden rows.

        Raises:
            CorruptModelError: a file of `artifact.CHAMPION` is missing, is not what was published
                or can't be read, or the golden rows get other probabilities than scikit-learn
                gave. The message names the version.

        """
        artifact.verify(names.CHAMPION)
        try:
            files = artifact.files
            graph = Graph.parse(files[names.ONNX])
            reference = cls(
                manifest=artifact.manifest,
                schema=Schema.parse(files[names.SCHEMA]),
                metrics=json.loads(files[names.METRICS]),
                files=files,
                graph=Forest.of(files) or graph,
            )
            float(reference.metrics["threshold"])  # the predictor could not do without
            golden = Golden.parse(files[names.GOLDEN])
            golden.check(graph.probabilities(golden.matrix))
            golden.check(reference.probabilities(golden.matrix))
        except Exception as error:  # as for the predictor: whatever it is, it must not be used
            raise CorruptModelError(f"{artifact.manifest.version}: {error}") from error
        return reference

    @property
    def version(self) -> str:
        """The version's name."""
        return self.manifest.version

    @property
    def threshold(self) -> float:
        """The probability from which a customer is said to leave."""
        return float(self.metrics["threshold"])

    def probabilities(self, matrix: Matrix) -> Probabilities:
        """Return each customer's probability of leaving, shape (rows,), from (rows, features)."""
        return self.graph.probabilities(matrix)
