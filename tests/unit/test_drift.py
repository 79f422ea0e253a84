import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evergreen.statistics.drift import SCORE, Baseline, Column, Counts, Report, Thresholds, compare

Floats = npt.NDArray[np.float32]

# few distinct values, so that ties are the rule; None is a missing value
values = st.sampled_from([None, -2.5, -1.0, 0.0, 0.1, 1.0, 1.5, 3.0, 1e6])
samples = st.lists(values, min_size=2, max_size=200).map(
    lambda cells: np.array([np.nan if c is None else c for c in cells], dtype=np.float32)
)


def lowest(sample: Floats) -> npt.NDArray[np.float64]:
    return np.where(np.isnan(sample), -np.inf, sample).astype(np.float64)


def pieces(sample: Floats, cuts: list[int]) -> list[Floats]:
    return np.split(sample, sorted(cut % (len(sample) + 1) for cut in cuts))


@given(samples, samples, st.lists(st.integers(0, 10_000), max_size=8), st.randoms())
def test_ks_equals_scipy_however_the_log_is_split(
    baseline: Floats, current: Floats, cuts: list[int], order: object
) -> None:
    column = Column.of("x", False, baseline)
    parts = [column.count(piece) for piece in pieces(current, cuts)]
    order.shuffle(parts)  # type: ignore[attr-defined]
    statistic, p_value = column.kolmogorov_smirnov(np.sum(parts, axis=0))
    expected = stats.ks_2samp(lowest(baseline), lowest(current), method="asymp")
    assert statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert p_value == pytest.approx(expected.pvalue, abs=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3_000), st.integers(2, 3_000))
def test_ks_equals_scipy_on_larger_samples(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    baseline, current = (rng.gamma(2, 20, k).round(1).astype(np.float32) for k in (n, m))
    column = Column.of("x", False, baseline)
    statistic, p_value = column.kolmogorov_smirnov(column.count(current))
    expected = stats.ks_2samp(lowest(baseline), lowest(current), method="asymp")
    assert statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert p_value == pytest.approx(expected.pvalue, abs=1e-12)


codes = st.lists(st.sampled_from([np.nan, -1.0, 0.0, 1.0, 2.0]), min_size=1, max_size=300).map(
    lambda cells: np.array(cells, dtype=np.float32)
)


@given(codes, codes)
def test_chi_squared_equals_scipy_and_the_effect_is_total_variation(
    baseline: Floats, current: Floats
) -> None:
    column = Column.of("x", True, baseline)
    statistic, p_value, distance = column.chi_squared(column.count(current))
    known = np.unique(lowest(baseline))
    labels = np.unique(np.concatenate([lowest(baseline), lowest(current)]))
    # values that the baseline lacks share a cell where no value of it lies between them
    cells = {v: (int(np.searchsorted(known, v)), v in known) for v in labels.tolist()}
    table = np.array(
        [
            [sum(1 for v in lowest(s).tolist() if cells[v] == cell) for cell in set(cells.values())]
            for s in (baseline, current)
        ]
    )
    shares = table / table.sum(axis=1, keepdims=True)
    assert distance == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)
    if table.shape[1] > 1:
        expected = stats.chi2_contingency(table, correction=False)
        assert statistic == pytest.approx(expected.statistic)
        assert p_value == pytest.approx(expected.pvalue)
    else:
        assert (statistic, p_value) == (0.0, 1.0)


def population(rng: np.random.Generator, rows: int, shift: float = 0.0) -> Floats:
    """Draw four features: two numeric, two categorical; `shift` moves the first of each kind."""
    return np.column_stack(
        [
            rng.normal(shift, 1, rows),
            rng.normal(0, 1, rows),
            rng.random(rows) < 0.3 + shift / 4,
            rng.integers(0, 3, rows),
        ]
    ).astype(np.float32)


NAMES, KINDS = ("a", "b", "c", "d"), (False, False, True, True)
EVEN = dict.fromkeys(NAMES, 0.25)


