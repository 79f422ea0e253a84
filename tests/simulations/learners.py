"""What each kind of model is worth, by cross-validation: why these learners, with these numbers.

    python -m tests.simulations.learners [telco.csv]        (`make simulate-learners`)

Each row of the tables is a learner: those that a training tries, a boosted additive model, which
a training does not try, and the plain logistic regression. Log loss is in nats, `more` by how much
it is above the best one's and `error` the standard error of that; `chance` is the calibration error
of a model whose every probability is right. Seconds are the processor's, for one fit.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.learning.history import History
from evergreen.models.learners import Floats, Labels, Learner, learners
from evergreen.models.pipelines import SEED, fit, rivals
from evergreen.statistics.comparison import losses
from evergreen.statistics.evaluation import calibration_error, calibration_error_by_chance
from local.demo.source import find
from tests.benchmarks.training import FOLDS, folds, generated

Fit = Callable[[Matrix, Labels], Pipeline]


def additive(
    columns: Matrix, churned: Labels, weights: Floats | None
) -> HistGradientBoostingClassifier:
    """Boost trees that each ask about one column, as an explainable boosting machine does."""
    classifier = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=300,
        max_leaf_nodes=3,
        min_samples_leaf=40,
        max_features=0.3,
        l2_regularization=5.0,
        interaction_cst="no_interactions",
        early_stopping=False,
        random_state=SEED,
    )
    return classifier.fit(columns, churned, sample_weight=weights)


def kinds(schema: Schema, rows: int) -> dict[str, Fit]:
    """Name the ways to fit a model."""
    tried = [*learners(rows), Learner("additive", (additive,))]
    plain = rivals(schema)["logistic_regression"]
    return {each.name: partial(each.fit, schema) for each in tried} | {
        "logistic": partial(fit, plain)
    }


def compare(name: str, schema: Schema, matrix: Matrix, churned: Labels, repeats: int) -> None:
    """Cross-validate all learners on some customers, and print the table."""
    fits = kinds(schema, len(churned) * (FOLDS - 1) // FOLDS)
    scores = {kind: np.empty((repeats, len(churned))) for kind in fits}
    seconds = dict.fromkeys(fits, 0.0)
    trees = dict.fromkeys(fits, 0)
    for repeat in range(repeats):
        for learned, fold in folds(churned, repeat):
            for kind, learn in fits.items():
                started = process_time()
                pipeline = learn(matrix[learned], churned[learned])
                seconds[kind] += process_time() - started
                scores[kind][repeat, fold] = expit(pipeline.decision_function(matrix[fold]))
                trees[kind] = len(getattr(pipeline[-1], "_predictors", ()))

    each = {kind: _losses(churned, answers) for kind, answers in scores.items()}
    best = min(each.values(), key=np.mean)
    print(f"{name}: {len(churned):,} customers, {repeats} x {FOLDS} folds\n")
    print(
        "| learner | ROC AUC | log loss | more | error | calibration | chance | trees | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for kind, answers in scores.items():
        auc = np.mean(
            [
                roc_auc_score(churned[fold], answers[repeat, fold])
                for repeat in range(repeats)
                for _, fold in folds(churned, repeat)
            ]
        )
        more = each[kind] - best
        error = np.mean([calibration_error(churned, some) for some in answers])
        chance = np.mean([calibration_error_by_chance(some) for some in answers])
        print(
            f"| {kind} | {auc:.4f} | {each[kind].mean():.4f} | {more.mean():.4f}"
            f" | {more.std() / np.sqrt(len(more)):.4f} | {error:.4f} | {chance:.4f}"
            f" | {trees[kind]} | {seconds[kind] / repeats / FOLDS:.2f} |",
            flush=True,
        )
    print()


def _losses(churned: Labels, answers: Floats) -> npt.NDArray[np.float64]:
    """Return each customer's mean loss."""
    return np.mean([losses(churned, some) for some in answers], axis=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each set of customers."""
    parser = argparse.ArgumentParser(description="Compare kinds of models.")
    parser.add_argument("telco", nargs="?", type=Path, help="the Telco table, if it is here")
    parser.add_argument("--repeats", type=int, default=5, help="of five folds (default: 5)")
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[1_000, 7_000, 50_000], help="generated customers"
    )
    asked = parser.parse_args(arguments)
    if asked.telco and not asked.telco.is_file():
        parser.error(f"{asked.telco} is no file")
    with threadpool_limits(1):
        if asked.telco:
            source = find(asked.telco, None)
            labelled = History.of({"telco": source.history()}).labelled(source.schema)
            compare("Telco", source.schema, labelled.matrix, labelled.churned, asked.repeats)
        for rows in asked.rows:
            repeats = asked.repeats if rows <= 10_000 else 1
            compare("generated", *generated(rows), repeats)


if __name__ == "__main__":
    sys.exit(main())
