"""How good a training is, and how long it takes: on the Telco table, and on generated customers."""

import json
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from evergreen.customers.features import Categorical
from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.learning.history import History
from evergreen.models.candidates import Candidate
from evergreen.models.learning import Learned, learn
from evergreen.models.training import Labelled, train, version_files
from evergreen.statistics.evaluation import calibration_error, calibration_error_by_chance
from local.demo.customers import customers
from local.demo.source import find

FOLDS, REPEATS = 5, 5
ROWS = 1_000_000
_AT_ONCE = 50_000

Labels = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Quality:
    """How the whole choice of a model does on customers that it has not seen."""

    auc: float
    log_loss: float
    ece: float
    """Of all customers together, in the mean of the repeats, and …"""
    ece_by_chance: float
    """… what it would be if every probability were right."""
    learners: dict[str, int]
    """How often each was chosen."""

    def told(self, name: str) -> str:
        """Say it in a line."""
        chosen = ", ".join(f"{learner} {times} times" for learner, times in self.learners.items())
        return (
            f"{name}: ROC AUC {self.auc:.4f}, log loss {self.log_loss:.4f}, calibration error"
            f" {self.ece:.4f} ({self.ece_by_chance:.4f} by chance); chosen: {chosen}"
        )


def telco(path: Path, repeats: int = REPEATS) -> dict[str, float]:
    """Cross-validate the whole choice on the Telco table."""
    source = find(path, None)
    labelled = History.of({"telco": source.history()}).labelled(source.schema)
    found = quality(source.schema, labelled.matrix, labelled.churned, repeats)
    print(found.told("Telco"))
    return {"auc_telco_cv": found.auc, "ece_telco": found.ece}


def quality(schema: Schema, matrix: Matrix, churned: Labels, repeats: int) -> Quality:
    """Cross-validate the whole choice: in every fold it is made anew."""
    aucs, losses, errors, chances = [], [], [], []
    chosen: dict[str, int] = {}
    for repeat in range(repeats):
        scores = np.empty(len(churned))
        for learned, fold in folds(churned, repeat):
            model = choice(schema, matrix[learned], churned[learned])
            scores[fold] = expit(model.pipeline.decision_function(matrix[fold]))
            aucs.append(roc_auc_score(churned[fold], scores[fold]))
            losses.append(log_loss(churned[fold], scores[fold]))
            name = model.told["learner"]
            chosen[name] = chosen.get(name, 0) + 1
        errors.append(calibration_error(churned, scores))
        chances.append(calibration_error_by_chance(scores))
    auc, loss, error, chance = (float(np.mean(each)) for each in (aucs, losses, errors, chances))
    return Quality(auc, loss, error, chance, chosen)


def folds(
    churned: Labels, repeat: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Cut customers into those to learn from and those to judge by, another way each repeat."""
    cut = StratifiedKFold(FOLDS, shuffle=True, random_state=repeat)
    yield from cut.split(churned, churned)


def choice(schema: Schema, matrix: Matrix, churned: Labels) -> Learned:
    """Choose and fit a model as a training does, on customers who are all recent."""
    everyone = np.ones(len(churned), np.bool_)
    with threadpool_limits(1):
        return learn(schema, matrix, churned, everyone, [Candidate("all", everyone)])


def generated(rows: int, first: int = 1) -> tuple[Schema, Matrix, Labels]:
    """Make so many encoded customers, of which memory never holds many as text."""
    document = Path(__file__).resolve().parents[2] / "local/schemas/customers.json"
    schema = Schema(json.loads(document.read_bytes()))
    matrices, outcomes = [], []
    for place, start in enumerate(range(0, rows, _AT_ONCE)):
        frame = customers(min(_AT_ONCE, rows - start), seed=first + place)
        columns = []
        for feature in schema.features:
            cells = frame[feature.name]
            if isinstance(feature, Categorical):
                codes = {str(level).lower(): code for code, level in enumerate(feature.levels)}
                cells = cells.map(codes)
            else:
                cells = cells.replace("", "nan")
            columns.append(cells.to_numpy(np.float32))
        matrices.append(np.column_stack(columns))
        outcomes.append((frame[schema.target] == "yes").to_numpy())
    return schema, np.concatenate(matrices), np.concatenate(outcomes)


def train_1m_rows(rows: int = ROWS) -> dict[str, float]:
    """Train on a million generated customers, files included; print the peak of memory as well."""
    schema, matrix, churned = generated(rows)
    number = np.arange(rows)
    labelled = Labelled(
        matrix=matrix,
        churned=churned,
        held_out=number % 5 == 0,
        recent=np.ones_like(churned),
        age=np.zeros(rows),
    )
    started = time.perf_counter()
    trained = train(schema, labelled)
    version_files(schema, labelled, trained)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{rows:,} customers: trained in {seconds:.0f} s, at most {peak:,.0f} MiB;"
        f" {trained.metrics['learner']}, ROC AUC {trained.metrics['held_out']['roc_auc']:.4f}"
    )
    return {"train_1m_rows_s": seconds}


if __name__ == "__main__":
    print(telco(Path(os.environ["EVERGREEN_TELCO_CSV"])))
    print(quality(*generated(7_000), repeats=1).told("generated"))
    print(train_1m_rows())
