import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

from evergreen.customers.features import Categorical
from evergreen.customers.schema import Schema
from evergreen.jobs.learning.history import History
from local.demo.customers import SHIFTED, UNKNOWN, churn_probability, customers, main

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = Schema.parse((ROOT / "local/schemas/customers.json").read_text())

seeds = st.integers(0, 10**9)
shifts = st.floats(0, 1)


def left(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(frame["churned"] == "yes")


def effect(name: str, a: pd.DataFrame, b: pd.DataFrame) -> float:
    """The distance of a field in two tables, as drift detection measures it."""
    feature = SCHEMA.features[SCHEMA.feature_names.index(name)]
    if isinstance(feature, Categorical):
        shares = [frame[name].value_counts(normalize=True) for frame in (a, b)]
        return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
    numbers = [pd.to_numeric(frame[name]).fillna(-1) for frame in (a, b)]
    return float(stats.ks_2samp(*numbers).statistic)


@pytest.fixture(scope="module")
def usual() -> pd.DataFrame:
    return customers(7_000, seed=1)


@pytest.fixture(scope="module")
def new() -> pd.DataFrame:
    return customers(4_000, seed=5, shift=1.0)


@settings(max_examples=25)
@given(rows=st.integers(0, 60), seed=seeds, shift=shifts)
def test_whatever_is_made_fits_the_schema(rows: int, seed: int, shift: float) -> None:
    made = customers(rows, seed=seed, shift=shift)
    assert list(made) == [field["name"] for field in SCHEMA.document["fields"]]
    assert len(made) == rows
    assert all(isinstance(cell, str) for cell in made.to_numpy().ravel())
    History.of({"made": made}).labelled(SCHEMA)  # raises where a row does not fit


@settings(max_examples=20)
@given(seed=seeds, shift=shifts)
def test_the_same_seed_makes_the_same_bytes(seed: int, shift: float) -> None:
    first, again = (customers(50, seed=seed, shift=shift).to_csv() for _ in range(2))
    assert first == again


@settings(max_examples=20)
@given(first=seeds, second=seeds)
def test_ids_are_unique_across_seeds(first: int, second: int) -> None:
    ids = [*customers(20, seed=first)["customer_id"]]
    if first != second:
        ids += customers(20, seed=second)["customer_id"]
    assert len(set(ids)) == len(ids)


@settings(max_examples=20)
@given(seed=seeds, shift=shifts)
def test_a_shift_leaves_all_other_fields_exactly_as_they_were(seed: int, shift: float) -> None:
    others = [n for n in SCHEMA.feature_names if n not in SHIFTED]
    before, after = customers(50, seed=seed), customers(50, seed=seed, shift=shift)
    pd.testing.assert_frame_equal(before[others], after[others])


def test_a_full_shift_moves_each_shifted_field_far(usual: pd.DataFrame, new: pd.DataFrame) -> None:
    assert {n: e for n in SHIFTED if (e := effect(n, usual, new)) < 0.45} == {}


def test_half_ordinary_half_new_customers_still_show_the_shift_and_only_it(
    usual: pd.DataFrame,
) -> None:
    recent = pd.concat([customers(2_000, seed=4), customers(2_000, seed=6, shift=1.0)])
    effects = {name: effect(name, usual, recent) for name in SCHEMA.feature_names}
    assert min(effects[name] for name in SHIFTED) >= 0.2
    assert max(effects[name] for name in effects if name not in SHIFTED) < 0.05


def test_one_in_four_leaves_and_the_truth_ranks_them_as_well_as_real_churn_can_be() -> None:
    many = customers(40_000, seed=3)
    truth = churn_probability(many)
    assert left(many).mean() == pytest.approx(0.25, abs=0.01)
    assert 0.86 <= roc_auc_score(left(many), truth) <= 0.88


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_outcomes_are_drawn_from_the_true_probability(shift: float) -> None:
    many = customers(20_000, seed=8, shift=shift)
    truth = churn_probability(many, shift=shift)
    for tenth in np.array_split(np.argsort(truth), 10):
        spread = np.sqrt((truth[tenth] * (1 - truth[tenth])).mean() / len(tenth))
        assert abs(left(many)[tenth].mean() - truth[tenth].mean()) < 4 * spread


def log_odds_gained_by_a_price_rise(contract: str, shift: float) -> float:
    some = customers(200, seed=2).assign(contract=contract)
    before, after = (
        churn_probability(some.assign(monthly_fee=fee), shift=shift) for fee in ("60.00", "75.00")
    )
    return float((np.log(after / (1 - after)) - np.log(before / (1 - before))).mean())


def test_a_price_rise_drives_away_monthly_customers_most() -> None:
    monthly, yearly = (log_odds_gained_by_a_price_rise(c, 0.0) for c in ("monthly", "yearly"))
    assert monthly > 2 * yearly > 0


def test_the_price_counts_for_more_as_the_market_shifts() -> None:
    usual, half, full = (log_odds_gained_by_a_price_rise("monthly", s) for s in (0.0, 0.5, 1.0))
    assert full == pytest.approx(2.2 * usual)
    assert usual < half < full


def test_a_missing_answer_counts_as_the_usual_one() -> None:
    some = customers(200, seed=2)
    unknown, usual = some.assign(satisfaction=""), some.assign(satisfaction="3")
    np.testing.assert_array_equal(churn_probability(unknown), churn_probability(usual))


def test_only_the_optional_fields_have_gaps(usual: pd.DataFrame) -> None:
    gaps = (usual == "").mean()
    assert set(gaps.index[gaps > 0]) == set(UNKNOWN)
    for name, share in UNKNOWN.items():
        assert gaps[name] == pytest.approx(share, abs=0.02)
    optional = {feature.name for feature in SCHEMA.features if not feature.required}
    assert optional == set(UNKNOWN)


def test_retraining_on_new_customers_is_clearly_better_for_them(usual: pd.DataFrame) -> None:
    def model(history: pd.DataFrame) -> HistGradientBoostingClassifier:
        kinds = SCHEMA.categorical.tolist()
        learner = HistGradientBoostingClassifier(
            categorical_features=kinds, max_iter=60, random_state=0
        )
        return learner.fit(encoded(history), left(history))

    def encoded(frame: pd.DataFrame) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return SCHEMA.encode(
            {n: frame[n].tolist() for n in SCHEMA.feature_names}, len(frame)
        ).matrix

    both = pd.concat([usual, customers(3_000, seed=6, shift=1.0)])
    unseen = customers(3_000, seed=7, shift=1.0)
    old, retrained = (
        log_loss(left(unseen), model(history).predict_proba(encoded(unseen))[:, 1])
        for history in (usual, both)
    )
    assert retrained < 0.6 * old


@pytest.mark.parametrize("shift", [-0.1, 1.1, float("nan")])
def test_a_shift_beyond_its_range_is_refused(shift: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        customers(1, seed=1, shift=shift)


def test_the_command_writes_a_csv(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rows", "30", "--seed", "4", "--shift", "0.5"])
    written = pd.read_csv(io.StringIO(capsys.readouterr().out), dtype=str, keep_default_na=False)
    made = customers(30, seed=4, shift=0.5)
    assert written.to_numpy().tolist() == made.to_numpy().tolist()


@pytest.mark.parametrize("wrong", [("--shift", "2"), ("--rows", "-1"), ("--seed", "-1")])
def test_the_command_refuses_what_cannot_be(
    wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(wrong)
    assert wrong[0] in capsys.readouterr().err


def test_the_command_ends_quietly_where_nobody_reads_on() -> None:
    command = [sys.executable, "-m", "local.demo.customers", "--rows", "5000"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout and running.stderr
        assert running.stdout.readline().startswith("customer_id,")
        running.stdout.close()
        assert running.stderr.read() == ""
