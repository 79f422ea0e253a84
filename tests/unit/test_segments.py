"""The drift check level by level of one category."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from evergreen.customers.schema import Schema
from evergreen.jobs.drift.segments import MOST, Segments, segments
from evergreen.settings import Thresholds

LIMITS = Thresholds()
IMPORTANCE = {"region": 0.1, "age": 0.6, "spend": 0.3}
Floats = npt.NDArray[np.float32]


def schema(levels: int = 3, **more: Any) -> Schema:
    names = [f"r{level}" for level in range(levels)]
    fields = [
        {"name": "region", "constraints": {"enum": names}},
        {"name": "age", "type": "number"},
        {"name": "spend", "type": "number"},
        {"name": "left", "type": "boolean"},
    ]
    target = {"field": "left", "positive": True}
    return Schema({"fields": fields, "target": target, "segments": "region", **more})


def people(seed: int, *rows: int) -> Floats:
    """So many customers of each region."""
    rng = np.random.default_rng(seed)
    size = sum(rows)
    region = np.repeat(np.arange(len(rows)), rows)
    return np.column_stack([region, rng.normal(size=size), rng.normal(size=size)]).astype("f4")


def judged(before: Floats, now: Floats, of: Schema, limits: Thresholds = LIMITS) -> Segments:
    found = segments(of, before, now, np.ones(now.shape, np.bool_), IMPORTANCE, limits)
    assert found
    return found


def test_the_level_that_has_drifted_is_told_from_those_that_have_not() -> None:
    before, now = people(0, 1_000, 500, 500), people(1, 600, 400, 1_000)
    now[now[:, 0] == 1, 1] += 1
    found = judged(before, now, schema())
    assert found.field == "region"
    assert [(level.label, level.customers) for level in found.levels] == [
        *(("r2", 1_000), ("r0", 600), ("r1", 400)),
    ]
    assert [(level.share_before, level.share_now) for level in found.levels] == [
        *((0.25, 0.5), (0.5, 0.3), (0.25, 0.2)),
    ]
    assert [level.verdict for level in found.levels] == ["no_drift", "no_drift", "drift"]
    assert [level.drifted for level in found.levels] == [(), (), ("age",)]


def test_levels_of_few_are_left_out_and_those_without_a_reference_say_so() -> None:
    found = judged(people(0, 1_000, 199, 500), people(1, 300, 300, 199), schema())
    assert [(level.label, level.verdict) for level in found.levels] == [
        *(("r0", "no_drift"), ("r1", "too_few_rows")),
    ]
    assert found.levels[1].customers == 300


def test_unseen_and_missing_levels_are_nobodys_segment() -> None:
    now = people(1, 600, 600, 600)
    now[now[:, 0] == 1, 0] = -1
    now[now[:, 0] == 2, 0] = np.nan
    found = judged(people(0, 500, 500, 500), now, schema())
    assert [level.label for level in found.levels] == ["r0"]
    assert found.levels[0].share_now == pytest.approx(0.5)


def test_only_the_largest_of_many_levels_are_judged() -> None:
    sizes = np.arange(10, 10 + 2 * MOST)
    limits = replace(LIMITS, min_rows=5)
    found = judged(people(0, *sizes), people(1, *sizes), schema(2 * MOST), limits)
    expected = [f"r{level}" for level in range(2 * MOST - 1, MOST - 1, -1)]
    assert [level.label for level in found.levels] == expected


@pytest.mark.parametrize(("levels", "drifted"), [(1, ("age",)), (20, ())])
def test_levels_share_one_alpha(levels: int, drifted: tuple[str, ...]) -> None:
    """What is just enough for one level by itself is not where it is one of many."""
    before = people(0, *[400] * levels)
    before[:, 1] = np.tile(np.linspace(0, 1, 400), levels)
    now = before.copy()
    now[:400, 1] += 0.15  # D = 0.15: a p-value of 2e-4, adjusted for three features of 6e-4
    found = judged(before, now, schema(levels), replace(LIMITS, alpha=3e-3))
    assert {level.label: level.drifted for level in found.levels}["r0"] == drifted


def test_a_feature_that_the_model_did_not_know_is_not_judged() -> None:
    before, now = people(0, 500, 500), people(1, 500, 500)
    known = np.ones(now.shape, np.bool_)
    now[:, 2], known[:, 2] = np.nan, False
    found = segments(schema(2), before, now, known, IMPORTANCE, LIMITS)
    assert found
    assert [level.drifted for level in found.levels] == [(), ()]


def test_who_asks_for_none_gets_none() -> None:
    rows = people(0, 500)
    of = schema(1, segments=None)
    assert segments(of, rows, rows, np.ones(rows.shape, np.bool_), IMPORTANCE, LIMITS) is None
