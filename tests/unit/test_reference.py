"""A version that is compared with is proved as one that serves."""

import json
import subprocess
import sys

import numpy as np

from evergreen.customers.schema import Schema
from evergreen.models import artifact
from evergreen.models.artifact import Artifact
from evergreen.models.golden import Golden
from evergreen.models.model import Model
from evergreen.models.reference import Reference


def test_a_version_is_answered_as_it_is_served(
    version: Artifact, model: Model, schema: Schema
) -> None:
    reference = Reference.load(version)
    golden = Golden.parse(version.files[artifact.GOLDEN])
    answered = reference.probabilities(golden.matrix)
    assert np.abs(answered - model.probabilities(golden.matrix)).max() <= 2e-6
    assert reference.version == model.version
    assert reference.threshold == model.threshold
    assert reference.metrics == json.loads(version.files[artifact.METRICS])
    assert reference.schema.document == schema.document
    assert reference.files == version.files


def test_neither_the_serving_runtime_nor_what_trains_is_needed() -> None:
    code = "import evergreen.models.reference, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "onnx" in loaded
    assert not loaded & {"onnxruntime", "sklearn", "skl2onnx", "joblib", "pandas"}
