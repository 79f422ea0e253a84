"""A model version, loaded and proved: customers' probabilities, nothing unpickled.

ONNX answers for a few customers, the trees as tables for many; they agree to the bit on all but one
row in thousands, and to the digits that are given on all but one in hundreds of thousands.
"""

import json
from dataclasses import dataclass
from typing import Any, Self

import onnxruntime as ort

from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import CorruptModelError
from evergreen.models import artifact as files
from evergreen.models import typical
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.forest import Forest
from evergreen.models.golden import Golden, Probabilities

MANY = 32
"""From so many customers on, tables are faster than the runtime."""


@dataclass(frozen=True, slots=True)
class Model:
    """A version that has reproduced its golden rows and may answer."""

    manifest: Manifest
    schema: Schema
    threshold: float
    metrics: dict[str, Any]
    session: ort.InferenceSession
    forest: Forest | None
    """The same trees as tables; versions from before there were any have none."""
    typical: typical.Row
    """The typical customer, shape (features,); for versions from before it was kept, made of the
    golden rows."""

    @classmethod
    def load(cls, artifact: Artifact) -> Self:
        """Check a version's hashes, load it, and replay its golden rows.

        Raises:
            CorruptModelError: it is not what was published, can't be loaded, or answers its
                golden rows, in whatever way, with other probabilities than scikit-learn did.

        """
        artifact.verify(files.CHAMPION)
        try:
            metrics = json.loads(artifact.files[files.METRICS])
            schema = Schema.parse(artifact.files[files.SCHEMA])
            golden = Golden.parse(artifact.files[files.GOLDEN])
            kept = metrics.get("typical")
            model = cls(
                manifest=artifact.manifest,
                schema=schema,
                threshold=float(metrics["threshold"]),
                metrics=metrics,
                session=_session(artifact.files[files.ONNX]),
                forest=Forest.of(artifact.files),
                typical=typical.parse(kept) if kept else typical.of(schema, golden.matrix),
            )
            golden.check(model._run(golden.matrix))
            if model.forest:
                golden.check(model.forest.probabilities(golden.matrix))
        except Exception as error:  # whatever stops it from loading, this version must not answer
            raise CorruptModelError(f"{artifact.manifest.version}: {error}") from error
        return model

    @property
    def version(self) -> str:
        """The version's name."""
        return self.manifest.version

    def probabilities(self, matrix: Matrix) -> Probabilities:
        """Return each customer's probability of leaving, shape (rows,), from (rows, features)."""
        if self.forest and len(matrix) >= MANY:
            return self.forest.probabilities(matrix)
        return self._run(matrix)

    def _run(self, matrix: Matrix) -> Probabilities:
        (probabilities,) = self.session.run([files.ONNX_OUTPUT], {files.ONNX_INPUT: matrix})
        return probabilities[:, 1]  # type: ignore[no-any-return]


def _session(onnx: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = (
        1  # a customer is too little work to share, a Lambda has few cores
    )
    options.log_severity_level = 3
    return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
