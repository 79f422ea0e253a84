"""A file of a million customers: CSV on disk → scored CSV.

Ours is what ScoreFunction does with an upload, apart from S3 and the inference log. The peer is
what people write: pandas.read_csv, the version's own joblib pipeline, to_csv. Both are processes of
their own with all cores to use, in turns, and must give the same probabilities.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
ROWS = 1_000_000
SIDES = {"ours": "tests.benchmarks.score_evergreen", "theirs": "tests.benchmarks.score_sklearn"}
_ROUNDS = 3


def scoring(version: Path, table: Path, folder: Path) -> dict[str, float]:
    """Compare both sides on a table resampled to a million rows."""
    large, small = folder / "large.csv", folder / "small.csv"
    resample(table, large, ROWS)
    resample(table, small, ROWS // 10)
    times: dict[str, list[float]] = {"ours": [], "theirs": [], "read": []}
    peaks = {}
    for _ in range(_ROUNDS):
        for side in ("ours", "theirs"):
            told = _run(side, version, large, folder / side)
            times[side].append(told["seconds"])
            peaks[side] = told["peak"]
        times["read"].append(min(map(_timed, readers(large))))
    _same(folder / "ours", folder / "theirs")
    fast, slow, read = (statistics.median(times[side]) for side in ("ours", "theirs", "read"))
    less = _run("ours", version, small, folder / "less")["peak"]
    print(
        f"a million rows: {fast:.2f} s against {slow:.2f} s, {peaks['ours'] / 1024:.0f} MiB against"
        f" {peaks['theirs'] / 1024:.0f}; {ROWS / fast:,.0f} rows/s; reading alone {read:.2f} s"
    )
    return {
        "score_vs_pandas_sklearn": slow / fast,
        "score_memory_growth": peaks["ours"] / less,
        "score_vs_read_limit": fast / read,
    }


def readers(file: Path) -> list[Callable[[], object]]:
    """Return the ways to read a CSV that are installed; the fastest of them is the limit."""

    def standard() -> None:
        with file.open(newline="") as lines:
            for _ in csv.reader(lines):
                pass

    return [standard, lambda: pd.read_csv(file), lambda: pd.read_csv(file, dtype=str)]


def resample(table: Path, target: Path, rows: int) -> None:
    """Write a table of so many rows drawn from another."""
    header, *lines = table.read_bytes().splitlines(keepends=True)
    drawn = np.random.default_rng(0).integers(0, len(lines), rows).tolist()
    with target.open("wb") as out:
        out.write(header)
        out.writelines(map(lines.__getitem__, drawn))


def _run(side: str, version: Path, source: Path, target: Path) -> dict[str, float]:
    command = [sys.executable, "-m", SIDES[side], *map(str, (version, source, target))]
    run = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"{side} failed: {run.stderr}")
    told: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return told


def _same(ours: Path, theirs: Path) -> None:
    answers = [
        pd.read_csv(f, usecols=["churn_probability"]).to_numpy()[:, 0] for f in (ours, theirs)
    ]
    if len(answers[0]) != len(answers[1]) or not np.abs(answers[0] - answers[1]).max() <= 1e-5:
        raise SystemExit("the two sides disagree")


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