def checked(current: Floats, importance: dict[str, float] = EVEN, min_rows: int = 200) -> Report:
    rng = np.random.default_rng(0)
    scores = rng.random(2_000).astype(np.float32)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), scores)
    return compare(
        baseline, baseline.count(current, scores), importance, Thresholds(min_rows=min_rows)
    )


@pytest.mark.parametrize("seed", range(1, 21))
def test_the_same_population_has_not_drifted(seed: int) -> None:
    report = checked(population(np.random.default_rng(seed), 2_000))
    assert (report.verdict, report.drifted) == ("no_drift", ())


def test_a_shift_is_found_where_it_is_and_nowhere_else() -> None:
    report = checked(population(np.random.default_rng(1), 2_000, shift=0.8))
    assert (report.verdict, report.drifted) == ("drift", ("a", "c"))
    assert report.drifted_share == 0.5


def test_a_tiny_difference_is_significant_but_no_drift() -> None:
    report = checked(population(np.random.default_rng(1), 100_000, shift=0.15))
    (a,) = (column for column in report.columns if column.name == "a")
    assert a.adjusted_p < 1e-6
    assert a.effect < 0.1
    assert (a.drifted, report.verdict) == (False, "no_drift")


def test_one_important_feature_is_enough() -> None:
    current = population(np.random.default_rng(1), 2_000)
    current[:, 0] += 1
    assert checked(current).verdict == "no_drift"
    assert checked(current, {**EVEN, "a": 0.4}).verdict == "drift"


def test_too_few_rows_are_a_verdict_of_their_own() -> None:
    report = checked(population(np.random.default_rng(1), 199, shift=3))
    assert (report.verdict, report.columns) == ("too_few_rows", ())


def test_nothing_at_all_is_too_few_rows() -> None:
    report = checked(np.empty((0, 4), np.float32), min_rows=0)
    assert report.verdict == "too_few_rows"


def test_missing_values_and_unseen_categories_are_drift() -> None:
    current = population(np.random.default_rng(1), 2_000)
    current[:800, 1] = np.nan
    current[:800, 3] = -1
    assert checked(current).drifted == ("b", "d")


def test_the_score_is_tested_but_is_no_feature() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(2_000).astype(np.float32)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), scores)
    counts = baseline.count(population(rng, 2_000), scores**3)
    report = compare(baseline, counts, EVEN, Thresholds(share=0.01))
    assert (report.verdict, report.drifted, report.drifted_share) == ("no_drift", (SCORE,), 0.0)


def test_p_values_are_adjusted_for_all_columns() -> None:
    report = checked(population(np.random.default_rng(1), 2_000, shift=0.1))
    expected = stats.false_discovery_control([column.p_value for column in report.columns])
    assert [column.adjusted_p for column in report.columns] == pytest.approx(expected)


def test_counts_of_pieces_add_up_to_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(1_000).astype(np.float32)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), scores)
    current = population(rng, 1_000, shift=0.3)
    whole = baseline.count(current, scores)
    parts: Counts = baseline.count(current[:10], scores[:10])
    parts += baseline.count(current[10:], scores[10:])
    assert parts.rows == whole.rows
    assert all(np.array_equal(a, b) for a, b in zip(parts.cells, whole.cells, strict=True))


def test_a_stored_baseline_says_the_same() -> None:
    rng = np.random.default_rng(0)
    current, scores = population(rng, 500), rng.random(500).astype(np.float32)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), scores)
    again = Baseline.parse(baseline.to_bytes())
    assert [(c.name, c.categorical) for c in again.columns] == [
        (c.name, c.categorical) for c in baseline.columns
    ]
    one, other = baseline.count(current, scores), again.count(current, scores)
    assert all(np.array_equal(a, b) for a, b in zip(one.cells, other.cells, strict=True))


def test_a_baseline_with_a_pickle_in_it_is_not_read() -> None:
    out = io.BytesIO()
    np.savez(out, names=np.array([object()], dtype=object), categorical=np.array([False]))
    with pytest.raises(ValueError, match="allow_pickle"):
        Baseline.parse(out.getvalue())
