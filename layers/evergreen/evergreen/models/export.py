"""A fitted scikit-learn pipeline → ONNX."""

import numpy as np
import numpy.typing as npt
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.pipeline import Pipeline

from evergreen.models.artifact import ONNX_INPUT


def to_onnx(pipeline: Pipeline, features: int) -> bytes:
    """Convert a classifier on float32 matrices of shape (rows, features).

    The thresholds of its trees are to be float32 already: see `round_thresholds`. The conversion
    is not to be trusted unchecked: compare `Graph.probabilities` with the pipeline's own answers
    before anything is published.
    """
    converted = convert_sklearn(
        pipeline,
        name="evergreen",  # else a random one, and no two exports are alike
        initial_types=[(ONNX_INPUT, FloatTensorType([None, features]))],
        options={id(pipeline[-1]): {"zipmap": False}},
    )
    return bytes(converted.SerializeToString())


def round_thresholds(pipeline: Pipeline) -> None:
    """Give fitted gradient-boosted trees thresholds that ONNX can hold, in place.

    scikit-learn decides in float64, at midpoints of values; ONNX has float32. For no float32 value
    does this change a decision: x ≤ t exactly where x ≤ the largest float32 that is ≤ t, because
    there is no float32 in between. The nearest one, which a cast takes, can lie above t and be a
    customer's value itself.
    """
    for (tree,) in pipeline[-1]._predictors:
        tree.nodes["num_threshold"] = rounded_down(tree.nodes["num_threshold"])


def rounded_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return for each threshold the largest float32 that is not above it."""
    nearest = thresholds.astype(np.float32)
    with np.errstate(over="ignore"):  # below the lowest number is -inf
        below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > thresholds, below, nearest)
