"""The other side of `scoring`: pandas.read_csv, the version's own pipeline, to_csv."""

import json
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from evergreen.customers.features import Categorical
from evergreen.customers.schema import Schema
from evergreen.models import artifact
from tests.benchmarks.score_evergreen import peak_memory


def main() -> None:
    """Score a file by the version in a folder; print the seconds and the peak of memory in KiB."""
    folder, source, target = map(Path, sys.argv[1:])
    started = time.perf_counter()
    theirs(folder, source, target)
    seconds = time.perf_counter() - started
    peak = peak_memory()
    print(json.dumps({"seconds": seconds, "peak": peak}))


def theirs(folder: Path, source: Path, target: Path) -> None:
    """Score a file with pandas and scikit-learn."""
    schema = Schema.parse((folder / artifact.SCHEMA).read_bytes())
    pipeline = joblib.load(folder / artifact.PIPELINE)
    frame = pd.read_csv(source, na_values=[" "])
    columns = {}
    for feature in schema.features:
        column = frame[feature.name]
        if isinstance(feature, Categorical):
            codes = {str(level): code for code, level in enumerate(feature.levels)}
            column = column.astype(str).map(codes)
        columns[feature.name] = column.to_numpy(np.float32)
    matrix = np.column_stack(list(columns.values()))
    frame["churn_probability"] = pipeline.predict_proba(matrix)[:, 1].round(6)
    frame.to_csv(target, index=False)


if __name__ == "__main__":
    main()
