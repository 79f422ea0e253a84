"""What models are made of: columns of customers, trees, and what they are measured against."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from evergreen.customers.features import Numeric
from evergreen.customers.schema import Matrix, Schema
from evergreen.models.export import make_exact
from evergreen.models.forest import LEAVES
from evergreen.models.golden import Probabilities

SEED = 0
"""Of everything random in a training, so that the same customers make the same model."""

MANY_LEVELS = 30
"""A category of more levels than this is learned from by the churn rate of each level."""

_MIN_KNOWN = 20


def gradient_boosting(schema: Schema) -> Pipeline:
    """Build boosted trees on encoded customers, unfitted."""
    return make_pipeline(encoding(schema), boosted_trees())


def boosted_trees(rate: float = 0.05, columns: int = 1) -> HistGradientBoostingClassifier:
    """Build small regularised trees, unfitted, for so many columns.

    Few columns, drawn anew at each branch, make trees that err differently, and their sum better.
    """
    return HistGradientBoostingClassifier(
        learning_rate=rate,
        max_iter=300,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=40,
        max_features=min(1.0, max(0.15, 4 / columns)),
        l2_regularization=5.0,
        early_stopping=False,
        random_state=SEED,
    )


def rivals(schema: Schema) -> dict[str, Pipeline]:
    """Build the models that the served one is measured against, unfitted, by name."""
    numeric = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    return {
        "prior": make_pipeline(DummyClassifier()),
        "logistic_regression": make_pipeline(
            encoding(schema, numeric), LogisticRegression(max_iter=2000)
        ),
    }


def fit(
    pipeline: Pipeline,
    matrix: Matrix,
    churned: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64] | None = None,
) -> Pipeline:
    """Fit a pipeline to customers of shape (rows, features), each of some weight, and return it."""
    parameters = {} if weights is None else {f"{pipeline.steps[-1][0]}__sample_weight": weights}
    pipeline.fit(known(matrix), churned, **parameters)
    if isinstance(pipeline[-1], HistGradientBoostingClassifier):
        make_exact(pipeline)
    return pipeline


def known(matrix: Matrix) -> Matrix:
    """Return customers to learn from: what is known of hardly anyone is made the same for all.

    So nothing is learned from such a field: scikit-learn can't bin a column of which it knows
    nothing.
    """
    enough = (~np.isnan(matrix)).sum(axis=0) >= _MIN_KNOWN
    return np.where(enough, matrix, np.float32(0))


def probabilities(pipeline: Pipeline, matrix: Matrix) -> Probabilities:
    """Return each customer's probability of leaving as scikit-learn gives it, shape (rows,)."""
    return np.asarray(pipeline.predict_proba(matrix)[:, 1], dtype=np.float32)


def encoding(schema: Schema, numeric: Any = "passthrough") -> ColumnTransformer:
    """Build what makes columns of customers' features, unfitted.

    Numbers stay as they are where trees follow: a scaler would move float32 values across the
    thresholds, and the exported model would answer differently.

    There is one column for each level of a category (none is set where it is missing or unseen),
    or one for all of them where they are many.

    That one is the level's churn rate, drawn towards that of all customers the more, the fewer of
    them have the level (Micci-Barreca, SIGKDD Explorations 3(1), 2001); where it is missing or
    unseen it is that of all. Customers who are learned from get the rate among others, in five
    folds, so that nothing is learned from a rate that gives their own outcome away.
    """
    sizes = [0 if isinstance(f, Numeric) else len(f.levels) for f in schema.features]
    few = [place for place, size in enumerate(sizes) if 0 < size <= MANY_LEVELS]
    many = [place for place, size in enumerate(sizes) if size > MANY_LEVELS]
    numbers = [place for place, size in enumerate(sizes) if not size]

    def codes(places: list[int]) -> list[npt.NDArray[np.float32]]:
        return [np.arange(sizes[place], dtype=np.float32) for place in places]

    one_hot = OneHotEncoder(
        categories=codes(few), handle_unknown="ignore", sparse_output=False, dtype=np.float32
    )
    folds = KFold(5, shuffle=True, random_state=SEED)
    rates = TargetEncoder(categories=codes(many), target_type="binary", cv=folds)
    parts = [("categories", one_hot, few), ("rates", rates, many), ("numbers", numeric, numbers)]
    return ColumnTransformer([part for part in parts if part[2]])
