"""The drift check level by level of one category that the schema names as its `segments`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evergreen.customers.features import Categorical
from evergreen.customers.schema import Matrix, Schema
from evergreen.settings import Thresholds
from evergreen.statistics.baseline import Baseline, Known
from evergreen.statistics.distribution import level_name
from evergreen.statistics.drift import Report, Verdict, judge

MOST = 20
"""So many levels are judged: those that most of the current customers have."""

_NO_SCORES = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Level:
    """What was found among the customers who have one level."""

    label: str
    customers: int
    share_before: float
    """Of all customers with a value, from 0 to 1."""
    share_now: float
    verdict: Verdict
    drifted: tuple[str, ...]
    """The names of the features that have drifted among them."""


@dataclass(frozen=True, slots=True)
class Segments:
    """The levels of a category that enough current customers have, the largest first."""

    field: str
    levels: tuple[Level, ...]


def segments(
    schema: Schema,
    sample: Matrix,
    matrix: Matrix,
    known: Known,
    importance: Mapping[str, float],
    thresholds: Thresholds,
) -> Segments | None:
    """Judge the customers of each level; None where the schema names no category for it.

    Args:
        schema: the champion's.
        sample: the customers that it was chosen for, or some of them, shape (any, features).
        matrix: the current customers, shape (rows, features).
        known: shape (rows, features): where the model that was asked knew the feature.
        importance: for each feature its share of the model's permutation importance.
        thresholds: what counts as drift.

    """
    if schema.segments is None:
        return None
    place = schema.feature_names.index(schema.segments)
    feature = next(
        of for of in schema.features if isinstance(of, Categorical) and of.name == schema.segments
    )
    before, now = (side[:, place] for side in (sample, matrix))
    judged = apart(
        (schema.feature_names, schema.categorical.tolist()),
        place,
        sample,
        matrix,
        known,
        importance,
        thresholds,
    )
    levels = tuple(
        Level(
            label=level_name(feature, code),
            customers=report.customers,
            share_before=_share(before, code),
            share_now=_share(now, code),
            verdict=report.verdict,
            drifted=report.drifted,
        )
        for code, report in judged
    )
    return Segments(schema.segments, levels)


def apart(
    columns: tuple[Sequence[str], Sequence[bool]],
    place: int,
    sample: Matrix,
    matrix: Matrix,
    known: Known,
    importance: Mapping[str, float],
    thresholds: Thresholds,
) -> Iterator[tuple[int, Report]]:
    """Yield the code and the report of each level, where so many share the level's alpha.

    Args:
        columns: the names of the features, and which of them are categories.
        place: the column by which customers are told apart.
        sample, matrix, known, importance, thresholds: as for `segments`.

    """
    before, now = sample[:, place], matrix[:, place]
    enough = max(1, thresholds.min_rows)
    codes, sizes = np.unique(now[now >= 0], return_counts=True)
    largest = [int(codes[i]) for i in np.argsort(-sizes, kind="stable") if sizes[i] >= enough]
    rows = {code: np.flatnonzero(before == code) for code in largest[:MOST]}
    judged = sum(len(here) >= enough for here in rows.values())
    limits = replace(thresholds, alpha=thresholds.alpha / max(1, judged))
    for code, here in rows.items():
        there = np.flatnonzero(now == code)
        if len(here) < enough:
            yield code, Report("too_few_rows", len(there), None, None, limits, (), None)
            continue
        baseline = Baseline.of(*columns, sample[here], _NO_SCORES)
        counts = baseline.count(matrix[there], _NO_SCORES, known[there])
        yield code, judge(baseline, counts, importance, limits)


def _share(column: npt.NDArray[np.float32], code: int) -> float:
    return float((column == code).sum() / max(1, (~np.isnan(column)).sum()))
