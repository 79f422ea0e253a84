"""A schema for a table that has none, without the columns that give the outcome away."""

from collections.abc import Collection, Sequence

import numpy as np

from evergreen.customers.inference import Inference, infer
from evergreen.customers.table import Table
from evergreen.statistics.leakage import leaks

_ROWS = 50_000  # are looked at for leaks, at most


def propose(
    table: Table,
    target: str | None = None,
    *,
    positive: str | None = None,
    key: Sequence[str] = (),
    keep: Collection[str] = (),
) -> Inference:
    """Infer a schema that trains as it stands; arguments and errors as of `inference.infer`.

    Args:
        table: read without a schema.
        target: the column that says who left.
        positive: its value for those who did.
        key: the columns that say who a customer is.
        keep: columns that are learned from though they give the outcome away.

    """
    inferred = infer(table, target, positive=positive, key=key)
    schema, rows = inferred.schema, len(table.lines)
    picked = np.arange(rows)
    if rows > _ROWS:
        picked = np.sort(np.random.default_rng(0).choice(rows, _ROWS, replace=False))
    where = picked.tolist()
    columns = {
        name: [table.columns[name][row] for row in where]
        for name in (*schema.feature_names, schema.target)
    }
    churned, unknown = schema.labels(columns[schema.target])
    labelled = np.ones(len(where), dtype=np.bool_)
    labelled[[problem.row for problem in unknown]] = False
    matrix = schema.encode(columns, len(where)).matrix[labelled]
    found = leaks(matrix, schema.categorical, churned[labelled])
    names = {schema.feature_names[feature]: str(told) for feature, told in found.items()}
    return inferred.without({n: f"leak? It {told}" for n, told in names.items() if n not in keep})
