import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evergreen.customers.features import Categorical
from evergreen.customers.schema import Schema
from evergreen.jobs.learning.history import History
from local.demo.shift import ordinary, shifted

ROOT = Path(__file__).resolve().parents[2]
TELCO = json.loads((ROOT / "local/schemas/telco.json").read_text())
YES_NO = {"required": True, "enum": ["yes", "no"]}


def table(seed: int, rows: int = 400) -> pd.DataFrame:
    """A table with every kind of feature, of which some tell who leaves and some don't."""
    rng = np.random.default_rng(seed)
    left = rng.random(rows) < 0.3
    risky = rng.random(rows) < np.where(left, 0.7, 0.2)
    frame = pd.DataFrame(
        {
            "id": [str(1000 + number) for number in range(rows)],
            "visits": [f"{n}" for n in rng.poisson(np.where(left, 9, 14))],
            "spend": [f"{x:.2f}" for x in rng.normal(np.where(left, 60, 40), 10).clip(0)],
            "plan": np.where(risky, "basic", rng.choice(["plus", "pro"], rows)),
            "senior": np.where(risky ^ (rng.random(rows) < 0.1), "1", "0"),
            "paperless": np.where(risky ^ (rng.random(rows) < 0.2), "true", "false"),
            "noise": [f"{x:.3f}" for x in rng.normal(size=rows)],
            "colour": rng.choice(["red", "green", "blue"], rows),
            "constant": "7",
            "only": "same",
            "left": np.where(left, "yes", "no"),
        },
        dtype=object,
    )
    frame["spend"] = frame["spend"].mask(rng.random(rows) < 0.05, "NA")
    return frame


FIELDS: dict[str, dict[str, Any]] = {
    "id": {"type": "integer"},
    "visits": {"type": "integer", "constraints": {"required": True, "minimum": 0}},
    "spend": {"type": "number", "constraints": {"minimum": 0, "maximum": 500}},
    "plan": {"type": "string", "constraints": {"enum": ["basic", "plus", "pro", "gone"]}},
    "senior": {"type": "integer", "constraints": {"enum": [0, 1]}},
    "paperless": {"type": "boolean"},
    "noise": {"type": "number"},
    "colour": {"type": "string", "constraints": {"enum": ["red", "green", "blue"]}},
    "constant": {"type": "number"},
    "only": {"type": "string", "constraints": {"enum": ["same"]}},
    "left": {"type": "string", "constraints": YES_NO},
}


def schema(*names: str, key: str | list[str] | None = None) -> dict[str, Any]:
    fields = [{"name": name} | FIELDS[name] for name in (*names, "left")]
    fields = [f | {"constraints": {}} if key and f["name"] in key else f for f in fields]
    document = {
        "fields": fields,
        "missingValues": ["", "NA"],
        "target": {"field": "left", "positive": "yes"},
    }
    return document | ({"primaryKey": key} if key else {})


ALL = schema(*(name for name in FIELDS if name != "left"), key="id")


def effects(document: dict[str, Any], a: pd.DataFrame, b: pd.DataFrame) -> dict[str, float]:
    """The distance of each feature in two tables, as drift detection measures it."""
    parsed = Schema(document)
    found = {}
    for feature in parsed.features:
        codes = [np.nan_to_num(feature.codes(f[feature.name].tolist()), nan=-9) for f in (a, b)]
        if isinstance(feature, Categorical):
            shares = [pd.Series(c).value_counts(normalize=True) for c in codes]
            found[feature.name] = float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
        else:
            found[feature.name] = float(stats.ks_2samp(*codes).statistic)
    return found


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), rows=st.integers(0, 80))
def test_whatever_is_made_fits_the_schema_and_keeps_the_rest_of_each_customer(
    seed: int, rows: int
) -> None:
    frame = table(seed % 7)
    drawn = ordinary(frame, ALL, rows=rows, seed=seed)
    made, names = shifted(frame, ALL, rows=rows, seed=seed)
    assert len(made) == rows
    assert list(made) == list(frame)
    for result in (drawn, made):
        History.of({"made": result}).labelled(Schema(ALL))  # raises where a row does not fit
    kept = [name for name in frame if name not in names]
    pd.testing.assert_frame_equal(made[kept], drawn[kept])
    assert ((made == "NA") == (drawn == "NA")).to_numpy().all()


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), other=st.integers(0, 10**6))
def test_each_customer_has_a_key_that_nobody_else_has(seed: int, other: int) -> None:
    frame = table(1)
    taken = [*frame["id"], *ordinary(frame, ALL, rows=30, seed=seed)["id"]]
    if other != seed:
        taken += shifted(frame, ALL, rows=30, seed=other)[0]["id"].tolist()
    assert len(set(taken)) == len(taken)
    assert all(key.isdecimal() for key in taken)


def test_the_same_seed_makes_the_same_customers() -> None:
    first, again = (shifted(table(1), ALL, rows=300, seed=5)[0] for _ in range(2))
    pd.testing.assert_frame_equal(first, again)


def test_drawing_changes_nothing_in_the_table() -> None:
    frame = table(1)
    before = frame.copy(deep=True)
    shifted(frame, ALL, rows=300, seed=5)
    pd.testing.assert_frame_equal(frame, before)


