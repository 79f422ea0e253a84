"""A year of customers, week by week: what the loop costs, and what it is worth.

    python -m tests.simulations.stream        (`make simulate-stream`)

Every week 500 customers are predicted for, the drift check runs, and then what became of them is
uploaded. The market changes at once, by and by, or back and forth. The loop, which is the product's
own code on buckets in memory, is held against a model that is never trained again and one that
learns from everything every week: mean log loss of the predictions when they were made.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
from moto import mock_aws
from rich.console import Console
from threadpoolctl import threadpool_limits

from evergreen.customers.schema import Schema
from evergreen.jobs.answering.prediction import predict, records
from evergreen.jobs.drift.monitoring import check
from evergreen.jobs.learning.history import History
from evergreen.jobs.learning.retraining import Retraining, Trigger
from evergreen.models.model import Model
from evergreen.models.pipelines import gradient_boosting
from evergreen.settings import Thresholds
from evergreen.statistics.comparison import losses
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket, Entry
from local.demo import source
from local.demo.customers import customers

WEEKS, CUSTOMERS, BEFORE = 60, 500, 2_000
"""Weeks, customers of each, and those whose outcome is known at the start."""
START = datetime(2026, 1, 5, tzinfo=UTC)

Market = Callable[[int], float]
MARKETS: dict[str, Market] = {
    "abrupt": lambda week: float(week >= 20),
    "gradual": lambda week: min(max((week - 15) / 30, 0.0), 1.0),
    "recurring": lambda week: float(week // 15 % 2),
}
"""How far the market has changed by a week, from 0 to 1."""

Probabilities = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Week:
    """The customers of one week, with what will become of them."""

    number: int
    frame: pd.DataFrame

    @property
    def now(self) -> datetime:
        return START + timedelta(weeks=self.number)


@dataclass(frozen=True, slots=True)
class Calendar(Bucket):
    """A bucket whose files are as old as the simulation says, not as the machine's clock."""

    def list(self, prefix: str) -> Iterator[Entry]:
        """List the objects under a prefix."""
        for entry in Bucket.list(self, prefix):
            week = entry.key.removesuffix(".csv").rpartition("-")[2]
            weeks = int(week) if week.isdecimal() else -1
            yield replace(entry, modified=START + timedelta(weeks=weeks))


@dataclass(slots=True)
class Loop:
    """The product, without Lambda around it."""

    schema: Schema
    data: Bucket
    models: Bucket
    logs: Bucket
    now: datetime = START
    trainings: int = 0

    @property
    def registry(self) -> Registry:
        return Registry(self.models, clock=lambda: self.now)

    def begin(self, frame: pd.DataFrame) -> None:
        self.data.put(keys.TRAINING_SCHEMA, orjson.dumps(self.schema.document))
        self._upload("before", frame)
        self._run("upload", START - timedelta(days=1))

    def answer(self, week: Week) -> Probabilities:
        """Predict for a week's customers, and log that."""
        given = source.to_json(week.frame, self.schema)
        answers = predict(self.registry.champion(Model.load), given)
        at = week.now.isoformat()
        lines = [record | {"predicted_at": at} for record in records(self.schema, answers, given)]
        key = f"{keys.inference_hour(week.now)}{week.number}"
        self.logs.put(key, b"\n".join(map(orjson.dumps, lines)))
        return np.array([answer["churn_probability"] for answer in answers])

    def learn(self, week: Week) -> None:
        """Check for drift, and upload what became of a week's customers."""
        later, days = week.now + timedelta(hours=6), timedelta(days=1)
        found = check(self.registry, self.logs, Thresholds(), days, 14 * days, later)
        self._upload(f"week-{week.number:02}", week.frame)
        self._run("drift" if found.report.verdict == "drift" else "upload", later)

    def _upload(self, name: str, frame: pd.DataFrame) -> None:
        content = frame.to_csv(index=False).encode()
        self.data.put(f"{keys.TRAINING}{name}.csv", content, "text/csv")

    def _run(self, trigger: Trigger, now: datetime) -> None:
        self.now = now
        retraining = Retraining(self.data, self.registry, cooldown=timedelta(hours=6))
        self.trainings += retraining.run(trigger, now).metrics is not None


@contextmanager
def loop(schema: Schema) -> Iterator[Loop]:
    """Make a loop on buckets in memory."""
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        buckets = [Calendar(s3, f"evergreen-{name}") for name in ("data", "models", "logs")]
        for bucket in buckets:
            s3.create_bucket(Bucket=bucket.name)
        yield Loop(schema, *buckets)


def fit(schema: Schema, frames: list[pd.DataFrame]) -> Callable[[pd.DataFrame], Probabilities]:
    """Learn from everything, as one would without a gate and with nobody held out."""
    everyone = History.of({str(n): frame for n, frame in enumerate(frames)}).labelled(schema)
    pipeline = gradient_boosting(schema).fit(everyone.matrix, everyone.churned)

    def answer(frame: pd.DataFrame) -> Probabilities:
        matrix = History.of({"": frame}).labelled(schema).matrix
        return np.asarray(pipeline.predict_proba(matrix)[:, 1])

    return answer


def simulate(market: Market, seed: int, weeks: int, console: Console) -> dict[str, float]:
    """Live through the weeks with all three; return their mean losses and the loop's trainings."""
    schema = source.find(None, None).schema
    before = customers(BEFORE, seed=seed)
    year = [Week(n, customers(CUSTOMERS, seed=seed + 1 + n, shift=market(n))) for n in range(weeks)]
    lost: dict[str, list[float]] = {"never": [], "everything": [], "loop": []}
    first = fit(schema, [before])
    with loop(schema) as living:
        living.begin(before)
        for week in year:
            churned = (week.frame["churned"] == "yes").to_numpy()
            everything = fit(schema, [before, *(past.frame for past in year[: week.number])])
            for name, answered in (
                ("never", first(week.frame)),
                ("everything", everything(week.frame)),
                ("loop", living.answer(week)),
            ):
                lost[name].append(float(losses(churned, answered).mean()))
            living.learn(week)
            told = ", ".join(f"{name} {each[-1]:.3f}" for name, each in lost.items())
            console.print(
                f"week {week.number:2}: {told}, {living.trainings} trainings", highlight=False
            )
    means = {name: float(np.mean(each)) for name, each in lost.items()}
    return means | {"trainings": living.trainings}


def main() -> int:
    """Simulate, and print a table for the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=100, help="which customers")
    parser.add_argument("--weeks", type=int, default=WEEKS)
    parser.add_argument("--market", choices=MARKETS, action="append", help="else all of them")
    asked = parser.parse_args()
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
    os.environ.pop("AWS_ENDPOINT_URL", None)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    progress, table = Console(stderr=True), Console(soft_wrap=True)
    table.print("| market | never again | everything, weekly | the loop | its trainings |")
    table.print("| --- | --- | --- | --- | --- |")
    with threadpool_limits(1):
        for name in asked.market or MARKETS:
            found = simulate(MARKETS[name], asked.seed, asked.weeks, progress)
            table.print(
                f"| {name} | {found['never']:.4f} | {found['everything']:.4f}"
                f" | {found['loop']:.4f} | {found['trainings']:.0f} of {asked.weeks + 1} |"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
