"""What the gate lets through: honest files, changed markets, wrong outcomes.

    python -m tests.simulations.gate        (`make simulate-gate`)

A champion has learned from 5,000 customers. Files of new ones come, honest or wrong in a known way.
First table: how often a file is set aside. Second: for files that are not, how often what learned
from them is promoted, how often it is kept because it fails the customers of a category, and what
it does to the ROC AUC on honest customers of the same market.
Third: the smallest true difference that the gate shows in four cases of five, by how many
held-out customers there are.
"""

import argparse
import sys
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from rich.console import Console
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from evergreen.customers.schema import Schema
from evergreen.jobs.learning.gate import Gate
from evergreen.jobs.learning.history import History
from evergreen.models import artifact, training
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.known import Known
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.statistics.comparison import compare
from local.demo import source
from local.demo.customers import churn_probability, customers

KNOWN = 5_000
SIZES = (100, 300, 1_500)

Scenario = Callable[[int, int], pd.DataFrame]


def honest(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Customers as they are."""
    return customers(rows, seed=seed, shift=shift)


def moved(rows: int, seed: int, by: float) -> pd.DataFrame:
    """The same customers, of whom more or fewer leave: the log odds are moved."""
    frame = customers(rows, seed=seed)
    odds = np.log(1 / churn_probability(frame) - 1) - by
    churned = np.random.default_rng([seed, 2]).random(rows) < 1 / (1 + np.exp(odds))
    return frame.assign(churned=np.where(churned, "yes", "no"))


def flipped(rows: int, seed: int, share: float, shift: float = 0.0) -> pd.DataFrame:
    """Outcomes exchanged for a share of the customers."""
    frame = customers(rows, seed=seed, shift=shift)
    wrong = np.random.default_rng([seed, 3]).random(rows) < share
    exchanged = frame["churned"].map({"yes": "no", "no": "yes"})
    return frame.assign(churned=frame["churned"].mask(wrong, exchanged))


def shuffled(rows: int, seed: int) -> pd.DataFrame:
    """Outcomes that slipped to other rows."""
    frame = customers(rows, seed=seed)
    return frame.assign(churned=np.random.default_rng([seed, 4]).permutation(frame["churned"]))


def filled(rows: int, seed: int) -> pd.DataFrame:
    """An export that fills in "yes" for nine customers of ten."""
    frame = customers(rows, seed=seed)
    wrong = np.random.default_rng([seed, 5]).random(rows) < 0.9
    return frame.assign(churned=frame["churned"].mask(wrong, "yes"))


def branch(rows: int, seed: int, share: float) -> pd.DataFrame:
    """Outcomes exchanged for a share of one category's customers: a branch that codes them so."""
    frame, other = customers(rows, seed=seed), flipped(rows, seed, share)
    of_branch = frame["contract"] == "two-year"
    return frame.assign(churned=frame["churned"].mask(of_branch, other["churned"]))


HONEST: dict[str, Scenario] = {
    "more of the same": honest,
    "half as many leave": lambda rows, seed: moved(rows, seed, -0.9),
    "twice as many leave": lambda rows, seed: moved(rows, seed, 1.4),
    "the market has half changed": lambda rows, seed: honest(rows, seed, 0.5),
    "the market has changed": lambda rows, seed: honest(rows, seed, 1.0),
}
WRONG: dict[str, Scenario] = {
    "outcomes swapped": lambda rows, seed: flipped(rows, seed, 1.0),
    "outcomes swapped in a changed market": lambda rows, seed: flipped(rows, seed, 1.0, 1.0),
    "outcomes of other rows": shuffled,
    "nine of ten filled in": filled,
    "half swapped": lambda rows, seed: flipped(rows, seed, 0.5),
    "a third swapped": lambda rows, seed: flipped(rows, seed, 0.33),
    "those of one category swapped": lambda rows, seed: branch(rows, seed, 1.0),
    "a third of one category's swapped": lambda rows, seed: branch(rows, seed, 0.33),
    "a tenth swapped": lambda rows, seed: flipped(rows, seed, 0.1),
}
MARKET = {"the market has half changed": 0.5, "the market has changed": 1.0}
"""How far the market has changed where an honest file is from; else it has not."""


def champion(schema: Schema, known: pd.DataFrame) -> tuple[Gate, Known]:
    """Train a champion, and make it the measure."""
    cohort = History.of({"known": known}).cohort(schema)
    trained = training.train(schema, cohort.labelled)
    files = training.version_files(schema, cohort.labelled, trained)
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    manifest = Manifest("champion", "", None, "manual", "", {}, {}, {}, hashes)
    return Gate(Reference.load(Artifact(manifest, files)), None, Thresholds()), cohort.known


def suspicion(gate: Gate, schema: Schema, scenario: Scenario, rows: int, times: int) -> float:
    """How often a file is set aside."""
    files = (scenario(rows, 1_000 + n) for n in range(times))
    found = [bool(gate.suspicions(History.of({"new": f}).cohort(schema))) for f in files]
    return float(np.mean(found))


def promotion(
    gate: Gate, known: Known, schema: Schema, frame: pd.DataFrame, new: pd.DataFrame, shift: float
) -> tuple[bool, bool, bool, float, float]:
    """Whether a file is set aside, else its challenger promoted, else kept for a category's sake;
    ROC AUC before and after.
    """
    cohort = History.of({"known": frame, "new": new}).cohort(schema, known)
    ahead = History.of({"": customers(3_000, seed=3_000, shift=shift)}).labelled(schema)
    before = float(roc_auc_score(ahead.churned, gate.champion.probabilities(ahead.matrix)))
    if gate.suspicions(cohort):
        return True, False, False, before, before
    trained = training.train(schema, cohort.labelled)
    decision = gate.judge(schema, cohort, trained, withdrawn=False)
    if not decision.promoted:
        return False, False, "it is worse on" in decision.reason, before, before
    after = trained.pipeline.predict_proba(ahead.matrix)[:, 1]
    return False, True, False, before, float(roc_auc_score(ahead.churned, after))


def power(gate: Gate, schema: Schema, known: pd.DataFrame) -> dict[int, float]:
    """What the comparison detects, by how many customers it rests on."""
    more = pd.concat([known, customers(2_500, seed=7)])
    trained = training.train(schema, History.of({"more": more}).labelled(schema))
    judged = History.of({"": customers(20_000, seed=8)}).labelled(schema)
    theirs = gate.champion.probabilities(judged.matrix)
    ours = trained.pipeline.predict_proba(judged.matrix)[:, 1]
    return {
        n: compare(judged.churned[:n], theirs[:n], ours[:n]).detects
        for n in (100, 300, 1_000, 3_000, 20_000)
    }


def main() -> int:
    """Simulate, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50, help="files for each cell")
    parser.add_argument("--trainings", type=int, default=2, help="trainings for each line")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    told, schema = Console(soft_wrap=True), source.find(None, None).schema
    with threadpool_limits(1):
        known = customers(KNOWN, seed=1)
        gate, rows_known = champion(schema, known)
        told.print(
            "| files that are set aside | " + " | ".join(f"{n:,} rows" for n in SIZES) + " |"
        )
        told.print("| --- " * (len(SIZES) + 1) + "|")
        for name, scenario in (HONEST | WRONG).items():
            shares = [suspicion(gate, schema, scenario, n, asked.times) for n in SIZES]
            told.print(f"| {name} | " + " | ".join(f"{share:.0%}" for share in shares) + " |")
        told.print(
            "\n| 1,500 rows | set aside | promoted | kept for a category | ROC AUC before | after |"
        )
        told.print("| --- | --- | --- | --- | --- | --- |")
        for name, scenario in (HONEST | WRONG).items():
            shift = MARKET.get(name, 0.0)
            found = [
                promotion(gate, rows_known, schema, known, scenario(1_500, 2_000 + n), shift)
                for n in range(asked.trainings)
            ]
            *shares, before, after = np.mean(np.array(found, dtype=float), axis=0)
            told.print(
                f"| {name} | {' | '.join(f'{share:.0%}' for share in shares)}"
                f" | {before:.3f} | {after:.3f} |"
            )
        told.print("\n| held-out customers | detects a difference of (nats) |\n| --- | --- |")
        for n, detects in power(gate, schema, known).items():
            told.print(f"| {n:,} | {detects:.4f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
