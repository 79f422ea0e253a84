"""`make bench`: what Evergreen does against what people would otherwise use.

Every number is a ratio of two measurements taken in turns in the same run, and both sides must
have given the same answers; but for those of `training`, which are what they are called, and for
memory, which is held against our own on a tenth of the data. The results go to .bench/results.json.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import stats

from evergreen.jobs.learning.history import History
from evergreen.models.training import train, version_files
from evergreen.statistics.baseline import Column
from local.demo.source import find, to_json
from tests.benchmarks import peer, telco, training
from tests.benchmarks.drift import drift
from tests.benchmarks.objects import objects
from tests.benchmarks.score_evergreen import load
from tests.benchmarks.scoring import scoring
from tests.benchmarks.serving import BATCH, serving

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".bench/results.json"


def main() -> None:
    """Run all benchmarks, print them, and write them down."""
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, objects() as store:
        folder = Path(name)
        customers = prepare(folder)
        results["predict_speedup_vs_sklearn"] = predict_speedup(folder, customers[0])
        results |= serving(folder, customers, store)
        results["cold_import_ratio_vs_sklearn"] = results["cold_start_vs_sklearn"]  # of old
        trained = telco.version(folder / "telco")
        results |= scoring(folder / "telco", telco.table(), folder)
        results["drift_speedup_vs_scipy"] = drift_speedup()
        results |= drift(trained, folder)
    results |= training.telco(telco.table())
    results |= training.train_wide() | training.train_1m_rows()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    for key, value in results.items():
        print(f"{key:36} {value:8.3f}")


def prepare(folder: Path) -> list[dict[str, Any]]:
    """Train one model on our generator's customers, for both sides; return others to predict."""
    source = find(None, None)
    frame = source.history()
    labelled = History.of({"history": frame}).labelled(source.schema)
    trained = train(source.schema, labelled)
    for file, content in version_files(source.schema, labelled, trained).items():
        (folder / file).write_bytes(content)
    joblib.dump(peer.of(trained.pipeline, source.schema, frame), folder / "peer.joblib")
    return to_json(source.ordinary(BATCH, seed=99), source.schema)


def predict_speedup(folder: Path, customer: dict[str, Any]) -> float:
    """One customer, p50: our encoding and ONNX against a one-row DataFrame and joblib pipeline."""
    model, pipeline = load(folder), joblib.load(folder / "peer.joblib")

    def ours() -> float:
        return float(model.probabilities(model.schema.encode_rows([customer]).matrix)[0])

    def theirs() -> float:
        return float(pipeline.predict_proba(pd.DataFrame([customer]))[0, 1])

    _same(ours(), theirs())
    times: dict[Callable[[], float], list[float]] = {ours: [], theirs: []}
    for _ in range(10):  # in blocks, as one side's idle threads would spin into the other's time
        for side in (ours, theirs):
            times[side] += [_timed(side) for _ in range(200 if side is ours else 20)]
    fast, slow = statistics.median(times[ours]), statistics.median(times[theirs])
    print(f"one customer: {fast * 1e6:.0f} µs against {slow * 1e6:.0f} µs")
    return slow / fast


def drift_speedup() -> float:
    """One numeric column, 100,000 log records in 100 pieces: counting against scipy's ks_2samp."""
    rng = np.random.default_rng(0)
    baseline = rng.gamma(2, 30, 10_000).round(2).astype(np.float32)
    current = rng.gamma(2.2, 30, 100_000).round(2).astype(np.float32)
    column, exact = Column.of("charge", False, baseline), baseline.astype(np.float64)
    pieces = np.split(current, 100)

    def ours() -> float:
        return column.kolmogorov_smirnov(sum(column.count(p) for p in pieces))[0]  # type: ignore[arg-type]

    def theirs() -> float:
        return float(
            stats.ks_2samp(
                exact, np.concatenate(pieces, dtype=np.float64), method="asymp"
            ).statistic
        )

    _same(ours(), theirs(), tolerance=1e-12)
    times = [(_timed(ours), _timed(theirs)) for _ in range(15)]
    fast, slow = (statistics.median(side) for side in zip(*times, strict=True))
    print(f"drift of a column: {fast * 1e3:.1f} ms against {slow * 1e3:.1f} ms")
    return slow / fast


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _same(ours: float, theirs: float, tolerance: float = 1e-5) -> None:
    if abs(ours - theirs) > tolerance:
        raise SystemExit(f"the two sides disagree: {ours} and {theirs}")


if __name__ == "__main__":
    main()
