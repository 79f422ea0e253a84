"""The drift check against what others would check with: Evidently, NannyML and SciPy.

The customers are of the Telco table: the version's 7,043 as reference, and 100,000 drawn from them
who are a little more often of the kind that leaves. The peers are given finished DataFrames and our
tests (Kolmogorov-Smirnov and χ²), in a process of their own that waits while ours are at work. Of
each side the fastest run of several counts, as what slows one down is never its own doing.
"""

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson
from scipy import stats

from evergreen.customers.features import Categorical
from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.answering.prediction import predict, records
from evergreen.jobs.drift.monitoring import check
from evergreen.jobs.drift.pieces import KeptPieces
from evergreen.jobs.drift.population import MOST, Population, starts
from evergreen.models import artifact
from evergreen.models.artifact import Artifact, Manifest
from evergreen.models.model import Model
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.statistics.baseline import Baseline, Column
from evergreen.statistics.drift import Report, judge
from evergreen.store import keys
from evergreen.store.registry import Registry
from local.demo.source import find, to_json
from tests.benchmarks import telco
from tests.benchmarks.bucket import bucket
from tests.peers.asking import MISSING, READY, Peers, peers

ROWS = 100_000
AN_OBJECT = 1_000
"""So many records: what Firehose gathers in its minute at 17 customers a second."""
NOW = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)
DAY = timedelta(days=1)
HOURS = 24
"""So many hours of the window are over: it begins and ends within one."""
_ROUNDS = 5


@dataclass(frozen=True)
class Customers:
    """The same customers for all sides."""

    schema: Schema
    reference: Matrix
    current: Matrix
    scores: np.ndarray[Any, Any]
    """The model's answers to the current ones."""
    baseline: Baseline
    importance: Mapping[str, float]


def drift(files: Mapping[str, bytes], folder: Path) -> dict[str, float]:
    """Compare all sides, by a version of `telco`; a folder holds the buckets."""
    if not READY.exists():
        raise SystemExit(MISSING)
    customers = prepare(files, folder)
    with peers() as others:
        load(others, customers, folder)
        results = in_memory(others, customers) | from_log(others, customers, folder)
    return results | ks_vs_scipy() | {"drift_memory_growth": memory_growth(folder)}


