"""What a model can be, the simplest first: splines, boosted trees, and the mean of both.

Each ends as gradient-boosted trees in scikit-learn's own class, whoever grew them, so that there is
one way to export, to serve and to explain. The mean of two models' logits is the trees of both,
each leaf half as high.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.pipeline import Pipeline

from evergreen.customers.schema import Matrix, Schema
from evergreen.models.pipelines import boosted_trees, encoding, known
from evergreen.models.splines import Floats, fit_steps, to_trees

Labels = npt.NDArray[np.bool_]
_MANY_ROWS = 20_000

Fit = Callable[[Matrix, Labels, Floats | None], HistGradientBoostingClassifier]


@dataclass(frozen=True, slots=True)
class Learner:
    """A kind of model: the mean of the parts that are fitted to the same customers."""

    name: str
    parts: tuple[Fit, ...]

    def fit(
        self, schema: Schema, matrix: Matrix, churned: Labels, weights: Floats | None = None
    ) -> Pipeline:
        """Fit a pipeline to customers of shape (rows, features), each of some weight."""
        encoder = encoding(schema)
        columns = encoder.fit_transform(known(matrix), churned)
        trees = mean([part(columns, churned, weights) for part in self.parts])
        return Pipeline([("columns", encoder), ("trees", trees)])


def splines(
    columns: Matrix, churned: Labels, weights: Floats | None
) -> HistGradientBoostingClassifier:
    """Fit a step function of each column."""
    weights = np.ones(len(churned)) if weights is None else weights
    base, steps = fit_steps(columns, churned, weights)
    blank = _blank(columns.shape[1])
    ((empty,),) = blank._predictors
    grown = [
        [TreePredictor(nodes, empty.binned_left_cat_bitsets, empty.raw_left_cat_bitsets)]
        for nodes in to_trees(steps, empty.nodes.dtype)
    ]
    return _of(blank, grown, 1.0, np.full_like(blank._baseline_prediction, base))


def trees(
    columns: Matrix, churned: Labels, weights: Floats | None, *, rate: float
) -> HistGradientBoostingClassifier:
    """Boost small trees on the columns in which customers differ.

    A column that is the same for all would change what is drawn at random, and so the model.
    """
    places = np.flatnonzero((columns != columns[0]).any(axis=0))
    if not len(places):
        places = np.arange(1)
    fitted = boosted_trees(rate, len(places))
    fitted.fit(columns[:, places], churned, sample_weight=weights)
    made = _of(_blank(columns.shape[1]), fitted._predictors, 1.0, fitted._baseline_prediction)
    for (tree,) in made._predictors:
        tree.nodes["feature_idx"] = places[tree.nodes["feature_idx"]]
    return made


def mean(
    models: Sequence[HistGradientBoostingClassifier],
) -> HistGradientBoostingClassifier:
    """Return the model whose logit is the mean of those of others on the same columns."""
    grown = [predictors for model in models for predictors in model._predictors]
    base = np.mean([model._baseline_prediction for model in models], axis=0)
    return _of(models[-1], grown, 1 / len(models), base)


def rescaled(
    model: HistGradientBoostingClassifier, slope: float, shift: float
) -> HistGradientBoostingClassifier:
    """Return the model whose logit is slope · logit + shift."""
    base = slope * model._baseline_prediction + shift
    return _of(model, model._predictors, slope, base)


def _blank(columns: int) -> HistGradientBoostingClassifier:
    """Return a model for so many columns, to be given trees."""
    blank = HistGradientBoostingClassifier(max_iter=1, early_stopping=False)
    return blank.fit(np.zeros((2, columns)), np.array([False, True]))


def _of(
    model: HistGradientBoostingClassifier,
    grown: Sequence[Sequence[TreePredictor]],
    slope: float,
    base: Floats,
) -> HistGradientBoostingClassifier:
    """Return a model like another one, of trees as high as these times the slope."""
    made = copy(model)
    made._predictors = [[_scaled(tree, slope)] for (tree,) in grown]
    made._baseline_prediction = base
    return made


def _scaled(tree: TreePredictor, slope: float) -> TreePredictor:
    nodes = tree.nodes.copy()
    nodes["value"] *= slope
    return TreePredictor(nodes, tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets)


SPLINES = Learner("splines", (splines,))
"""The simplest, and the quickest by far."""


def learners(rows: int) -> tuple[Learner, ...]:
    """Name what is tried where there are so many rows to learn from, the simplest first.

    Where there are many, there is more to find than small steps of boosting come to.
    """
    boosting = partial(trees, rate=0.1 if rows >= _MANY_ROWS else 0.05)
    return SPLINES, Learner("trees", (boosting,)), Learner("mean", (splines, boosting))
