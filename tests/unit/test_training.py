"""Tables that are awkward to learn from."""

import json
import re
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
import pytest

from evergreen.customers.schema import Matrix, Schema
from evergreen.errors import InputError, ParityError
from evergreen.jobs.learning.history import History
from evergreen.models import artifact, learning, training
from evergreen.models.answers import rounded
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.calibration import NONE, Calibration
from evergreen.models.candidates import Search
from evergreen.models.forest import Forest
from evergreen.models.golden import Golden, Probabilities
from evergreen.models.graph import Graph
from evergreen.models.model import Model
from evergreen.models.training import Labelled, Trained
from evergreen.statistics.baseline import Baseline


@pytest.fixture(scope="module")
def few(schema: Schema, frame: pd.DataFrame) -> Labelled:
    return History.of({"h": frame.head(600)}).labelled(schema)


def simple(values: npt.NDArray[np.float64], churned: npt.NDArray[np.bool_]) -> Labelled:
    """Customers of whom one number is known; every fifth is held out."""
    number = np.arange(len(churned))
    return Labelled(
        matrix=values.astype(np.float32)[:, np.newaxis],
        churned=churned,
        held_out=number % 5 == 0,
        recent=np.ones_like(churned),
        age=np.zeros(len(churned)),
    )


SIMPLE = Schema(
    {
        "fields": [{"name": "x", "type": "number"}, {"name": "y", "constraints": {"enum": [0, 1]}}],
        "target": {"field": "y", "positive": "1"},
    }
)


def without(labelled: Labelled, schema: Schema, name: str, keep: int = 0) -> Labelled:
    """The same customers, a field known of the first `keep` of them only."""
    matrix = labelled.matrix.copy()
    matrix[keep:, schema.feature_names.index(name)] = np.nan
    return replace(labelled, matrix=matrix)


@pytest.mark.parametrize("name", ["satisfaction", "region"])
@pytest.mark.parametrize("keep", [0, 1, 8])
def test_a_field_of_which_next_to_nothing_is_known_is_no_obstacle(
    few: Labelled, schema: Schema, name: str, keep: int
) -> None:
    sparse = without(few, schema, name, keep)
    trained = training.train(schema, sparse)
    assert training.version_files(schema, sparse, trained)
    assert trained.metrics["importance"][name] == pytest.approx(0, abs=0.01)


def test_a_field_that_is_the_same_for_everyone_is_no_obstacle(
    few: Labelled, schema: Schema
) -> None:
    matrix = few.matrix.copy()
    matrix[:, [schema.feature_names.index(n) for n in ("monthly_fee", "contract")]] = 1
    trained = training.train(schema, replace(few, matrix=matrix))
    assert trained.metrics["importance"]["contract"] == 0


def test_what_cannot_be_learned_has_no_importance_at_all(few: Labelled, schema: Schema) -> None:
    constant = replace(few, matrix=np.ones_like(few.matrix))
    trained = training.train(schema, constant)
    assert set(trained.metrics["importance"].values()) == {0.0}
    assert trained.metrics["held_out"]["roc_auc"] == 0.5


def test_features_of_held_out_rows_are_not_learned_from(few: Labelled, schema: Schema) -> None:
    other = few.matrix.copy()
    other[few.held_out] = np.random.default_rng(0).permutation(other[few.held_out])
    made = [
        training.version_files(schema, rows, training.train(schema, rows))[artifact.ONNX]
        for rows in (few, replace(few, matrix=other))
    ]
    assert made[0] == made[1]


def test_held_out_rows_of_one_outcome_are_not_enough(few: Labelled, schema: Schema) -> None:
    with pytest.raises(InputError, match="too few"):
        training.train(schema, replace(few, held_out=~few.churned & few.held_out))


def test_held_out_rows_are_judged_by_the_recent_ones_where_these_have_both_outcomes(
    labelled: Labelled,
) -> None:
    first = np.arange(1_000) < 500
    assert (replace(labelled, recent=first).judged == (labelled.held_out & first)).all()
    stayed = replace(labelled, recent=first & ~labelled.churned)
    assert (stayed.judged == labelled.held_out).all()


