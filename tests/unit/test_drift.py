import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evergreen.settings import Thresholds
from evergreen.statistics.baseline import SCORE, Baseline, Column, Counts
from evergreen.statistics.drift import Report, effects, judge
from evergreen.statistics.two_sample import homogeneity

Floats = npt.NDArray[np.float32]

# few distinct values, so that ties are the rule; None is a missing value
values = st.sampled_from([None, -2.5, -1.0, 0.0, 0.1, 1.0, 1.5, 3.0, 1e6])
samples = st.lists(values, max_size=200).map(
    lambda cells: np.array(
        [1.0, 3.0, *(np.nan if c is None else c for c in cells)], dtype=np.float32
    )
)


def present(sample: Floats) -> npt.NDArray[np.float64]:
    return sample[~np.isnan(sample)].astype(np.float64)


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
    expected = stats.ks_2samp(present(baseline), present(current), method="asymp")
    assert statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert p_value == pytest.approx(expected.pvalue, abs=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3_000), st.integers(2, 3_000))
def test_ks_equals_scipy_on_larger_samples(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    baseline, current = (rng.gamma(2, 20, k).round(1).astype(np.float32) for k in (n, m))
    column = Column.of("x", False, baseline)
    statistic, p_value = column.kolmogorov_smirnov(column.count(current))
    expected = stats.ks_2samp(present(baseline), present(current), method="asymp")
    assert statistic == pytest.approx(expected.statistic, abs=1e-12)
    assert p_value == pytest.approx(expected.pvalue, abs=1e-12)


def tables(*rows: list[int]) -> npt.NDArray[np.int64]:
    return np.array(rows, dtype=np.int64)


@given(
    st.lists(st.tuples(st.integers(60, 200), st.integers(60, 200)), min_size=2, max_size=12),
    st.integers(0, 3),
)
def test_where_every_level_is_common_chi_squared_is_scipys(
    cells: list[tuple[int, int]], nobody: int
) -> None:
    table = np.array(cells).T
    padded = np.pad(table, ((0, 0), (nobody, nobody)))  # levels that never occur change nothing
    statistic, p_value, distance = homogeneity(padded)
    expected = stats.chi2_contingency(table, correction=False)
    assert expected.expected_freq.min() >= 5
    assert statistic == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue)
    shares = table / table.sum(axis=1, keepdims=True)
    assert distance == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)


def test_many_tables_at_once_are_tested_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    many = rng.multinomial(300, [0.5, 0.3, 0.17, 0.02, 0.01], size=(4, 6, 2))
    whole = homogeneity(many)
    for place in np.ndindex(4, 6):
        assert [float(part[place]) for part in whole] == pytest.approx(
            [float(part) for part in homogeneity(many[place])]
        )


RARE = [0.3, 0.3, 0.3, *[0.1 / 30] * 30]


@pytest.mark.parametrize("reference", [1_000, 7_000])
def test_with_rare_levels_a_nominal_five_per_cent_is_five_per_cent(reference: int) -> None:
    rng = np.random.default_rng(0)
    trials = 20_000
    drawn = [rng.multinomial(rows, RARE, size=trials) for rows in (reference, 200)]
    _, p_value, _ = homogeneity(np.stack(drawn, axis=1))
    # twenty thousand trials tell 5 % to within 0.6 points (four standard errors); without pooling
    # it is 6.4 % and 9.0 %
    assert (p_value < 0.05).mean() == pytest.approx(0.05, abs=0.006)
    # at 1e-3 two hundredths of a per cent are half a standard error: no more than twice is asked
    assert (p_value < 1e-3).mean() < 2e-3


def test_a_new_level_that_many_customers_have_is_not_pooled_away() -> None:
    # of the 30 fewer than one would be expected here, were they spread over both samples
    _, p_value, distance = homogeneity(tables([5_000, 2_000, 0], [121, 49, 30]))
    assert p_value < 1e-6
    assert distance == pytest.approx(0.15, abs=0.001)


def test_a_few_customers_of_a_new_level_prove_nothing() -> None:
    _, p_value, distance = homogeneity(tables([5_000, 2_000, 0], [140, 56, 4]))
    assert (p_value > 0.5, distance < 0.02) == (True, True)


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
    scores = rng.random(2_000)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), scores)
    counts = baseline.count(current, scores)
    return judge(baseline, counts, importance, Thresholds(min_rows=min_rows))


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
    assert (report.verdict, report.columns, report.score) == ("too_few_rows", (), None)
    assert (report.drifted_share, report.drifted_importance) == (None, None)


