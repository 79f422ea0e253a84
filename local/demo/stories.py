"""How the loop judges, in four stories: what it must not fall for, and what must hold.

A load test on one customer; a file with wrong outcomes; a field that is new; a rollback. Customers
are our generator's, so that what is true of them is known.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from sklearn.metrics import roc_auc_score

from evergreen.customers.schema import Schema
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.demo import source
from local.demo.customers import customers
from local.demo.doors import Doors, as_csv, expect
from local.demo.source import to_json
from local.demo.stack import ROOT
from local.progress import step

HISTORY = f"{keys.TRAINING}history.csv"
POISON = f"{keys.TRAINING}swapped.csv"
REGRETTED = f"{keys.TRAINING}regretted.csv"
BY_HAND: dict[str, Any] = {}
CATCH_UP = {"detail-type": "Scheduled Event"}
DRIFT = {"detail-type": "Drift Detected", "detail": {}}


@dataclass(slots=True)
class Stories:
    """The deployed system, with a first model that every story starts from or goes on with."""

    console: Console
    doors: Doors

    def tell(self) -> None:
        """Tell all; raises StoryError at the first thing that does not happen."""
        self.begin()
        self.load_test()
        self.poisoned_file()
        self.new_field()
        self.rollback()

    @property
    def schema(self) -> Schema:
        """The generator's, as the bucket has it at the beginning."""
        return source.find(None, None).schema

    def begin(self) -> None:
        """Train a first model."""
        with self._step("Train on 5,000 customers") as done:
            self._put_schema(self.schema.document)
            self.doors.put(HISTORY, as_csv(customers(5_000, seed=1)))
            model = self.doors.until(self.doors.model, "the first model")
            done(model["version"])

    def load_test(self) -> None:
        """Ask for one customer a thousand times, beside two thousand ordinary ones."""
        self._title("A load test on one customer")
        one, ordinary = self._someone(seed=20), self._json(customers(2_000, seed=21))
        with self._step("Ask for one customer 1,000 times, and for 2,000 others once") as done:
            self.doors.send([one] * 1_000)
            done(str(self.doors.send(ordinary)))
        with self._step("Check for drift") as done:
            report = self.doors.check_drift()
            counted = f"{report['records']:,} predictions for {report['customers']:,} customers"
            done(f"{_words(report)}: {counted}")
        expect(report["customers"] == 2_001, f"{report['customers']} customers were counted")
        expect(report["verdict"] == "no_drift", "a load test was taken for drift")

    def poisoned_file(self) -> None:
        """Upload customers whose outcomes are exchanged."""
        self._title("A file with its outcomes swapped")
        before = self._serving()
        wrong = customers(1_500, seed=30)
        wrong["churned"] = wrong["churned"].map({"yes": "no", "no": "yes"})
        honest = customers(1_000, seed=31)
        with self._step(f"Put {POISON}, and train on it by hand") as done:
            self.doors.put(POISON, as_csv(wrong))
            outcome = self.doors.retrain(BY_HAND)
            done(outcome["status"])
        self._quote(outcome["set_aside"].get(POISON, "it is not set aside"))
        expect(POISON in outcome["set_aside"], f"the file was not refused: {outcome}")
        expect(self._serving() == before, "a model that learned from it serves")
        with self._step("Ask about 1,000 honest customers") as done:
            auc = self._roc_auc(honest)
            done(f"ROC AUC {auc:.3f}, as before: {before} serves")
        expect(auc > 0.8, f"ROC AUC fell to {auc:.3f}")

    def new_field(self) -> None:
        """Send a field before the model knows it, teach it, and send it on; then require one."""
        self._title("A new field")
        before = self._serving()
        with self._step("Send `visits`, which the model does not know yet") as done:
            answer = self.doors.api("POST", "/predict", self._someone(seed=40) | {"visits": 3})
            done(f"answered; ignored: {', '.join(answer['ignored_fields'])}")
        expect(answer["ignored_fields"] == ["visits"], f"it was not ignored: {answer}")
        visits = {"name": "visits", "type": "integer", "constraints": {"minimum": 0}}
        with self._step("Describe it as optional, and put 4,000 customers who have it") as done:
            self._put_schema(self._with(visits))
            taught = _visiting(customers(4_000, seed=41), seed=41)
            self.doors.put(f"{keys.TRAINING}visits.csv", as_csv(taught))
            outcome = self.doors.retrain(BY_HAND)
            done(f"{outcome['status']}: {outcome['reason']}")
        expect(outcome["status"] == "promoted", f"it was not promoted: {outcome}")
        with self._step("Predict with the field, and without it") as done:
            self._until_it_serves(outcome["version"])
            self.doors.api("POST", "/predict", self._someone(seed=42))
            visitors = _visiting(customers(1_000, seed=43), seed=43)
            done(str(self.doors.send(self._json(visitors))))
        with self._step("Check for drift") as done:
            report = self.doors.check_drift()
            done(f"{_words(report)} in {report['customers']:,} customers")
        expect(report["verdict"] == "no_drift", "a new field was taken for drift")
        before = self._serving()
        with self._step("Describe `visits` as required") as done:
            self._put_schema(self._with(visits | {"constraints": {"required": True}}))
            self.doors.put(HISTORY, as_csv(_visiting(customers(5_000, seed=1), seed=44)))
            outcome = self.doors.retrain(BY_HAND)
            done(outcome["status"])
        self._quote(outcome["reason"])
        expect(outcome["status"] != "promoted", "clients without the field are refused")
        expect(self._serving() == before, "another version serves")
        self._put_schema(self._with(visits))
        self.doors.put(HISTORY, as_csv(customers(5_000, seed=1)))

    def rollback(self) -> None:
        """Promote a model of a changed market, go back, and let everything happen that may."""
        self._title("A rollback")
        good = self._serving()
        with self._step("Learn from 3,000 customers of a changed market") as done:
            pilot = _visiting(customers(3_000, seed=50, shift=1), seed=50)
            self.doors.put(REGRETTED, as_csv(pilot))
            outcome = self.doors.retrain(BY_HAND)
            done(f"{outcome['status']}: {outcome['reason']}")
        expect(outcome["status"] == "promoted", f"it was not promoted: {outcome}")
        with self._step("Roll it back: make rollback REASON='it was a pilot'") as done:
            done(self._evergreen("models", "rollback", "--reason", "it was a pilot"))
        expect(self._serving() == good, "the version before does not serve")
        with self._step("Upload 200 honest customers; let the hourly catch-up come") as done:
            self.doors.put(f"{keys.TRAINING}later.csv", as_csv(customers(200, seed=51)))
            done(self.doors.retrain(CATCH_UP)["reason"])
        with self._step("Predict for 2,000 customers of that market; check for drift") as done:
            changed = _visiting(customers(2_000, seed=52, shift=1), seed=52)
            self.doors.send(self._json(changed))
            report = self.doors.check_drift()
            outcome = self.doors.retrain(DRIFT)
            done(f"{_words(report)}; {outcome['status'].replace('_', ' ')}")
        self._quote(outcome["reason"])
        expect(report["verdict"] == "drift", "the changed customers went unnoticed")
        expect(REGRETTED not in self._learned_from(), "what was rolled back is back")
        with self._step(f"Release it: make release FILE={REGRETTED} REASON='no pilot'") as done:
            done(self._evergreen("sources", "release", REGRETTED, "--reason", "no pilot"))
        with self._step("Train by hand") as done:
            outcome = self.doors.retrain(BY_HAND)
            done(f"{outcome['status']}: {outcome['reason']}")
        expect(REGRETTED in self._learned_from(), "what was released is not learned from")

    def _serving(self) -> str:
        version: str = self.doors.api("GET", "/model")["promotions"][0]["version"]
        return version

    def _learned_from(self) -> set[str]:
        """Name the files that the serving version has learned from."""
        models = Bucket(self.doors.emulator.client("s3"), self.doors.stack.model_bucket)
        return set(Registry(models).manifest(self._serving()).sources)

    def _until_it_serves(self, version: str) -> None:
        def serves() -> bool:
            return (self.doors.model() or {}).get("version") == version

        self.doors.until(serves, version)

    def _roc_auc(self, honest: pd.DataFrame) -> float:
        answers = self.doors.api("POST", "/predict/batch", self._json(honest))["predictions"]
        churned = (honest["churned"] == "yes").to_numpy()
        return float(roc_auc_score(churned, [answer["churn_probability"] for answer in answers]))

    def _evergreen(self, *arguments: str) -> str:
        """Run the command that a person would."""
        done = subprocess.run(
            [ROOT / ".venv/bin/evergreen", *arguments],
            env=self.doors.emulator.environ | {"COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        expect(done.returncode == 0, done.stderr)
        return done.stdout.splitlines()[0]

    def _put_schema(self, document: object) -> None:
        self.doors.put(keys.TRAINING_SCHEMA, json.dumps(document).encode())

    def _with(self, field: dict[str, Any]) -> dict[str, Any]:
        document = dict(self.schema.document)
        return document | {"fields": [*document["fields"], field]}

    def _json(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        rows = to_json(frame, self.schema)
        if "visits" in frame:
            rows = [row | {"visits": int(n)} for row, n in zip(rows, frame["visits"], strict=True)]
        return rows

    def _someone(self, seed: int) -> dict[str, Any]:
        return self._json(customers(1, seed=seed))[0]

    def _title(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/]")

    def _quote(self, text: str) -> None:
        self.console.print(f"      [dim]{escape(text)}[/]", highlight=False)

    @contextmanager
    def _step(self, title: str) -> Iterator[Any]:
        with step(self.console, title) as done:
            yield done


def _visiting(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Give customers a number of visits; who leaves comes less often."""
    rng = np.random.default_rng(seed)
    often = np.where(frame["churned"] == "yes", 2.0, 6.0)
    return frame.assign(visits=rng.poisson(often).astype(str))


def _words(report: dict[str, Any]) -> str:
    verdict: str = report["verdict"]
    return verdict.replace("_", " ")
