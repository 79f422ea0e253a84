"""Drift at its edges: single rows, nothing known, exact thresholds, what is stored."""

import io
import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evergreen.settings import Thresholds
from evergreen.statistics import baseline as baselines
from evergreen.statistics.baseline import Baseline, Column, Counts
from evergreen.statistics.drift import Report, judge
from evergreen.statistics.two_sample import Cells, homogeneity

Floats = npt.NDArray[np.float32]


def floats(*values: float) -> Floats:
    return np.array(values, dtype=np.float32)


def present(column: Column, cells: Cells) -> Cells:
    """The table of a sample and another one that was counted, of the values that are there."""
    return np.stack([column.cells[:-1], cells[:-1]])


@pytest.mark.parametrize(
    ("baseline", "current"),
    [
        ([1], [2, 3]),
        ([1, 2], [1]),
        ([1] * 50, [1] * 30),
        ([1e-45, 0, -0.0], [0, 3.4e38, -3.4e38]),
    ],
)
def test_ks_equals_scipy_where_there_is_next_to_nothing(
    baseline: list[float], current: list[float]
) -> None:
    here, there = floats(*baseline), floats(*current)
    column = Column.of("x", False, here)
    statistic, p_value = column.kolmogorov_smirnov(column.count(there))
    expected = stats.ks_2samp(here, there, method="asymp")
    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue)


def test_one_row_against_one_row_has_a_p_value() -> None:
    column = Column.of("x", False, floats(1))
    statistic, p_value = column.kolmogorov_smirnov(column.count(floats(2)))
    assert statistic == 1
    assert 0 <= p_value <= 1


@pytest.mark.parametrize(
    ("baseline", "current"), [([1, 2], [np.nan] * 5), ([np.nan] * 5, [1, 2]), ([], []), ([1], [])]
)
@pytest.mark.parametrize("categorical", [True, False])
def test_where_one_side_has_no_values_they_are_no_evidence(
    baseline: list[float], current: list[float], categorical: bool
) -> None:
    column = Column.of("x", categorical, floats(*baseline))
    cells = column.count(floats(*current))
    assert cells[-1] == np.isnan(current).sum()
    assert column.kolmogorov_smirnov(cells) == (0, 1)
    assert homogeneity(present(column, cells)) == (0, 1, 0)


@pytest.mark.parametrize(
    ("baseline", "current", "distance"),
    [
        ([0, 0, 1, 1], [0, 0, 1, 1], 0),
        ([0, 0, 1, 1], [0, 0, 0, 1], 0.25),
        ([0, 0, 1, 1], [2, 2, 2, 2], 1),
        ([0, 0, 1, 1], [0, 1, -1, -1], 0.5),
        ([0, 0, 1, 1], [np.nan, 0, 0, 1], 1 / 6),
        ([np.nan, -1, 0, 1], [np.nan, np.nan, -1, -1], 2 / 3),
        ([0], [0], 0),
    ],
)
def test_total_variation_is_half_of_what_the_shares_differ_by(
    baseline: list[float], current: list[float], distance: float
) -> None:
    column = Column.of("x", True, np.tile(floats(*baseline), 50))
    _, _, found = homogeneity(present(column, column.count(np.tile(floats(*current), 50))))
    assert found == pytest.approx(distance)


@given(st.lists(st.sampled_from([np.nan, -1.0, 0.0, 1.0, 2.0, 5.5]), max_size=60))
def test_every_value_falls_into_one_cell_whichever_way_they_are_counted(
    values: list[float],
) -> None:
    column, sample = Column.of("x", False, floats(0, 1, 5)), floats(*values)
    whole = column.count(sample)
    one_by_one = sum((column.count(floats(v)) for v in values), np.zeros(8, np.int64))
    assert whole.tolist() == one_by_one.tolist()
    assert whole.sum() == len(values)
    assert whole[3] == values.count(1.0)
    assert whole[-1] == np.isnan(values).sum()


NAMES = ("a", "b")


def baseline(rng: np.random.Generator, rows: int = 2_000) -> tuple[Baseline, Floats]:
    scores = rng.random(rows).astype(np.float32)
    matrix = rng.normal(size=(rows, 2)).astype(np.float32)
    return Baseline.of(NAMES, (False, False), matrix, scores), scores


def judged(
    current: Floats, scores: Floats | None = None, importance: float = 0.0, **limits: float
) -> Report:
    made, usual = baseline(np.random.default_rng(0))
    counts = made.count(current, usual if scores is None else scores)
    weights = {"a": importance, "b": 1 - importance}
    return judge(made, counts, weights, Thresholds(**limits))  # type: ignore[arg-type]


def moved(by: float, rows: int = 500) -> Floats:
    current = np.random.default_rng(1).normal(size=(rows, 2)).astype(np.float32)
    current[:, 0] += np.float32(by)
    return current