def test_nothing_at_all_is_too_few_rows() -> None:
    report = checked(np.empty((0, 4), np.float32), min_rows=0)
    assert report.verdict == "too_few_rows"


def test_missing_values_and_unseen_categories_are_drift() -> None:
    current = population(np.random.default_rng(1), 2_000)
    current[:800, 1] = np.nan
    current[:800, 3] = -1
    report = checked(current)
    assert report.drifted == ("b", "d")
    b = report.columns[1]
    assert b.missing
    assert (b.drifted_in, b.missing.before, b.missing.now) == (("missing",), 0.0, 0.4)


def test_a_shift_and_missing_values_do_not_cancel() -> None:
    """With a missing value as the lowest number, the rest would have to be higher to be as before.

    Here it is: D of such a column is 0.02, as if nothing had happened.
    """
    rng = np.random.default_rng(1)
    current = population(rng, 4_000)
    lost = current[:, 0] < np.quantile(current[:, 0], 0.3)
    current[lost, 0] = np.nan
    lowest = np.where(np.isnan(current[:, 0]), -np.inf, current[:, 0])
    before = population(np.random.default_rng(0), 5_000)[:, 0]
    before = np.where(before < np.quantile(before, 0.3), -np.inf, before)
    assert stats.ks_2samp(lowest, before).statistic < 0.03
    report = checked(current)
    a = report.columns[0]
    assert (a.name, a.drifted_in) == ("a", ("values", "missing"))
    # the lower 30 % are gone: the rest differ by those from all; nobody was missing before
    assert a.effect == pytest.approx(0.3, abs=0.03)
    assert a.missing
    assert a.missing.now == pytest.approx(0.3, abs=0.001)


def test_where_nothing_is_missing_that_is_not_tested() -> None:
    assert [
        column.missing for column in checked(population(np.random.default_rng(1), 900)).columns
    ] == [None] * 4


def test_the_score_is_tested_but_decides_nothing() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(2_000)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), scores)
    counts = baseline.count(population(rng, 2_000), scores**3)
    report = judge(baseline, counts, EVEN, Thresholds(share=0.0))
    assert report.score
    assert (report.score.name, report.score.drifted) == (SCORE, True)
    assert (report.verdict, report.drifted, report.drifted_share) == ("no_drift", (), 0.0)


def test_a_feature_named_as_the_score_is_a_feature() -> None:
    rng = np.random.default_rng(0)
    names = (SCORE, "b", "c", "d")
    baseline = Baseline.of(names, KINDS, population(rng, 5_000), rng.random(500))
    counts = baseline.count(population(rng, 2_000, shift=0.8), rng.random(500))
    report = judge(Baseline.parse(baseline.to_bytes()), counts, {SCORE: 0.9}, Thresholds())
    assert report.drifted == (SCORE, "c")
    assert (report.verdict, report.drifted_share, report.drifted_importance) == ("drift", 0.5, 0.9)
    assert report.score and not report.score.drifted


def test_answers_are_compared_as_they_are_given() -> None:
    answers = np.random.default_rng(0).random(3_000).round(6)
    baseline = Baseline.of((), (), np.empty((3_000, 0), np.float32), answers)
    logged = [float(f"{answer:.6f}") for answer in answers]  # as JSON gives them back
    cells = baseline.score.count(np.array(logged))
    assert baseline.score.kolmogorov_smirnov(cells) == (0.0, 1.0)


def test_p_values_are_adjusted_for_all_tests_of_features() -> None:
    current = population(np.random.default_rng(1), 2_000, shift=0.1)
    current[:20, 1] = np.nan
    columns = checked(current).columns
    missing = [column.missing for column in columns if column.missing]
    tests = [*columns, *missing]
    expected = stats.false_discovery_control([test.p_value for test in tests])
    assert len(tests) == 5
    assert [test.adjusted_p for test in tests] == pytest.approx(expected)


def test_a_feature_is_counted_for_those_whose_model_knew_it() -> None:
    rng = np.random.default_rng(0)
    before = population(rng, 5_000)
    before[:1_000, 1] = np.nan
    baseline = Baseline.of(NAMES, KINDS, before, rng.random(500))
    current = population(rng, 2_000)
    current[:200, 1] = np.nan
    current[1_000:, 1] = np.nan  # asked of a model that did not know it
    known = np.ones(current.shape, dtype=np.bool_)
    known[1_000:, 1] = False
    report = judge(baseline, baseline.count(current, rng.random(500), known), {}, Thresholds())
    b = report.columns[1]
    assert b.missing
    assert (report.drifted, b.missing.before, b.missing.now) == ((), 0.2, 0.2)
    blind = judge(baseline, baseline.count(current, rng.random(500)), {}, Thresholds())
    assert blind.drifted == ("b",)


