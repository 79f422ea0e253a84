"""The peers' side: reads tasks from stdin, a JSON object a line, and answers each with another.

It runs in the peers' environment, which has nothing of ours, and reaches no network.
"""

import contextlib
import json
import socket
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

warnings.simplefilter("ignore")  # of libraries about each other
FRAMES: dict[str, pd.DataFrame] = {}


def main() -> None:
    """Answer until stdin ends."""
    sys.addaudithook(_refuse_network)
    for line in sys.stdin:
        task = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):  # what libraries print is no answer
            told = TASKS[task.pop("task")](**task)
        print(json.dumps(told), flush=True)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.getaddrinfo", "socket.connect", "socket.sendto"):
        raise PermissionError(f"no network for peers: {event} {arguments[1:]}")


def ks(before: list[float], now: list[float]) -> dict[str, float]:
    """Kolmogorov-Smirnov of two samples."""
    found = stats.ks_2samp(before, now, method="asymp")
    return {"statistic": float(found.statistic), "p_value": float(found.pvalue)}


def chi2(table: list[list[int]]) -> dict[str, float]:
    """χ² of homogeneity."""
    from statsmodels.stats.contingency_tables import Table

    found = Table(np.array(table, dtype=float), shift_zeros=False).test_nominal_association()
    return {"statistic": float(found.statistic), "p_value": float(found.pvalue)}


def total_variation(before: list[str], now: list[str]) -> float:
    """Evidently's distance of two samples of a category."""
    from evidently.legacy.calculations.stattests import tvd_stattest

    distance = tvd_stattest._total_variation_distance(pd.Series(before), pd.Series(now))
    return float(distance)


def benjamini_hochberg(p_values: list[float]) -> list[float]:
    """Adjusted p-values."""
    from statsmodels.stats.multitest import multipletests

    return multipletests(p_values, method="fdr_bh")[1].tolist()


def cbpe(
    labels: list[bool], reference: list[float], scores: list[float]
) -> dict[str, float | list[float]]:
    """NannyML's estimate for one chunk of scores, and the calibrated ones that it rests on."""
    from nannyml import CBPE

    known = pd.DataFrame({"y": np.array(labels, dtype=int), "score": reference})
    estimator = CBPE(
        problem_type="classification_binary",
        y_true="y",
        y_pred_proba="score",
        metrics=["roc_auc"],
        chunk_number=1,
    ).fit(known)
    unknown = pd.DataFrame({"score": scores})
    found = estimator.estimate(unknown).filter(period="analysis").to_df()
    calibrated = np.array(scores)
    if estimator.needs_calibration:
        calibrated = np.asarray(estimator.calibrator.calibrate(unknown["score"]))
    return {
        "roc_auc": float(found[("roc_auc", "value")].iloc[0]),
        "calibrated": calibrated.tolist(),
    }


def reach(host: str) -> str:
    """Whether a host can be reached from here."""
    try:
        socket.create_connection((host, 80), timeout=1).close()
    except PermissionError:
        return "refused"
    except OSError:
        return "tried"
    return "reached"


def load(reference: str, current: str) -> dict[str, list[str]]:
    """Make the DataFrames of the tasks below from arrays in files, one of text a category."""
    for name, file in (("reference", reference), ("current", current)):
        with np.load(file, allow_pickle=False) as arrays:
            FRAMES[name] = pd.DataFrame({column: arrays[column] for column in arrays.files})
    return {name: [*map(str, frame.dtypes)] for name, frame in FRAMES.items()}


def evidently_drift() -> dict[str, Any]:
    """Evidently's DataDriftPreset, with our tests."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers, categories = _kinds(FRAMES["reference"])

    def run() -> Any:
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        current, reference = (
            Dataset.from_pandas(FRAMES[name], data_definition=definition)
            for name in ("current", "reference")
        )
        preset = DataDriftPreset(num_method="ks", cat_method="chisquare")
        return Report([preset]).run(current, reference).dict()

    took, found = _timed(run)
    p_values = {
        metric["config"]["column"]: float(metric["value"])
        for metric in found["metrics"]
        if "column" in metric["config"]
    }
    return took | {"p_values": p_values}


def nannyml_drift() -> dict[str, Any]:
    """NannyML's univariate drift of the whole current data as one chunk, with our tests."""
    from nannyml import UnivariateDriftCalculator

    _, categories = _kinds(FRAMES["reference"])
    columns = [*FRAMES["reference"]]

    def run() -> Any:
        calculator = UnivariateDriftCalculator(
            column_names=columns,
            treat_as_categorical=categories,
            continuous_methods=["kolmogorov_smirnov"],
            categorical_methods=["chi2"],
            chunk_number=1,
        )
        calculator.fit(FRAMES["reference"])
        return calculator.calculate(FRAMES["current"])

    took, found = _timed(run)
    table = found.filter(period="analysis").to_df()
    statistics = {
        column: float(
            table[(column, "chi2" if column in categories else "kolmogorov_smirnov", "value")].iloc[
                0
            ]
        )
        for column in columns
    }
    return took | {"statistics": statistics}


def _kinds(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    numbers = [*frame.select_dtypes("number")]
    return numbers, [column for column in frame if column not in numbers]


def _timed(run: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    started, worked = time.perf_counter(), time.process_time()
    found = run()
    took = {"seconds": time.perf_counter() - started, "processor": time.process_time() - worked}
    return took, found


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (
        *(ks, chi2, total_variation, benjamini_hochberg, cbpe),
        *(reach, load, evidently_drift, nannyml_drift),
    )
}

if __name__ == "__main__":
    main()