def test_the_features_that_tell_who_leaves_move_and_no_others() -> None:
    frame = table(1)
    made, names = shifted(frame, ALL, rows=4_000, seed=5)
    found = effects(ALL, frame, made)
    assert set(names) <= {"visits", "spend", "plan", "senior", "paperless"}
    assert len(names) == 4  # half of nine
    assert all(found[name] >= 0.4 for name in names), found
    assert all(effect < 0.06 for name, effect in found.items() if name not in names), found


@pytest.mark.parametrize(("name", "direction"), [("visits", -1), ("spend", 1)])
def test_numbers_move_to_where_the_churners_are_and_keep_their_order(
    name: str, direction: int
) -> None:
    frame, document = table(1), schema(name)
    drawn = pd.to_numeric(ordinary(frame, document, rows=900, seed=3)[name], errors="coerce")
    made, names = shifted(frame, document, rows=900, seed=3)
    moved = pd.to_numeric(made[name], errors="coerce")
    assert names == (name,)
    assert effects(document, frame, made)[name] >= 0.45
    assert direction * (moved.mean() - drawn.mean()) > 0
    assert moved.corr(drawn, method="spearman") > 0.8
    assert set(made[name]) <= set(frame[name])


def test_categories_take_the_level_whose_customers_leave_most() -> None:
    made, names = shifted(table(1), schema("plan", "colour"), rows=2_000, seed=3)
    assert names == ("plan",)
    assert (made["plan"] == "basic").mean() > 0.95


def test_a_level_that_hardly_anyone_has_is_not_the_riskiest() -> None:
    frame = table(1)
    few = frame.index[frame["left"] == "yes"][:3]
    frame.loc[few, "plan"] = "gone"
    made, _ = shifted(frame, schema("plan", "colour"), rows=500, seed=3)
    assert (made["plan"] == "basic").mean() > 0.9


@pytest.mark.parametrize(
    ("names", "shiftable"),
    [
        (("visits", "spend", "noise"), {"visits", "spend"}),
        (("plan", "senior", "paperless", "colour"), {"plan", "senior", "paperless"}),
        (("paperless",), {"paperless"}),
        (("senior",), {"senior"}),
    ],
    ids=["all numeric", "all categorical", "one boolean", "one integer category"],
)
def test_tables_of_one_kind_and_without_a_key_are_shifted_too(
    names: tuple[str, ...], shiftable: set[str]
) -> None:
    document = schema(*names)
    made, found = shifted(table(1), document, rows=200, seed=3)
    assert len(found) == max(1, len(names) // 2)
    assert set(found) <= shiftable
    History.of({"made": made}).labelled(Schema(document))


@pytest.mark.parametrize("outcome", ["yes", "no"])
def test_nothing_moves_where_all_have_the_same_outcome(outcome: str) -> None:
    frame = table(1).assign(left=outcome)
    assert shifted(frame, ALL, rows=50, seed=3)[1] == ()


def test_what_never_varies_or_is_always_missing_cannot_be_shifted() -> None:
    frame = table(1).assign(spend="NA")
    document = schema("constant", "only", "spend")
    made, names = shifted(frame, document, rows=50, seed=3)
    assert names == ()
    assert set(made["spend"]) == {"NA"}


def test_a_key_of_several_text_fields_stays_one() -> None:
    document = schema("plan", "colour", "visits", key=["plan", "colour"])
    made = ordinary(table(1), document, rows=300, seed=3)
    assert not made[["plan", "colour"]].duplicated().any()


@pytest.fixture(scope="module")
def telco() -> pd.DataFrame:
    path = Path(os.environ.get("EVERGREEN_TELCO_CSV", ROOT / "../shared/data/telco.csv"))
    if not path.is_file():
        missing = f"no Telco table: neither EVERGREEN_TELCO_CSV nor {path} is a file"
        (pytest.fail if os.environ.get("EVERGREEN_REQUIRE_ALL") else pytest.skip)(missing)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_every_row_of_telco_fits_its_schema(telco: pd.DataFrame) -> None:
    labelled = History.of({"telco": telco}).labelled(Schema(TELCO))
    assert np.isnan(labelled.matrix).sum() == 11
    assert np.isnan(labelled.matrix[:, -1]).sum() == 11


def test_telco_shifts_to_dear_new_monthly_fibre_customers_without_extras(
    telco: pd.DataFrame,
) -> None:
    made, names = shifted(telco, TELCO, rows=2_000, seed=5)
    assert {"tenure", "Contract", "InternetService", "MonthlyCharges"} <= set(names)
    for name, level in {
        "Contract": "Month-to-month",
        "InternetService": "Fiber optic",
        "OnlineSecurity": "No",
        "OnlineBackup": "No",
        "DeviceProtection": "No",
        "TechSupport": "No",
    }.items():
        assert (made[name] == level).mean() > 0.9
    assert made["tenure"].astype(int).median() < 12 < telco["tenure"].astype(int).median()
    assert made["MonthlyCharges"].astype(float).median() > 85


def test_telco_half_shifted_differs_in_the_shifted_features_alone(telco: pd.DataFrame) -> None:
    made, names = shifted(telco, TELCO, rows=2_000, seed=5)
    recent = pd.concat([ordinary(telco, TELCO, rows=2_000, seed=4), made])
    found = effects(TELCO, telco, recent)
    assert not recent["customerID"].duplicated().any()
    assert all(found[name] >= 0.15 for name in names), found
    assert all(effect < 0.1 for name, effect in found.items() if name not in names), found
