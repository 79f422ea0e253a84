"""`make bench`: what Evergreen does against what people would otherwise use.

Every number is a ratio of two measurements taken in turns in the same run, and both sides must
have given the same answers. The results go to .bench/results.json.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
from scipy import stats

from evergreen.jobs.history import History
from evergreen.models.training import train, version_files
from evergreen.statistics.baseline import Column
from local.demo.source import find, to_json
from tests.benchmarks import peer, sklearn_service
from tests.benchmarks.score_evergreen import load
from tests.benchmarks.scoring import scoring

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".bench/results.json"


def main() -> None:
    """Run all benchmarks, print them, and write them down."""
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        results["predict_speedup_vs_sklearn"] = predict_speedup(folder)
        results["cold_import_ratio_vs_sklearn"] = cold_start_ratio(folder)
        results |= score_file(folder)
    results["drift_speedup_vs_scipy"] = drift_speedup()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    for key, value in results.items():
        print(f"{key:36} {value:8.2f}")


def prepare(folder: Path) -> None:
    """Train one model on our generator's customers, for both sides, and pick a customer."""
    source = find(None, None)
    frame = source.history()
    labelled = History.of({"history": frame}).labelled(source.schema)
    trained = train(source.schema, labelled)
    files = version_files(source.schema, labelled, trained)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    pipeline = peer.fit(source.schema, frame[~labelled.held_out])
    joblib.dump(pipeline, folder / "peer.joblib")
    customer = to_json(source.ordinary(1, seed=99), source.schema)[0]
    (folder / "customer.json").write_text(json.dumps(customer))


def score_file(folder: Path) -> dict[str, float]:
    """A million customers, CSV on disk → scored CSV: see `scoring`."""
    table = Path(os.environ.get("EVERGREEN_TELCO_CSV", ROOT.parent / "shared/data/telco.csv"))
    if not table.is_file():
        raise SystemExit(f"no Telco table: {table} is no file; say EVERGREEN_TELCO_CSV=<file>")
    source = find(table, None)
    labelled = History.of({"telco": source.history()}).labelled(source.schema)
    files = version_files(source.schema, labelled, train(source.schema, labelled))
    version = folder / "telco"
    version.mkdir()
    for file, content in files.items():
        (version / file).write_bytes(content)
    return scoring(version, table, folder)


def predict_speedup(folder: Path) -> float:
    """One customer, p50: our encoding and ONNX against a one-row DataFrame and joblib pipeline."""
    model, pipeline = load(folder), joblib.load(folder / "peer.joblib")
    customer = json.loads((folder / "customer.json").read_text())

    def ours() -> float:
        return float(model.probabilities(model.schema.encode_rows([customer]).matrix)[0])

    def theirs() -> float:
        return sklearn_service.predict(pipeline, customer)

    _same(ours(), theirs())
    times: dict[Callable[[], float], list[float]] = {ours: [], theirs: []}
    for _ in range(10):  # in blocks, as one side's idle threads would spin into the other's time
        for side in (ours, theirs):
            times[side] += [_timed(side) for _ in range(200 if side is ours else 20)]
    fast, slow = statistics.median(times[ours]), statistics.median(times[theirs])
    print(f"one customer: {fast * 1e6:.0f} µs against {slow * 1e6:.0f} µs")
    return slow / fast


def cold_start_ratio(folder: Path) -> float:
    """Process start to first answer: ours against FastAPI, Mangum, boto3, pandas and joblib."""
    sides = ("tests.benchmarks.evergreen_service", "tests.benchmarks.sklearn_service")
    commands = [[sys.executable, "-m", side, str(folder)] for side in sides]
    first = [_first_answer(command) for command in commands]  # unmeasured: warms the disk cache
    _same(*(answer for answer, _ in first))
    times = [[_first_answer(command)[1] for command in commands] for _ in range(9)]
    ours, theirs = (statistics.median(side) for side in zip(*times, strict=True))
    print(f"cold start: {ours:.2f} s against {theirs:.2f} s")
    return ours / theirs


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


def _first_answer(command: list[str]) -> tuple[float, float]:
    """Run a service that prints one answer; return that, and the seconds until it came."""
    environ = os.environ | {"AWS_DEFAULT_REGION": "us-east-1"}
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout
        line = service.stdout.readline()
        seconds = time.perf_counter() - started
    if service.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return float(line), seconds


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _same(ours: float, theirs: float, tolerance: float = 1e-5) -> None:
    if abs(ours - theirs) > tolerance:
        raise SystemExit(f"the two sides disagree: {ours} and {theirs}")


if __name__ == "__main__":
    main()
