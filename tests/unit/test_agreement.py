import numpy as np
import pytest

from evergreen.statistics.agreement import agreement, level


def world(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes, and the probabilities that they were drawn by."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1, 3, rows)
    return rng.random(rows) < truth, truth


def test_outcomes_that_came_as_predicted_contradict_nothing() -> None:
    churned, truth = world(1_000)
    found = agreement(churned, truth)
    assert not found.inverted
    assert not found.uninformative
    assert found.roc_auc > 0.6
    assert found.log_loss < found.prior_log_loss


def test_swapped_outcomes_are_the_wrong_way_round() -> None:
    churned, truth = world(300)
    found = agreement(~churned, truth)
    assert found.inverted
    assert found.roc_auc == pytest.approx(1 - agreement(churned, truth).roc_auc)


def test_shuffled_outcomes_make_the_model_tell_less_than_a_guess() -> None:
    churned, truth = world(1_000)
    found = agreement(np.random.default_rng(1).permutation(churned), truth)
    assert found.uninformative
    assert not found.inverted


@pytest.mark.parametrize("odds", [-2.0, 1.5])
def test_that_more_or_fewer_leave_is_no_contradiction(odds: float) -> None:
    _, truth = world(2_000)
    moved = 1 / (1 + (1 / truth - 1) * np.exp(-odds))
    churned = np.random.default_rng(2).random(2_000) < moved
    found = agreement(churned, truth)
    assert not found.inverted
    assert not found.uninformative
    assert abs(churned.mean() - truth.mean()) > 0.1


def test_one_outcome_alone_tells_nothing() -> None:
    _, truth = world(200)
    found = agreement(np.zeros(200, dtype=bool), truth)
    assert (found.inverted, found.uninformative, found.roc_auc) == (False, False, 0.5)


def test_honest_files_are_hardly_ever_called_contradictions() -> None:
    found = [agreement(*world(rows, seed)) for rows in (30, 100, 500) for seed in range(200)]
    # each of two tests errs in one case of 1,000 where the model tells nothing at all, and this
    # one tells something: among 600 files none is expected
    assert sum(a.inverted or a.uninformative for a in found) <= 1


@pytest.mark.parametrize("rate", [0.001, 0.3, 0.99])
def test_a_level_is_set_without_changing_ranks(rate: float) -> None:
    _, truth = world(500)
    moved = level(truth, rate)
    assert moved.mean() == pytest.approx(rate, abs=1e-6)
    assert (np.argsort(moved) == np.argsort(truth)).all()