def test_churn_of_one_in_a_thousand_can_be_learned() -> None:
    rng = np.random.default_rng(0)
    x, churned = rng.normal(size=100_000), np.zeros(100_000, np.bool_)
    churned[np.argsort(-(x + rng.normal(size=100_000)))[:100]] = True
    rare = simple(x, churned)
    trained = training.train(SIMPLE, rare)
    assert training.version_files(SIMPLE, rare, trained)
    held_out = trained.metrics["held_out"]
    # learned from some 80 who churned, so the rate is known to 1.1e-4, of which this is thrice
    assert held_out["mean_predicted"] == pytest.approx(0.001, abs=3.4e-4)
    assert held_out["roc_auc"] > 0.9
    assert trained.metrics["importance"] == {"x": 1.0}


def test_the_fewest_customers_of_one_outcome_that_are_enough_are_enough() -> None:
    rng = np.random.default_rng(0)
    churned = np.zeros(1_000, np.bool_)
    churned[rng.permutation(1_000)[:20]] = True
    rows = simple(rng.normal(size=1_000), churned)
    trained = training.train(SIMPLE, rows)
    assert training.version_files(SIMPLE, rows, trained)
    assert trained.metrics["held_out"]["churn_rate"] == rows.churned[rows.held_out].mean()


@pytest.mark.parametrize("learned", [0, 1, 2])
def test_next_to_none_of_one_outcome_among_those_learned_from_is_not_enough(learned: int) -> None:
    number = np.arange(1_000)
    churned = (number % 5 == 0) | (number % 5 == 1) & (number < 5 * learned)
    with pytest.raises(InputError, match="too few to learn from"):
        training.train(SIMPLE, simple(np.zeros(1_000), churned))


def test_an_export_that_answers_otherwise_is_not_let_through(
    few: Labelled, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Graph, "probabilities", lambda self, matrix: np.full(len(matrix), 0.5))
    with pytest.raises(ParityError):
        training.train(schema, few)


