import numpy as np
import pytest
from scipy import stats

from evergreen.statistics.comparison import compare, losses, sample

RNG = np.random.default_rng(0)


def world(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes, and the probabilities that they were drawn by."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1, 3, rows)
    return rng.random(rows) < truth, truth


def test_a_model_is_as_good_as_itself() -> None:
    churned, truth = world(500)
    found = compare(churned, truth, truth)
    assert (found.excess, found.low, found.high, found.detects) == (0, 0, 0, 0)


def test_a_better_model_is_surely_better_and_a_worse_one_surely_worse() -> None:
    churned, truth = world(1_000)
    guess = np.full(1_000, churned.mean())
    assert compare(churned, guess, truth).high < 0
    assert compare(churned, truth, guess).low > 0


def test_the_interval_is_that_of_a_paired_mean() -> None:
    churned, truth = world(5_000)
    other = np.clip(truth + 0.05 * RNG.standard_normal(5_000), 0.01, 0.99)
    found = compare(churned, truth, other)
    excess = losses(churned, other) - losses(churned, truth)
    assert found.excess == pytest.approx(excess.mean())
    low, high = stats.t.interval(0.9, 4_999, excess.mean(), stats.sem(excess))
    # 1,000 resamples place a 5 % quantile to about 7 % of a standard error; three of those
    assert found.low == pytest.approx(low, abs=0.2 * stats.sem(excess))
    assert found.high == pytest.approx(high, abs=0.2 * stats.sem(excess))
    assert found.detects == pytest.approx(2.487 * stats.sem(excess), rel=0.08)


def test_equal_models_are_called_worse_as_often_as_the_confidence_says() -> None:
    called = []
    for seed in range(200):
        churned, truth = world(300, seed)
        rng = np.random.default_rng([seed, 1])
        ours, theirs = (np.clip(truth + 0.1 * rng.standard_normal(300), 0.01, 0.99) for _ in "ab")
        called.append(compare(churned, theirs, ours, resamples=400).low > 0)
    # 5 % nominal; 200 trials of a binomial have a standard deviation of 1.5 points
    assert 0.01 <= np.mean(called) <= 0.10


def test_a_loss_is_finite_however_sure_a_model_was() -> None:
    assert np.isfinite(losses(np.array([True, False]), np.array([0.0, 1.0]))).all()


def test_with_one_outcome_there_is_a_log_loss_but_no_roc_auc() -> None:
    found = compare(np.zeros(50, dtype=bool), np.full(50, 0.2), np.full(50, 0.1))
    assert found.rival_roc_auc is None
    assert found.high < 0


def test_a_sample_of_few_customers_is_all_of_them() -> None:
    churned, _ = world(100)
    places, weights = sample(churned, 100)
    assert places.tolist() == list(range(100))
    assert set(weights) == {1.0}


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.5, 0.999])
def test_a_sample_keeps_the_rarer_outcome_and_its_weight(rate: float) -> None:
    churned = np.random.default_rng(1).random(100_000) < rate
    places, weights = sample(churned, 2_000)
    rare = min(churned.sum(), (~churned).sum())
    kept = min(churned[places].sum(), (~churned[places]).sum())
    assert len(places) == len(set(places.tolist())) == 2_000
    assert kept == min(rare, 1_000)
    assert np.average(churned[places], weights=weights) == pytest.approx(churned.mean(), abs=1e-9)
    assert weights.sum() == pytest.approx(len(churned))


def test_a_sample_of_customers_with_one_outcome_is_a_sample() -> None:
    places, weights = sample(np.zeros(5_000, dtype=bool), 100)
    assert len(places) == 100
    assert weights.sum() == pytest.approx(5_000)


def test_a_comparison_of_a_sample_is_that_of_all() -> None:
    churned, truth = world(60_000)
    other = np.clip(truth * 1.3, 0.001, 0.99)
    whole = compare(churned, truth, other, resamples=50)
    places, weights = sample(churned, 20_000)
    part = compare(churned[places], truth[places], other[places], weights, resamples=400)
    assert part.excess == pytest.approx(whole.excess, abs=2 * part.detects)
    assert part.low < whole.excess < part.high
