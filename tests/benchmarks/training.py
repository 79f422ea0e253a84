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
WIDE = 50_000, 200
"""So many customers of whom so much is known, …"""
RARE = 0.01
"""… and so few of whom leave."""
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


def wide(rows: int, columns: int) -> tuple[Schema, Matrix, Labels, npt.NDArray[np.float64]]:
    """Make customers of whom few leave, by four columns of many; also return the logits of that."""
    rng = np.random.default_rng(0)
    levels = [2 + place % 6 for place in range(columns // 10)]
    categories = [rng.integers(0, each, rows) for each in levels]
    numbers = [rng.gamma(2, 1 + place % 20, rows) for place in range(columns - len(levels))]
    fields: list[dict[str, object]] = [
        {"name": f"c{i}", "type": "string", "constraints": {"enum": [*map(str, range(each))]}}
        for i, each in enumerate(levels)
    ]
    fields += [{"name": f"n{i}", "type": "number"} for i in range(len(numbers))]
    target = {"field": "left", "positive": "yes"}
    fields.append({"name": "left", "type": "string", "constraints": {"enum": ["yes", "no"]}})
    logits = categories[0] + numbers[0] / 2 + (numbers[1] > 6) - numbers[2] / 3
    logits *= 2 / logits.std()
    noisy = logits + rng.logistic(size=rows)
    matrix = np.column_stack([*categories, *numbers]).astype(np.float32)
    matrix[:, len(levels) :][rng.random((rows, len(numbers))) < 0.03] = np.nan
    schema = Schema({"fields": fields, "target": target})
    return schema, matrix, noisy > np.quantile(noisy, 1 - RARE), logits


def train_wide() -> dict[str, float]:
    """Train on many columns and a rare outcome."""
    schema, matrix, churned, logits = wide(*WIDE)
    name = "{:,} customers of {} columns".format(*WIDE)
    seconds, told, held_out = _train(name, schema, matrix, churned)
    best = roc_auc_score(churned[held_out], logits[held_out])
    print(f"{told} (at most {best:.4f} can be reached)")
    return {"train_wide_s": seconds}


def train_1m_rows(rows: int = ROWS) -> dict[str, float]:
    """Train on a million generated customers."""
    seconds, told, _ = _train(f"{rows:,} customers", *generated(rows))
    print(told)
    return {"train_1m_rows_s": seconds}


def _train(name: str, schema: Schema, matrix: Matrix, churned: Labels) -> tuple[float, str, Labels]:
    """Train, files included: the seconds, what there is to say of it, and who was held out."""
    number = np.arange(len(matrix))
    labelled = Labelled(
        matrix=matrix,
        churned=churned,
        held_out=number % 5 == 0,
        recent=np.ones_like(churned),
        age=np.zeros(len(matrix)),
    )
    started = time.perf_counter()
    trained = train(schema, labelled)
    version_files(schema, labelled, trained)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = (
        f"{name}: trained in {seconds:.0f} s, at most {peak:,.0f} MiB;"
        f" {trained.metrics['learner']}, ROC AUC {trained.metrics['held_out']['roc_auc']:.4f}"
    )
    return seconds, told, labelled.held_out


if __name__ == "__main__":
    print(telco(Path(os.environ["EVERGREEN_TELCO_CSV"])))
    print(quality(*generated(7_000), repeats=1).told("generated"))
    print(train_wide(), train_1m_rows())
