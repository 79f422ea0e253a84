"""Our numbers are those of the libraries that define them.

Where SciPy and empulse say it, the unit tests ask them: Kolmogorov-Smirnov, χ², Benjamini and
Hochberg, the expected maximum profit. Here are those of whom we install nothing.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from evergreen.statistics.baseline import Column
from evergreen.statistics.estimation import estimate
from evergreen.statistics.two_sample import homogeneity
from tests.peers.asking import Peers

asked = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(asked, max_examples=12)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(100, 3_000),
    st.tuples(st.floats(0.3, 4), st.floats(0.3, 4)),
    st.floats(-2, 2),
    st.sampled_from([2, 6]),
)
def test_the_estimated_roc_auc_is_nannymls(
    others: Peers, seed: int, size: int, shape: tuple[float, float], shift: float, digits: int
) -> None:
    """Of probabilities as it calibrates them, where it does; it rounds its sums to 5 decimals."""
    rng = np.random.default_rng(seed)
    reference = rng.beta(*shape, 2_000).round(digits)
    labels = rng.random(2_000) < reference
    odds = np.exp(shift) * rng.beta(*shape, size) / (1 - rng.beta(*shape, size).clip(0, 0.999))
    scores = (odds / (1 + odds)).round(digits)
    found = others.ask(
        "cbpe",
        labels=labels.tolist(),
        reference=reference.tolist(),
        scores=scores.tolist(),
    )
    estimated = estimate(np.array(found["calibrated"]))["roc_auc"]
    assert estimated == pytest.approx(found["roc_auc"], abs=1e-6)


@asked
@given(st.lists(st.tuples(st.integers(60, 300), st.integers(60, 300)), min_size=2, max_size=8))
def test_chi_squared_is_that_of_statsmodels(others: Peers, counts: list[tuple[int, int]]) -> None:
    table = np.array(counts).T
    statistic, p_value, _ = homogeneity(table)
    found = others.ask("chi2", table=table.tolist())
    assert found["statistic"] == pytest.approx(float(statistic))
    assert found["p_value"] == pytest.approx(float(p_value))


@asked
@given(st.lists(st.tuples(st.integers(30, 300), st.integers(30, 300)), min_size=2, max_size=8))
def test_total_variation_is_that_of_evidently(others: Peers, counts: list[tuple[int, int]]) -> None:
    table = np.array(counts).T
    before, now = (np.repeat([*map(str, range(len(counts)))], row).tolist() for row in table)
    _, _, distance = homogeneity(table)
    found = others.ask("total_variation", before=before, now=now)
    assert found == pytest.approx(float(distance), abs=1e-12)


@asked
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_adjusted_p_values_are_those_of_statsmodels(others: Peers, p_values: list[float]) -> None:
    found = others.ask("benjamini_hochberg", p_values=p_values)
    assert stats.false_discovery_control(p_values) == pytest.approx(found)


@asked
@given(st.integers(0, 2**32 - 1), st.integers(2, 2_000), st.integers(2, 2_000), st.integers(0, 2))
def test_kolmogorov_smirnov_is_that_of_another_scipy(
    others: Peers, seed: int, before: int, now: int, digits: int
) -> None:
    rng = np.random.default_rng(seed)
    samples = [rng.gamma(2, 20, k).round(digits).astype(np.float32) for k in (before, now)]
    column = Column.of("x", False, samples[0])
    statistic, p_value = column.kolmogorov_smirnov(column.count(samples[1]))
    found = others.ask("ks", before=samples[0].tolist(), now=samples[1].tolist())
    assert statistic == pytest.approx(found["statistic"], abs=1e-12)
    assert p_value == pytest.approx(found["p_value"], abs=1e-12)


def test_the_peers_reach_no_network(others: Peers) -> None:
    assert others.ask("reach", host="127.0.0.1") == "refused"
    assert others.ask("reach", host="example.org") == "refused"
