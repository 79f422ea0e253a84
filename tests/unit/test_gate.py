"""The gate on a real champion and challengers that are made up: the champion's answers, moved."""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.learning.cohort import Cohort
from evergreen.jobs.learning.gate import MARGIN, Decision, Gate
from evergreen.jobs.learning.history import History
from evergreen.models.artifact import Artifact
from evergreen.models.reference import Reference
from evergreen.models.training import Trained
from evergreen.settings import Thresholds
from evergreen.statistics.comparison import losses
from local.demo.customers import customers


@dataclass(frozen=True)
class Moved:
    """A graph whose answers are another's, moved by log odds: all of them, and each by chance."""

    graph: Any
    by: float = 0.0
    steps: tuple[int, ...] = ()
    """Seeds, by each of which every customer's log odds are moved by chance, by 0.2 or so."""

    def probabilities(self, matrix: Matrix) -> Any:
        answers = self.graph.probabilities(matrix).astype(np.float64)
        odds = special.logit(np.clip(answers, 1e-6, 1 - 1e-6)) + self.by
        values = np.nan_to_num(matrix.astype(np.float64))
        for step in self.steps:  # by chance, but the same whenever the customer is asked
            direction = np.random.default_rng(step).normal(size=matrix.shape[1])
            odds = odds + 0.2 * np.sqrt(2) * np.sin(1_000 * (values @ direction))
        return special.expit(odds)


@dataclass(frozen=True)
class Failing:
    """A graph whose answers are another's, but wrong for the customers of one level."""

    graph: Any
    feature: int
    level: int

    def probabilities(self, matrix: Matrix) -> Any:
        who = matrix[:, self.feature] == self.level
        return np.where(
            who, Moved(self.graph, 2.0).probabilities(matrix), self.graph.probabilities(matrix)
        )


@pytest.fixture(scope="module")
def reference(version: Artifact) -> Reference:
    return Reference.load(version)


@pytest.fixture(scope="module")
def grown(schema: Schema, frame: pd.DataFrame, cohort: Cohort) -> Cohort:
    """The champion's customers, and 8,000 more of the same."""
    more = customers(8_000, seed=5)
    return History.of({"history": frame, "new": more}).cohort(schema, cohort.known)


def moved(
    reference: Reference, name: str, by: float = 0.0, steps: tuple[int, ...] = ()
) -> Reference:
    manifest = replace(reference.manifest, version=name)
    graph: Any = Moved(reference.graph, by, steps)
    return replace(reference, manifest=manifest, graph=graph)


def judged(
    gate: Gate, schema: Schema, cohort: Cohort, trained: Trained, challenger: Reference
) -> Decision:
    """What the gate says of a challenger that answers as a reference does."""
    held_out = cohort.encode(schema, cohort.labelled.held_out)
    scores = np.asarray(challenger.probabilities(held_out), dtype=np.float64)
    return gate.judge(schema, cohort, replace(trained, scores=scores), withdrawn=False)


@pytest.fixture(scope="module")
def months(schema: Schema, frame: pd.DataFrame, cohort: Cohort) -> list[Cohort]:
    """The champion's customers, each time with 3,000 others of the same kind."""
    return [
        History.of({"history": frame, "new": customers(3_000, seed=70 + month)}).cohort(
            schema, cohort.known
        )
        for month in range(10)
    ]


def lost_by_small_steps(
    reference: Reference,
    schema: Schema,
    months: list[Cohort],
    trained: Trained,
    *,
    anchored: bool,
) -> float:
    """Promote what the gate promotes of challengers that are all a little worse; sum up the loss.

    Each moves every customer's log odds by chance, which costs some 0.003 nats, and the 800 whom
    it is judged on do not show that.
    """
    champion = best = moved(reference, "first")
    for month, cohort in enumerate(months):
        steps = (*champion.graph.steps, month)  # type: ignore[attr-defined]
        challenger = moved(reference, f"month {month}", steps=steps)
        anchor = best if anchored and best is not champion else None
        gate = Gate(champion, anchor, Thresholds())
        decision = judged(gate, schema, cohort, trained, challenger)
        if decision.promoted:
            champion = challenger
            best = best if decision.anchor else challenger
    lost = [
        losses(c.labelled.churned, champion.probabilities(c.labelled.matrix))
        - losses(c.labelled.churned, reference.probabilities(c.labelled.matrix))
        for c in months
    ]
    return float(np.concatenate(lost).mean())


