"""Labelled customers → a fitted pipeline, judged on customers that it has not seen."""

import io
import json
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from evergreen.customers.features import UNSEEN, Categorical
from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import InputError
from evergreen.models import artifact
from evergreen.models.export import reference_probabilities, to_onnx
from evergreen.models.golden import DIGITS, Golden, Probabilities
from evergreen.statistics import evaluation
from evergreen.statistics.drift import Baseline

MIN_ROWS = 200
"""The fewest labelled customers that a model can be trained on."""
MIN_OUTCOMES = 20
"""The fewest of them that must have left, and that must have stayed."""

_MIN_KNOWN = 20
_GOLDEN_ROWS = 64
_PARITY_ROWS = 500
_SEED = 0
_SMALL = 100_000  # rows; below, threads gain little and, where cores are shared, cost a lot


@dataclass(frozen=True, slots=True)
class Labelled:
    """Encoded customers whose outcome is known."""

    matrix: Matrix
    """Shape (rows, features)."""
    churned: npt.NDArray[np.bool_]
    """Shape (rows,)."""
    held_out: npt.NDArray[np.bool_]
    """Shape (rows,): the rows that no model may learn from, the same ones in every training."""
    recent: npt.NDArray[np.bool_]
    """Shape (rows,): the customers that the model is chosen for."""
    age: npt.NDArray[np.float64]
    """Shape (rows,): how many times as many customers as are recent arrived after this one."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted pipeline with what is known of it."""

    pipeline: Pipeline
    scores: Probabilities
    """The held-out rows' probabilities of leaving, shape (held-out rows,)."""
    metrics: dict[str, Any]
    """The document that becomes metrics.json."""


def train(schema: Schema, labelled: Labelled) -> Trained:
    """Fit the model and its baseline models, choose the threshold, and judge all on held-out rows.

    The threshold is the one with the highest F1 on out-of-fold predictions of the training rows.

    Raises:
        InputError: there are too few customers, or too few of one outcome.

    """
    _require_enough(labelled)
    with _threads_for(labelled):
        return _train(schema, labelled)


def _train(schema: Schema, labelled: Labelled) -> Trained:
    rest = ~labelled.held_out
    matrix, left = _without_rarities(labelled.matrix[rest]), labelled.churned[rest]
    unseen, unseen_left = labelled.matrix[labelled.held_out], labelled.churned[labelled.held_out]

    pipeline = gradient_boosting(schema)
    folds = StratifiedKFold(5, shuffle=True, random_state=_SEED)
    out_of_fold = cross_val_predict(pipeline, matrix, left, cv=folds, method="predict_proba")[:, 1]
    threshold = round(evaluation.best_threshold(left, out_of_fold), DIGITS)
    pipeline.fit(matrix, left)
    scores = _probabilities(pipeline, unseen)

    rivals = {"prior": DummyClassifier(), "logistic_regression": logistic_regression(schema)}
    metrics = {
        "threshold": threshold,
        "rows": len(left),
        "held_out": evaluation.metrics(unseen_left, scores, threshold),
        "baselines": {
            name: evaluation.metrics(
                unseen_left, _probabilities(rival.fit(matrix, left), unseen), threshold
            )
            for name, rival in rivals.items()
        },
        "importance": _importance(schema, pipeline, unseen, unseen_left),
    }
    return Trained(pipeline, scores, metrics)


def version_files(schema: Schema, labelled: Labelled, trained: Trained) -> dict[str, bytes]:
    """Export a trained model and return all files of its version, by name.

    Raises:
        ParityError: the exported model does not answer as the pipeline does.

    """
    unseen = labelled.matrix[labelled.held_out]
    proof = np.vstack([_edge_cases(schema), unseen[:_PARITY_ROWS]])
    with _threads_for(labelled):
        golden = Golden(proof, _probabilities(trained.pipeline, proof))
    onnx = to_onnx(trained.pipeline, len(schema.features))
    golden.check(reference_probabilities(onnx, proof))
    pickled = io.BytesIO()
    joblib.dump(trained.pipeline, pickled, compress=3)
    baseline = Baseline.of(
        schema.feature_names,
        schema.categorical.tolist(),
        labelled.matrix[~labelled.held_out],
        trained.scores,
    )
    return {
        artifact.SCHEMA: json.dumps(schema.document, indent=2).encode(),
        artifact.ONNX: onnx,
        artifact.PIPELINE: pickled.getvalue(),
        artifact.GOLDEN: Golden(
            proof[:_GOLDEN_ROWS], golden.probabilities[:_GOLDEN_ROWS]
        ).to_bytes(),
        artifact.BASELINE: baseline.to_bytes(),
        artifact.METRICS: json.dumps(trained.metrics, indent=2).encode(),
    }