def test_a_share_that_is_reached_exactly_is_drift() -> None:
    assert judged(moved(2), share=0.5).verdict == "drift"
    assert judged(moved(2), share=0.51).verdict == "no_drift"


def test_an_importance_that_is_reached_exactly_is_drift() -> None:
    assert judged(moved(2), importance=0.75, share=0.75).verdict == "drift"
    assert judged(moved(2), importance=0.74, share=0.75).verdict == "no_drift"


def test_as_many_rows_as_are_needed_are_enough() -> None:
    assert judged(moved(2, rows=200)).verdict != "too_few_rows"
    assert judged(moved(2, rows=199)).verdict == "too_few_rows"


def test_an_effect_below_the_floor_is_no_drift_however_sure_it_is() -> None:
    report = judged(moved(0.3, rows=20_000), effect_floor=0.2, share=0.01)
    (a,) = (column for column in report.columns if column.name == "a")
    assert a.adjusted_p < 1e-9 and 0.05 < a.effect < 0.2
    assert report.verdict == "no_drift"


def test_a_feature_without_importance_counts_by_its_number() -> None:
    report = judged(moved(2), importance=0.0, share=0.5)
    assert (report.drifted_share, report.drifted_importance) == (0.5, 0.0)
    assert report.verdict == "drift"


def test_scores_that_are_too_few_are_not_tested() -> None:
    report = judged(moved(0), scores=floats(*[0.5] * 199))
    assert report.score is None
    enough = judged(moved(0), scores=floats(*[0.5] * 200))
    assert enough.score and enough.score.drifted


def test_false_alarms_are_as_rare_as_alpha_promises() -> None:
    made, _ = baseline(np.random.default_rng(0), rows=5_000)
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(1_000 + seed)
        counts = made.count(
            rng.normal(size=(400, 2)).astype(np.float32), rng.random(400).astype(np.float32)
        )
        report = judge(made, counts, {}, Thresholds(alpha=0.05, effect_floor=0))
        alarms += bool(report.drifted)
    assert alarms <= stats.binom.ppf(0.999, 200, 0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_p_values_are_adjusted_as_benjamini_and_hochberg_do(p_values: list[float]) -> None:
    count = len(p_values)
    ordered = sorted(p_values)
    expected = [
        min(1.0, *(q * count / (rank + 1) for rank, q in enumerate(ordered) if q >= p), 1.0)
        for p in p_values
    ]
    assert stats.false_discovery_control(p_values) == pytest.approx(expected)


def test_counts_add_up_in_any_order_and_nothing_adds_nothing() -> None:
    rng = np.random.default_rng(0)
    made, scores = baseline(rng)
    nothing = made.count(np.empty((0, 2), np.float32), floats())
    parts: list[Counts] = [
        made.count(rng.normal(size=(n, 2)).astype(np.float32), scores[:n]) for n in (3, 700, 1)
    ]
    one, other = parts[0] + parts[1] + parts[2], parts[2] + nothing + parts[0] + parts[1]
    assert one.customers == other.customers == 704
    assert all(np.array_equal(a, b) for a, b in zip(one.features, other.features, strict=True))


def test_a_stored_baseline_holds_no_objects() -> None:
    made, _ = baseline(np.random.default_rng(0))
    with np.load(io.BytesIO(made.to_bytes()), allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} <= set("Ubfi")


def test_a_long_history_is_stood_for_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "SAMPLE", 1_000)
    rng = np.random.default_rng(0)
    made, _ = baseline(rng, rows=5_000)
    assert [int(c.counts.sum()) for c in (*made.features, made.score)] == [1_000] * 3
    again, _ = baseline(np.random.default_rng(0), rows=5_000)
    assert made.to_bytes() == again.to_bytes()
    current = rng.normal(size=(1_000, 2)).astype(np.float32)
    counts = made.count(current, rng.random(1_000).astype(np.float32))
    assert judge(made, counts, {}, Thresholds()).drifted == ()


def test_the_sample_of_a_long_history_is_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "SAMPLE", 1_000)
    rising = np.arange(4_000, dtype=np.float32)  # as files are that are sorted
    made = Baseline.of(("a",), (False,), rising[:, None], rising / 4_000)
    means = [np.average(c.values, weights=c.counts) for c in (*made.features, made.score)]
    # the mean of a thousand is within 32 of 2,000 (one standard error); of the first it is 500
    assert means[0] == pytest.approx(2_000, abs=120)
    assert means[1] == pytest.approx(0.5, abs=0.03)


def test_with_nothing_drifted_no_share_makes_drift() -> None:
    report = judged(moved(0), share=0.0)
    assert (report.drifted, report.drifted_share, report.verdict) == ((), 0.0, "no_drift")
    assert judged(moved(2), share=0.0).verdict == "drift"


def test_a_report_is_a_json_document() -> None:
    report = judged(moved(2)).as_dict()
    text = json.dumps(report, allow_nan=False)
    assert json.loads(text)["verdict"] == "drift"
    assert json.loads(text)["columns"][0]["drifted"] is True
