"""A fitted scikit-learn pipeline → ONNX."""

import numpy as np
from onnx.reference import ReferenceEvaluator
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.pipeline import Pipeline

from evergreen.customers.schema import Matrix
from evergreen.models.artifact import ONNX_INPUT, ONNX_OUTPUT
from evergreen.models.golden import Probabilities


def to_onnx(pipeline: Pipeline, features: int) -> bytes:
    """Convert a classifier on float32 matrices of shape (rows, features).

    The conversion is not to be trusted unchecked: compare `reference_probabilities` with the
    pipeline's own answers before anything is published.
    """
    converted = convert_sklearn(
        pipeline,
        name="evergreen",  # else a random one, and no two exports are alike
        initial_types=[(ONNX_INPUT, FloatTensorType([None, features]))],
        options={id(pipeline[-1]): {"zipmap": False}},
    )
    return bytes(converted.SerializeToString())


def reference_probabilities(onnx: bytes, matrix: Matrix) -> Probabilities:
    """Return the probability of leaving, shape (rows,), without the runtime that serves.

    The reference evaluator of `onnx` is slow but needs nothing beyond numpy, which the training
    functions have room for. The serving runtime is compared when it loads the version.
    """
    with np.errstate(invalid="ignore"):  # a missing category is cast to an integer on its way
        (probabilities,) = ReferenceEvaluator(onnx).run([ONNX_OUTPUT], {ONNX_INPUT: matrix})
    return np.asarray(probabilities, dtype=np.float32)[:, 1]