def gradient_boosting(schema: Schema) -> Pipeline:
    """Build the served model, unfitted: one-hot categories and small regularised trees.

    Numbers stay as they are: a scaler would move float32 values across the trees' thresholds, and
    the exported model would answer differently.
    """
    return make_pipeline(
        _columns(schema, "passthrough"),
        HistGradientBoostingClassifier(
            learning_rate=0.03,
            max_iter=200,
            max_leaf_nodes=8,
            min_samples_leaf=40,
            l2_regularization=5.0,
            early_stopping=False,
            random_state=_SEED,
        ),
    )


def logistic_regression(schema: Schema) -> Pipeline:
    """Build the linear model that the served one is measured against, unfitted."""
    numeric = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    return make_pipeline(_columns(schema, numeric), LogisticRegression(max_iter=2000))


def _columns(schema: Schema, numeric: Any) -> ColumnTransformer:
    """One column for each level of a category (none is set where it is missing or unseen)."""
    levels = [range(len(f.levels)) for f in schema.features if isinstance(f, Categorical)]
    encoder = OneHotEncoder(
        categories=[np.array(codes, dtype=np.float32) for codes in levels],
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )
    categorical = np.flatnonzero(schema.categorical).tolist()
    numbers = np.flatnonzero(~schema.categorical).tolist()
    parts = [("categories", encoder, categorical), ("numbers", numeric, numbers)]
    return ColumnTransformer([part for part in parts if part[2]])


def _threads_for(labelled: Labelled) -> threadpool_limits:
    return threadpool_limits(1 if len(labelled.churned) < _SMALL else None, user_api="openmp")


def _probabilities(pipeline: Any, matrix: Matrix) -> Probabilities:
    return np.asarray(pipeline.predict_proba(matrix)[:, 1], dtype=np.float32)


def _importance(
    schema: Schema, pipeline: Pipeline, matrix: Matrix, left: npt.NDArray[np.bool_]
) -> dict[str, float]:
    """Each feature's share of what log loss gains when that feature is shuffled (Breiman, 2001)."""
    gains = permutation_importance(
        pipeline, matrix, left, scoring="neg_log_loss", n_repeats=5, random_state=_SEED
    ).importances_mean.clip(min=0)
    shares = gains / (gains.sum() or 1.0)
    return dict(zip(schema.feature_names, shares.tolist(), strict=True))


def _edge_cases(schema: Schema) -> Matrix:
    """A customer of whom nothing is known, and one whose every category is new."""
    nothing = np.full(len(schema.features), np.nan, dtype=np.float32)
    new = np.where(schema.categorical, UNSEEN, nothing).astype(np.float32)
    return np.vstack([nothing, new])


def _without_rarities(matrix: Matrix) -> Matrix:
    """Make fields that are known of hardly anyone the same for all, so that no tree splits on them.

    scikit-learn can't bin a column of which it knows nothing, not even within one fold.
    """
    known = (~np.isnan(matrix)).sum(axis=0) >= _MIN_KNOWN
    return np.where(known, matrix, np.float32(0))


def _require_enough(labelled: Labelled) -> None:
    left = labelled.churned
    gone, stayed = int(left.sum()), int((~left).sum())
    outcomes_held_out = np.unique(left[labelled.held_out])
    if len(left) < MIN_ROWS or min(gone, stayed) < MIN_OUTCOMES or len(outcomes_held_out) < 2:
        raise InputError(
            f"{len(left)} labelled customers ({gone} left, {stayed} stayed) are too few to learn"
            f" from: at least {MIN_ROWS} are needed, and {MIN_OUTCOMES} of each outcome"
        )
