"""The model on the other side of the benchmarks: the same trees behind a DataFrame."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from evergreen.customers.features import Categorical, Numeric
from evergreen.customers.schema import Schema
from evergreen.models.training import gradient_boosting
from local.demo.source import to_json


def fit(schema: Schema, frame: pd.DataFrame) -> Pipeline:
    """Fit the same trees on a DataFrame, as scikit-learn's own examples do."""
    categorical = [f for f in schema.features if isinstance(f, Categorical)]
    numeric = [f.name for f in schema.features if isinstance(f, Numeric)]
    encoder = OneHotEncoder(
        categories=[np.array(f.levels, dtype=object) for f in categorical],
        handle_unknown="ignore",
        sparse_output=False,
    )
    columns = ColumnTransformer(
        [("c", encoder, [f.name for f in categorical]), ("n", "passthrough", numeric)]
    )
    pipeline = make_pipeline(columns, gradient_boosting(schema)[-1])
    typed = pd.DataFrame(to_json(frame, schema))[list(schema.feature_names)]
    return pipeline.fit(typed, schema.labels(frame[schema.target])[0])
