"""The model on the other side of the benchmarks: the same trees behind a DataFrame."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from evergreen.customers.features import Categorical, Numeric
from evergreen.customers.schema import Schema
from local.demo.source import to_json


def of(pipeline: Pipeline, schema: Schema, frame: pd.DataFrame) -> Pipeline:
    """Put a version's trees behind a DataFrame's columns, as scikit-learn's own examples do.

    Numbers become float32, as which the trees learned them: some have thresholds that are values.
    """
    categorical = [f for f in schema.features if isinstance(f, Categorical)]
    numeric = [f.name for f in schema.features if isinstance(f, Numeric)]
    encoder = OneHotEncoder(
        categories=[np.array(f.levels, dtype=object) for f in categorical],
        handle_unknown="ignore",
        sparse_output=False,
    )
    columns = ColumnTransformer(
        [
            ("c", encoder, [f.name for f in categorical]),
            ("n", FunctionTransformer(np.float32), numeric),
        ]
    )
    customers = pd.DataFrame(to_json(frame, schema))[list(schema.feature_names)]
    return Pipeline([("columns", columns.fit(customers)), ("trees", pipeline[-1])])