def prepare(files: Mapping[str, bytes], folder: Path) -> Customers:
    """Let a version take office, and let it predict for customers of a day."""
    source = find(telco.table(), None)
    schema, history = source.schema, source.history()
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    manifest = Manifest(
        "telco", "2026-01-01T00:00:00+00:00", None, "benchmark", "", {}, {}, {}, hashes
    )
    registry = Registry(bucket(folder / "models"), clock=lambda: NOW - 100 * DAY)
    registry.publish(manifest, files)
    registry.promote(manifest.version, seen=None, reason="benchmark")
    model = Model.load(Artifact(manifest, files))

    weights = np.where(history["Contract"] == "Month-to-month", 1.3, 1.0)
    drawn = np.random.default_rng(0).choice(len(history), ROWS, p=weights / weights.sum())
    given = to_json(history.iloc[drawn].assign(customerID=[*map(str, range(ROWS))]), schema)
    told = [
        record
        for some in batched(given, AN_OBJECT, strict=False)
        for record in records(schema, predict(model, some), some)
    ]
    write(folder / "logs", told, repeats=1)
    for repeats in (2, 20):
        write(folder / f"logs_{repeats}", told[: ROWS // 2], repeats)
    return Customers(
        schema=schema,
        reference=schema.encode_rows(to_json(history, schema)).matrix,
        current=schema.encode_rows(given).matrix,
        scores=np.array([record["churn_probability"] for record in told]),
        baseline=Baseline.parse(files[artifact.BASELINE]),
        importance=json.loads(files[artifact.METRICS])["importance"],
    )


def write(folder: Path, told: list[dict[str, Any]], repeats: int) -> None:
    """Write a log as Firehose does: each customer is asked about so many times in a day."""
    for repeat in range(repeats):
        for place, some in enumerate(batched(told, AN_OBJECT, strict=True)):
            at = NOW - DAY * ((repeat + 1 - place * AN_OBJECT / len(told)) / repeats * 0.99)
            put = {"predicted_at": at.isoformat()}
            lines = (
                orjson.dumps(record | put | ({"prediction_id": _id()} if repeat else {}))
                for record in some
            )
            file = folder / f"{keys.inference_hour(at)}evergreen-{repeat}-{place:03}.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(gzip.compress(b"\n".join(lines), 6))


def load(others: Peers, customers: Customers, folder: Path) -> None:
    """Give the peers their DataFrames."""
    files = {}
    for name, matrix in (("reference", customers.reference), ("current", customers.current)):
        files[name] = str(folder / f"{name}.npz")
        columns: dict[str, Any] = {
            feature.name: (
                np.array([*map(str, feature.levels)])[column.astype(int)]
                if isinstance(feature, Categorical)
                else column.astype(np.float64)
            )
            for feature, column in zip(customers.schema.features, matrix.T, strict=True)
        }
        np.savez(files[name], **columns)
    others.ask("load", **files)


def in_memory(others: Peers, customers: Customers) -> dict[str, float]:
    """Count and judge encoded customers, against a DataFrame's whole report.

    What is compared is the processor's time: all sides keep one core busy, and milliseconds on the
    clock would be those of whatever else the machine does.
    """

    def ours() -> Report:
        counts = customers.baseline.count(customers.current, customers.scores)
        return judge(customers.baseline, counts, customers.importance, Thresholds())

    report = ours()
    _agree_with_evidently(customers, report, others.ask("evidently_drift")["p_values"])
    _agree_with_nannyml(customers, report, others.ask("nannyml_drift")["statistics"])
    mine, evidently, nannyml = [], [], []
    for _ in range(_ROUNDS):
        mine += [_timed(ours, time.process_time) for _ in range(10)]
        evidently.append(others.ask("evidently_drift")["processor"])
        nannyml.append(others.ask("nannyml_drift")["processor"])
    fast, slow, slower = map(min, (mine, nannyml, evidently))
    print(
        f"drift of {ROWS:,} customers in memory: {fast * 1e3:.1f} ms against"
        f" {slow * 1e3:.0f} ms (NannyML) and {slower * 1e3:.0f} ms (Evidently)"
    )
    return {"drift_vs_evidently": slower / fast, "drift_vs_nannyml": slow / fast}


def from_log(others: Peers, customers: Customers, folder: Path) -> dict[str, float]:
    """From objects in a bucket to the verdict, against a report on a finished DataFrame.

    That is what the peer has: every feature tested by itself. The whole check does more, of which
    the peer has nothing (all features at once, segments, the checks before), and stands beside it.

    A check of every hour finds all but the last hours of its window as columns, which the checks
    before have kept, and keeps one hour more. The first of all checks finds nothing; so does a
    function that keeps nothing, and its time stands here as well.
    """
    report = verdict(folder, "logs")
    if report.customers != ROWS:
        raise SystemExit(f"{report.customers} of {ROWS} customers were found in the log")
    _agree_with_evidently(customers, report, others.ask("evidently_drift")["p_values"])
    times = []
    for _ in range(_ROUNDS):
        forget(folder, "logs", 0)
        first = _timed(partial(verdict, folder, "logs"))
        hourly = []
        for check_once in (verdict, checked):
            forget(folder, "logs", HOURS - 1)
            hourly.append(_timed(partial(check_once, folder, "logs")))
        times.append((first, *hourly, float(others.ask("evidently_drift")["seconds"])))
    if not report == verdict(folder, "logs") == checked(folder, "logs"):
        raise SystemExit("what was kept says something else than the log")
    first, hourly, whole, slow = map(min, zip(*times, strict=True))
    print(
        f"drift of {ROWS:,} records of the log: {hourly:.3f} s to the verdict ({first:.2f} s the"
        f" first time), {whole:.3f} s the whole check, against {slow:.2f} s (Evidently)"
    )
    return {
        "drift_log_vs_evidently": slow / hourly,
        "drift_first_log_vs_evidently": slow / first,
        "drift_check_vs_evidently": slow / whole,
    }


def forget(folder: Path, log: str, hours: int) -> None:
    """Remove what was kept of all but the first hours of a log."""
    kept = sorted((folder / log / keys.DRIFT_PIECES).glob("*/*/*/*"))
    for hour in kept[hours:]:
        shutil.rmtree(hour)


def verdict(folder: Path, log: str) -> Report:
    """Read the day of a log, and judge it."""
    registry, limits = Registry(bucket(folder / "models")), Thresholds()
    pointer = registry.pointer()
    champion = registry.champion(Reference.load, pointer)
    took_office = datetime.fromisoformat(pointer.move.moved_at)
    population = Population(registry, champion, NOW, starts(NOW, DAY, DAY, took_office))
    logs = bucket(folder / log)
    population.gather(logs, limits.min_rows, KeptPieces(logs, champion.schema, MOST))
    baseline = Baseline.parse(champion.files[artifact.BASELINE])
    return judge(baseline, population.count(baseline), champion.metrics["importance"], limits)


def checked(folder: Path, log: str) -> Report:
    """Do all that the drift check does with it."""
    registry, logs = Registry(bucket(folder / "models")), bucket(folder / log)
    return check(registry, logs, Thresholds(), DAY, DAY, NOW).report


def ks_vs_scipy() -> dict[str, float]:
    """One column, a million values against ten thousand: the same D, and the same p-value."""
    rng = np.random.default_rng(0)
    reference = rng.gamma(2, 30, 10_000).astype(np.float32)
    current = rng.gamma(2.02, 30, 10 * ROWS).astype(np.float32)
    column = Column.of("charge", False, reference)
    exact = reference.astype(np.float64), current.astype(np.float64)

    def ours() -> tuple[float, float]:
        return column.kolmogorov_smirnov(column.count(current))

    def theirs() -> tuple[float, float]:
        found = stats.ks_2samp(*exact, method="asymp")
        return float(found.statistic), float(found.pvalue)

    np.testing.assert_allclose(ours(), theirs(), rtol=1e-9)
    times = [(_timed(ours), _timed(theirs)) for _ in range(15)]
    fast, slow = map(min, zip(*times, strict=True))
    print(f"KS of a million values: {fast * 1e3:.1f} ms against {slow * 1e3:.1f} ms (SciPy)")
    return {"ks_vs_scipy": slow / fast}


def memory_growth(folder: Path) -> float:
    """How much more memory a check of 1,000,000 records takes than one of 100,000.

    They are of the same 50,000 customers, so that either check has somebody to pass over. The first
    check keeps what it reads, and the second reads what was kept: the one that takes more counts,
    each by the median of three, as a peak is one of pages that the system gives and takes.
    """
    grown = [_peak(folder, log) for log in ("logs_2", "logs_20")]
    print(f"memory of a check: {grown[0] / 1024:.0f} MiB, {grown[1] / 1024:.0f} at ten times")
    return grown[1] / grown[0]


def _peak(folder: Path, log: str) -> float:
    peaks = []
    for _ in range(3):
        forget(folder, log, 0)
        peaks.append((_memory(folder, log), _memory(folder, log)))
    return max(map(median, zip(*peaks, strict=True)))


def _memory(folder: Path, log: str) -> int:
    command = [sys.executable, "-m", "tests.benchmarks.drift_memory", str(folder), log]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"the check failed: {run.stderr}")
    return int(run.stdout)


def _agree_with_evidently(
    customers: Customers, report: Report, p_values: Mapping[str, float]
) -> None:
    """Its χ² takes the reference for the truth, so what is held against it are our counts."""
    mine = {column.name: column.p_value for column in report.columns}
    for name, cells, expected in _categories(customers):
        mine[name] = float(stats.chisquare(cells, expected * cells.sum() / expected.sum()).pvalue)
    _agree(mine, p_values)


def _agree_with_nannyml(
    customers: Customers, report: Report, statistics: Mapping[str, float]
) -> None:
    """Its χ² of two levels has Yates's correction, so here as well."""
    mine = {column.name: column.statistic for column in report.columns}
    for name, cells, expected in _categories(customers):
        if len(cells) == 2:
            mine[name] = float(stats.chi2_contingency([cells, expected]).statistic)
    _agree(mine, statistics)


def _categories(customers: Customers) -> list[tuple[str, Any, Any]]:
    """For each category the counts of its levels, current and reference."""
    baseline = customers.baseline
    counts = baseline.count(customers.current, customers.scores)
    found = []
    for column, cells in zip(baseline.features, counts.features, strict=True):
        if column.categorical:
            there = column.cells[:-1] > 0
            found.append((column.name, cells[:-1][there], column.cells[:-1][there]))
    return found


def _agree(mine: Mapping[str, float], theirs: Mapping[str, float]) -> None:
    if mine.keys() != theirs.keys():
        raise SystemExit(f"not the same columns: {sorted(mine.keys() ^ theirs.keys())}")
    for name, value in mine.items():
        if not np.isclose(value, theirs[name], rtol=1e-6, atol=1e-12):
            raise SystemExit(f"the two sides disagree on {name}: {value} and {theirs[name]}")


def _timed(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    run()
    return clock() - started


def _id() -> str:
    return str(uuid.uuid4())


def main() -> None:
    """Run these benchmarks alone: `python -m tests.benchmarks.drift`."""
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(drift(telco.version(Path(name, "telco")), Path(name)), indent=2))


if __name__ == "__main__":
    main()