def test_a_feature_known_of_too_few_is_not_tested() -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), rng.random(500))
    current, known = population(rng, 2_000, shift=3), np.ones((2_000, 4), dtype=np.bool_)
    known[199:, 0] = False
    report = judge(baseline, baseline.count(current, rng.random(9), known), {}, Thresholds())
    assert [column.name for column in report.columns] == ["b", "c", "d"]
    assert report.drifted_share == 0.25


def test_counts_of_pieces_add_up_to_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(1_000)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), scores)
    current = population(rng, 1_000, shift=0.3)
    current[::7, 1] = np.nan
    whole = baseline.count(current, scores)
    parts: Counts = baseline.count(current[:10], scores[:10])
    parts += baseline.count(current[10:], scores[10:])
    assert parts.customers == whole.customers
    assert same(parts, whole)


def same(one: Counts, other: Counts) -> bool:
    pairs = zip((*one.features, one.score), (*other.features, other.score), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_stored_baseline_says_the_same() -> None:
    rng = np.random.default_rng(0)
    before, current, scores = population(rng, 5_000), population(rng, 500), rng.random(500)
    before[:50, 2] = np.nan
    baseline = Baseline.of(NAMES, KINDS, before, scores)
    again = Baseline.parse(baseline.to_bytes())
    assert [(c.name, c.categorical, c.missing) for c in (*again.features, again.score)] == [
        (c.name, c.categorical, c.missing) for c in (*baseline.features, baseline.score)
    ]
    one, other = baseline.count(current, scores), again.count(current, scores)
    assert same(one, other)
    judged = [judge(b, one, EVEN, Thresholds()).as_dict() for b in (baseline, again)]
    assert judged[0] == judged[1]


def test_a_baseline_with_a_pickle_in_it_is_not_read() -> None:
    out = io.BytesIO()
    np.savez(out, names=np.array([object()], dtype=object), categorical=np.array([False]))
    with pytest.raises(ValueError, match="allow_pickle"):
        Baseline.parse(out.getvalue())


def test_stored_counts_say_the_same_and_only_to_their_own_baseline() -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), rng.random(500))
    counts = baseline.count(population(rng, 700), rng.random(300))
    again = Counts.parse(counts.to_bytes(), baseline)
    assert again.customers == 700
    assert same(again, counts)
    other = Baseline.of(NAMES, KINDS, population(rng, 4_000), rng.random(500))
    with pytest.raises(ValueError, match="another baseline"):
        Counts.parse(counts.to_bytes(), other)


def test_what_the_schema_does_not_list_has_a_cell_also_in_a_baseline_stored_without_one() -> None:
    values, counts = np.array([1, 2], np.float32), np.array([60, 40])
    stored = Baseline((Column("x", True, values, counts, 0),), Column.of(SCORE, False, np.zeros(0)))
    (column,) = Baseline.parse(stored.to_bytes()).features
    assert column.values.tolist() == [-1, 1, 2]
    assert column.counts.tolist() == [0, 60, 40]
    cells = column.count(np.array([-1, 0, 1, 2, 2, 3, np.nan], np.float32))
    assert cells.tolist() == [0, 1, 1, 1, 0, 2, 1, 1]


def test_the_effect_between_two_populations_is_that_of_their_counts() -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline.of(NAMES, KINDS, population(rng, 5_000), rng.random(500))
    before, now = population(rng, 3_000), population(rng, 3_000, shift=1)
    counts = [baseline.count(side, rng.random(300)) for side in (before, now)]
    found = effects(baseline, *counts, 200)
    assert found.keys() == {*NAMES, SCORE}
    for j, (name, categorical) in enumerate(zip(NAMES, KINDS, strict=True)):
        here, there = (present(side[:, j]) for side in (before, now))
        if categorical:
            levels = np.unique([*here, *there])
            shares = [(side[:, None] == levels).mean(axis=0) for side in (here, there)]
            expected = np.abs(shares[0] - shares[1]).sum() / 2
            assert found[name] == pytest.approx(expected, abs=0.01)
        else:  # exact at the values of the baseline, so never more
            exact = stats.ks_2samp(here, there).statistic
            assert exact - 0.01 < found[name] <= exact + 1e-12
    assert effects(baseline, *counts, 301).keys() == {*NAMES}
    same_again = effects(baseline, counts[1], counts[1], 200)
    assert set(same_again.values()) == {0.0}