def test_tables_that_answer_otherwise_are_not_let_through(
    few: Labelled, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(self: Forest, matrix: Matrix) -> Probabilities:
        return answered(self, matrix) + np.float32(2e-6)

    answered = Forest.probabilities
    monkeypatch.setattr(Forest, "probabilities", other)
    with pytest.raises(ParityError, match="as tables"):
        training.train(schema, few)


def leveled(levels: int) -> Schema:
    fields = [
        {"name": "c", "constraints": {"enum": list(range(levels))}},
        {"name": "x", "type": "number"},
        {"name": "y", "constraints": {"enum": [0, 1]}},
    ]
    return Schema({"fields": fields, "target": {"field": "y", "positive": "1"}})


def customers_of_levels(levels: int, rows: int) -> Labelled:
    """Customers of whom the level decides a lot, and the number nothing."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, levels, rows)
    churned = rng.random(rows) < np.where(rng.random(levels) < 0.3, 0.8, 0.1)[codes]
    known = simple(codes.astype(np.float64), churned)
    number = rng.normal(size=rows).astype(np.float32)
    return replace(known, matrix=np.column_stack([known.matrix, number]))


def test_of_thousands_of_levels_each_is_learned_from() -> None:
    schema, rows = leveled(3_000), customers_of_levels(3_000, 30_000)
    started = time.perf_counter()
    trained = training.train(schema, rows)
    assert time.perf_counter() - started < 60
    assert trained.metrics["held_out"]["roc_auc"] > 0.8  # by chance a level's 8 customers mislead
    assert trained.metrics["baselines"]["logistic_regression"]["roc_auc"] > 0.8
    assert trained.metrics["importance"]["c"] > 0.95
    files = training.version_files(schema, rows, trained)
    assert sum(map(len, files.values())) < 2_000_000
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    served = Model.load(Artifact(Manifest("v", "", None, "", "", {}, {}, {}, hashes), files))
    codes = np.array([*range(-1, 3_001), np.nan], np.float32)
    every = np.column_stack([codes, np.zeros_like(codes)])
    expected = trained.pipeline.predict_proba(every)[:, 1]
    assert np.abs(replace(served, forest=None).probabilities(every) - expected).max() <= 1e-6
    assert np.abs(served.probabilities(every) - expected).max() <= 1e-6
    assert expected[0] == expected[-1] == expected[-2]  # unseen, missing, beyond
    assert np.ptp(expected) > 0.5


def test_the_same_customers_of_many_levels_make_the_same_model() -> None:
    schema, rows = leveled(100), customers_of_levels(100, 1_000)
    first, second = training.train(schema, rows), training.train(schema, rows)
    assert first.onnx == second.onnx
    assert first.forest.to_bytes() == second.forest.to_bytes()


@pytest.mark.parametrize(("levels", "encoders"), [(30, {"OneHotEncoder"}), (31, {"LabelEncoder"})])
def test_few_levels_have_columns_of_their_own(levels: int, encoders: set[str]) -> None:
    trained = training.train(leveled(levels), customers_of_levels(levels, 1_000))
    nodes = onnx.load_model_from_string(trained.onnx).graph.node
    assert {n.op_type for n in nodes} & {"OneHotEncoder", "LabelEncoder"} == encoders


@pytest.mark.parametrize("known", [0, 5])
def test_many_levels_of_which_next_to_nothing_is_known_are_no_obstacle(known: int) -> None:
    schema, rows = leveled(200), customers_of_levels(200, 1_000)
    rows.matrix[known:, 0] = np.nan
    trained = training.train(schema, rows)
    assert training.version_files(schema, rows, trained)
    assert trained.metrics["importance"]["c"] == 0


def test_a_level_of_every_customers_own_gives_no_outcome_away() -> None:
    """What is learned from a level is learned from others: who is alone there tells nothing."""
    schema, rows = leveled(1_000), customers_of_levels(30, 1_000)
    rows.matrix[:, 0] = np.arange(1_000)
    trained = training.train(schema, rows)
    assert (
        trained.metrics["held_out"]["log_loss"]
        < 1.1 * trained.metrics["baselines"]["prior"]["log_loss"]
    )


def test_a_version_is_made_of_the_files_that_are_documented(
    labelled: Labelled, schema: Schema, trained: Trained
) -> None:
    more = {artifact.CUSTOMERS: b"hashes"}
    files = training.version_files(schema, labelled, trained, more)
    documented = re.findall(r"^(\S+\.\w+) ", str(artifact.__doc__), re.MULTILINE)
    assert sorted([*files, artifact.CARD, "manifest.json"]) == sorted(documented)
    assert set(artifact.CHAMPION) <= files.keys()
    assert json.loads(files[artifact.SCHEMA]) == schema.document
    assert files[artifact.CUSTOMERS] == b"hashes"
    golden = Golden.parse(files[artifact.GOLDEN])
    assert len(golden.matrix) <= 64


def test_the_baseline_holds_the_recent_customers_and_what_the_held_out_of_them_are_answered(
    labelled: Labelled, schema: Schema, trained: Trained, model: Model
) -> None:
    recent = replace(labelled, recent=np.arange(1_000) >= 400)
    files = training.version_files(schema, recent, trained)
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    served = Model.load(artifact.Artifact(replace(model.manifest, files=hashes), files))
    unseen = labelled.matrix[recent.held_out & recent.recent]
    answers = rounded(served.probabilities(unseen))
    expected = Baseline.of(
        schema.feature_names, schema.categorical.tolist(), labelled.matrix[400:], answers
    )
    assert len(unseen) > 50
    # the same values; the runtime may add up in another order, and round one in thousands otherwise
    found = Baseline.parse(files[artifact.BASELINE])
    assert [c.counts.sum() + c.missing for c in found.features] == [600] * len(schema.features)
    assert all(
        np.array_equal(a.cells, b.cells)
        for a, b in zip(found.features, expected.features, strict=True)
    )
    assert found.score.counts.sum() == len(unseen)
    assert found.score.kolmogorov_smirnov(found.score.count(answers))[0] <= 2 / len(unseen)


def test_where_few_recent_customers_were_held_out_all_held_out_ones_are_the_baseline(
    labelled: Labelled, schema: Schema, trained: Trained
) -> None:
    recent = replace(labelled, recent=np.arange(1_000) >= 950)
    files = training.version_files(schema, recent, trained)
    found = Baseline.parse(files[artifact.BASELINE])
    assert found.score.counts.sum() == labelled.held_out.sum()
    assert found.features[0].counts.sum() + found.features[0].missing == 50


def test_unseen_and_missing_values_of_every_kind_are_answered_as_scikit_learn_does(
    labelled: Labelled, schema: Schema, trained: Trained, model: Model
) -> None:
    rng = np.random.default_rng(0)
    matrix = labelled.matrix.copy()
    matrix[rng.random(matrix.shape) < 0.3] = np.nan
    matrix[:, schema.categorical] = np.where(
        rng.random((len(matrix), schema.categorical.sum())) < 0.3,
        np.float32(-1),
        matrix[:, schema.categorical],
    )
    files = training.version_files(schema, labelled, trained)
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    served = Model.load(artifact.Artifact(replace(model.manifest, files=hashes), files))
    expected = trained.pipeline.predict_proba(matrix)[:, 1]
    assert np.abs(served.probabilities(matrix) - expected).max() <= 1e-5


def test_metrics_say_what_was_tried_and_how_it_did(trained: Trained) -> None:
    told = trained.metrics["learners"]
    assert list(told) == ["splines", "trees", "mean"]
    assert trained.metrics["learner"] in told
    for found in told.values():
        assert found.keys() == {"log_loss", "standard_error", "roc_auc"}
        assert 0.7 < found["roc_auc"] < 1
        assert 0 < found["standard_error"] < found["log_loss"] < 0.6
    many = len(trained.pipeline[-1]._predictors)
    assert (many < 300) == (trained.metrics["learner"] == "splines")


def test_metrics_say_how_reliable_probabilities_are(trained: Trained, labelled: Labelled) -> None:
    found = trained.metrics["calibration"]
    judged = labelled.judged[labelled.held_out]
    assert found["slope"] > 0
    assert sum(row["customers"] for row in found["reliability"]) == judged.sum()
    observed = sum(row["customers"] * row["observed"] for row in found["reliability"])
    assert observed == pytest.approx(labelled.churned[labelled.judged].sum())
    assert 0.02 < found["ece_by_chance"] < 0.08


def test_a_correction_is_part_of_every_form_of_the_model(
    few: Labelled, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}
    for line in (NONE, Calibration(0.5, 1.0)):
        monkeypatch.setattr(learning, "calibrate", lambda *_, line=line: line)
        made[line.slope] = training.train(schema, few)
    plain, corrected = (made[slope].pipeline.decision_function(few.matrix) for slope in (1, 0.5))
    assert corrected == pytest.approx(plain / 2 + 1, abs=1e-4)
    answers = made[0.5].forest.probabilities(few.matrix)
    assert answers == pytest.approx(1 / (1 + np.exp(-corrected)), abs=1e-6)
    assert made[0.5].metrics["calibration"]["slope"] == 0.5
    assert made[0.5].metrics["threshold"] > made[1].metrics["threshold"]


def test_what_a_sample_chose_learns_from_all_and_is_not_corrected(
    few: Labelled, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Search.among
    monkeypatch.setattr(Search, "among", staticmethod(lambda *given: whole(*given, size=200)))
    monkeypatch.setattr(learning, "calibrate", lambda *_: Calibration(0.5, 1.0))
    trained = training.train(schema, few)
    assert trained.metrics["calibration"]["slope"] == 1
    assert trained.metrics["rows"] == (~few.held_out).sum()


def test_where_money_is_stated_the_threshold_is_break_even_and_profit_is_measured(
    schema: Schema, labelled: Labelled
) -> None:
    document = json.loads(json.dumps(schema.document))
    amounts = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}
    document["target"]["value"] = amounts
    found = training.train(Schema(document), labelled).metrics
    assert found["threshold"] == 0.164179
    assert 0 < found["profit"]["at_break_even"] <= 0.3 * 190 * found["held_out"]["churn_rate"]
    assert found["profit"]["expected_maximum"] > 0
    assert "profit" not in training.train(schema, labelled).metrics


def test_the_typical_customer_is_kept(schema: Schema, trained: Trained) -> None:
    usual = trained.metrics["typical"]
    assert len(usual) == len(schema.features)
    assert json.loads(json.dumps(usual)) == usual