def test_small_losses_do_not_add_up(
    reference: Reference, schema: Schema, months: list[Cohort], trained: Trained
) -> None:
    everything = (reference, schema, months, trained)
    assert lost_by_small_steps(*everything, anchored=False) > 1.5 * MARGIN
    assert lost_by_small_steps(*everything, anchored=True) < MARGIN


def test_who_is_a_little_worse_is_not_the_best(
    reference: Reference, schema: Schema, grown: Cohort, trained: Trained
) -> None:
    gate = Gate(reference, None, Thresholds())
    decision = judged(gate, schema, grown, trained, moved(reference, "other", steps=(0,)))
    assert decision.comparison
    assert decision.comparison["excess"] > 0
    assert decision.anchor == reference.version


def test_who_beats_the_best_is_the_next_measure(
    reference: Reference, schema: Schema, grown: Cohort, trained: Trained
) -> None:
    worse = moved(reference, "worse", -0.35)
    decision = judged(Gate(worse, None, Thresholds()), schema, grown, trained, reference)
    assert (decision.promoted, decision.anchor) == (True, None)
    assert decision.reason.startswith("better than worse on ")


def test_a_worse_challenger_is_kept(
    reference: Reference, schema: Schema, grown: Cohort, trained: Trained
) -> None:
    gate = Gate(reference, None, Thresholds())
    decision = judged(gate, schema, grown, trained, moved(reference, "worse", -0.35))
    assert not decision.promoted
    assert decision.reason.startswith(f"worse than {reference.version} on ")


def test_what_is_unlearned_of_the_same_customers_is_kept(
    reference: Reference, schema: Schema, grown: Cohort, trained: Trained
) -> None:
    gate = Gate(reference, None, Thresholds())
    decision = judged(gate, schema, grown, trained, moved(reference, "other", 1.2))
    assert (decision.promoted, decision.waits) == (False, False)
    assert decision.reason.startswith("it unlearns what was known")
    assert decision.known


def test_the_numbers_say_what_so_many_customers_show(
    reference: Reference, schema: Schema, grown: Cohort, trained: Trained
) -> None:
    gate = Gate(reference, None, Thresholds())
    decision = judged(gate, schema, grown, trained, moved(reference, "second", 0.25))
    assert decision.comparison
    assert decision.comparison["customers"] == int(
        (grown.labelled.held_out & (grown.fresh | grown.known_held_out)).sum()
    )
    # moving by 0.25 changes each loss by 0.25 |y - p|: a deviation of about 0.1 over 1,800
    assert decision.comparison["detects"] == pytest.approx(2.487 * 0.1 / np.sqrt(1_800), rel=0.25)


def test_too_few_held_out_customers_are_no_comparison(
    reference: Reference, schema: Schema, cohort: Cohort, trained: Trained
) -> None:
    few = History.of({"new": customers(300, seed=6)}).cohort(schema, cohort.known)
    decision = judged(Gate(reference, None, Thresholds()), schema, few, trained, reference)
    assert not decision.promoted
    assert "too few to compare" in decision.reason


def test_where_money_is_stated_what_both_would_bring_is_told(
    reference: Reference, schema: Schema, grown: Cohort, trained: Trained
) -> None:
    document = json.loads(json.dumps(schema.document))
    document["target"]["value"] = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}
    gate = Gate(reference, None, Thresholds())
    told = judged(gate, Schema(document), grown, trained, moved(reference, "same")).profit
    assert told is not None
    assert told["challenger"] == pytest.approx(told["champion"])
    assert told["champion"]["expected_maximum"] > 0
    worse = judged(gate, Schema(document), grown, trained, moved(reference, "worse", 0.0, (1, 2)))
    assert worse.profit is not None
    assert (
        worse.profit["challenger"]["expected_maximum"]
        < worse.profit["champion"]["expected_maximum"]
    )
    assert judged(gate, schema, grown, trained, moved(reference, "same")).profit is None


def test_who_is_better_but_fails_the_customers_of_a_category_waits_for_a_person(
    reference: Reference, schema: Schema, grown: Cohort, trained: Trained
) -> None:
    contract = schema.feature_names.index("contract")
    level = schema.features[contract].codes(["two-year"])[0]
    failing: Any = Failing(reference.graph, contract, int(level))
    gate = Gate(moved(reference, "worse", -1.5), None, Thresholds())
    decision = judged(gate, schema, grown, trained, replace(reference, graph=failing))
    assert decision.slices
    assert (decision.slices[0]["level"], decision.slices[0]["worse"]) == ("two-year", True)
    assert (decision.promoted, decision.waits) == (False, True)
    assert "it is worse on contract = two-year (" in decision.reason
    assert "(better than worse on " in decision.reason
