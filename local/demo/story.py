"""What the demo tells, chapter by chapter, each through the door that a user would take."""

import json
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from evergreen.store import keys
from local.demo.doors import Doors, Sent, as_csv, expect
from local.demo.source import Source, to_json
from local.progress import step

HISTORY = f"{keys.TRAINING}history.csv"
OUTCOMES = f"{keys.OUTCOMES}who-left.csv"
UPLOAD = f"{keys.INCOMING}customers.csv"

TRAFFIC = 2_000
"""Predictions before the shift, and after the promotion."""
CHANGED = 3_000
"""Predictions for customers who differ; what becomes of half of them a client tells the API, of
the others a file."""


@dataclass(slots=True)
class Story:
    """The demo, step by step, and what it has seen so far."""

    console: Console
    doors: Doors
    source: Source
    happened: list[tuple[str, str]] = field(default_factory=list)
    page: str = ""
    """The report on the customers who differ, as people read it."""

    def tell(self) -> None:
        """Tell it all; raises StoryError at the first thing that does not happen."""
        self.train()
        self.predict()
        self.score()
        self.ordinary_days()
        self.customers_change()
        self.retrain()
        self.calm()

    def train(self) -> None:
        """Chapter 1: put labelled history into the bucket; the rest happens by itself."""
        with step(self.console, "Train on labelled history") as done:
            history = self.source.history()
            self.doors.put(keys.TRAINING_SCHEMA, json.dumps(self.source.schema.document).encode())
            self.doors.put(HISTORY, as_csv(history))
            model = self.doors.until(lambda: self._model_other_than(None), "the first model")
            auc = model["metrics"]["held_out"]["roc_auc"]
            done(f"{len(history):,} customers → {model['version']}, held-out ROC AUC {auc:.4f}")
        self._note("first model", f"{model['version']}, ROC AUC {auc:.4f}")

    def predict(self) -> None:
        """Chapter 2: ask for one customer."""
        customer = to_json(self.source.ordinary(1, seed=2), self.source.schema)[0]
        with step(self.console, "Predict one customer over HTTP") as done:
            answer = self.doors.api("POST", "/predict", customer)
            done(f"{answer['risk']} risk, probability {answer['churn_probability']:.3f}")
        self.console.print_json(json.dumps(answer), indent=None)
        self._note("one answer", f"probability {answer['churn_probability']:.3f}")

    def score(self) -> None:
        """Chapter 3: upload a file of customers, three of them broken."""
        rows = self.source.ordinary(500, seed=3).drop(columns=self.source.schema.target)
        broken = self.source.schema.feature_names[0]
        rows.loc[rows.index[[10, 20, 30]], broken] = "?"
        with step(self.console, f"Score an uploaded CSV ({UPLOAD})") as done:
            self.doors.put(UPLOAD, as_csv(rows))
            summary = json.loads(
                self.doors.until(
                    lambda: self.doors.get(keys.score_summary(UPLOAD)), "the scored file"
                )
            )
            counts = f"{summary['scored']} scored, {summary['rejected']} rejected"
            done(f"{counts} with their reasons")
        for key in (keys.scored(UPLOAD), keys.rejected(UPLOAD)):
            self.console.print(f"      s3://{self.doors.stack.data_bucket}/{key}", highlight=False)
        self._note("uploaded CSV", f"{summary['scored']} scored, {summary['rejected']} rejected")

    def ordinary_days(self) -> None:
        """Chapter 4: business as usual, and a drift check that says so."""
        with step(self.console, f"Send {TRAFFIC:,} ordinary predictions") as done:
            done(str(self._send(self.source.ordinary(TRAFFIC, seed=4))))
        with step(self.console, "Check for drift") as done:
            report = self.doors.check_drift()
            done(_words(report))
        expect(report["verdict"] == "no_drift", "ordinary customers were called drifted")
        self._note("ordinary customers", _words(report))

    def customers_change(self) -> None:
        """Chapter 5: other customers come, and later it is known which of them have left."""
        customers, changed = self.source.shifted(CHANGED, seed=5)
        with step(self.console, f"Send {CHANGED:,} predictions for customers who differ") as done:
            sent = self._send(customers)
            done(f"{sent}, other in {', '.join(changed)}")
        with step(self.console, "Estimate how good the model still is, before any outcome") as done:
            estimated = self._performance()["estimated"]
            done(f"ROC AUC {estimated['roc_auc']:.3f}, if its probabilities are still right")
        with step(self.console, f"Tell what became of them: the API, and {OUTCOMES}") as done:
            half = CHANGED // 2
            self._tell_api(customers[:half], sent.answers[:half])
            self.doors.put(OUTCOMES, as_csv(self._outcomes(customers[half:], sent.answers[half:])))
            received = json.loads(
                self.doors.until(lambda: self.doors.get(keys.outcomes_summary(OUTCOMES)), OUTCOMES)
            )
            done(f"{half:,} and {received['accepted']:,} outcomes")
        # They become labelled history, which arrives within the cool-down of the first training.
        with step(self.console, "Hold predictions against outcomes") as done:
            measured = self._performance()["measured"]
            self.doors.until(self._waits_for_cooldown, "the cool-down")
            done(f"ROC AUC {_with_interval(measured['roc_auc'])} among {measured['customers']:,}")
        with step(self.console, "Check for drift again") as done:
            report = self.doors.check_drift()
            self.page = self.doors.page()
            done(_words(report))
        self.console.print(_drift_table(report))
        for kind in report["kinds"][:3]:
            self.console.print(f"      more of {kind}", highlight=False)
        found = {c["name"] for c in report["columns"] if c["drifted"]}
        expect(report["verdict"] == "drift", "the shifted customers went unnoticed")
        expect(
            found == set(changed),
            f"drift was found in {sorted(found)}, though {sorted(changed)} were shifted",
        )
        self._note("shifted customers", f"drift found in exactly the {len(found)} shifted features")
        self._note("… their outcomes", f"ROC AUC {self._roc_auc(customers, sent):.3f} by then")

    def retrain(self) -> None:
        """Chapter 6: the event has started a training; its model takes over without a restart."""
        before = self.doors.api("GET", "/model")["promotions"][0]["version"]
        with step(self.console, "Retrain, compare, promote, serve") as done:
            model = self.doors.until(lambda: self._model_other_than(before), "the second model")
            expect(model["trigger"] == "drift", f"{model['trigger']} trained it, not drift")
            done(f"{model['version']}: {model['decision']['reason']}")
        answer = self.doors.api("POST", "/predict", self._someone())
        expect(answer["model_version"] == model["version"], "the API serves another model")
        self._note("retrained on drift", f"{model['version']} promoted and serving")
        self._note("why", model["decision"]["reason"])

    def calm(self) -> None:
        """Chapter 7: more such customers come. They are no news to the model made for them."""
        customers, _ = self.source.shifted(TRAFFIC, seed=8)
        with step(self.console, f"Send {TRAFFIC:,} more of those customers") as done:
            sent = self._send(customers)
            auc = self._roc_auc(customers, sent)
            done(f"{sent}, ROC AUC {auc:.3f}")
        with step(self.console, "Check for drift after the promotion") as done:
            report = self.doors.check_drift()
            done(_words(report))
        expect(report["verdict"] == "no_drift", "what was learned is still called drift")
        self._note("the same customers again", f"{_words(report)}: what was learned is no drift")
        self._note("… their outcomes", f"ROC AUC {auc:.3f} now, by what was learned from outcomes")

    def the_end(self) -> Table:
        """Chapter 8: what happened."""
        table = Table(title="What happened", show_header=False)
        for what, how in self.happened:
            table.add_row(what, how)
        return table

    def curl(self) -> str:
        """Return a command that asks the API for a prediction."""
        return (
            f"curl -s {self.doors.stack.api_url}/predict -H 'x-api-key: {self.doors.stack.api_key}'"
            " -H 'content-type: application/json'"
            f" -d '{json.dumps(self._someone())}'"
        )

    def _someone(self) -> dict[str, Any]:
        return to_json(self.source.ordinary(1, seed=7), self.source.schema)[0]

    def _send(self, customers: pd.DataFrame) -> Sent:
        return self.doors.send(to_json(customers, self.source.schema))

    def _performance(self) -> dict[str, Any]:
        """Measure, and return how good the model is with the customers of the latest week."""
        self.doors.measure()
        week: dict[str, Any] = self.doors.api("GET", "/performance")["weeks"][0]
        return week

    def _left(self, customers: pd.DataFrame) -> list[bool]:
        """Say who left."""
        churned, wrong = self.source.schema.labels(customers[self.source.schema.target].tolist())
        expect(not wrong, f"not all have an outcome: {wrong}")
        return [bool(left) for left in churned]

    def _roc_auc(self, customers: pd.DataFrame, sent: Sent) -> float:
        scores = [answer["churn_probability"] for answer in sent.answers]
        return float(roc_auc_score(self._left(customers), scores))

    def _tell_api(self, customers: pd.DataFrame, answers: list[dict[str, Any]]) -> None:
        """Send outcomes as a program does, by the ids of their predictions."""
        outcomes = [
            {"prediction_id": answer["prediction_id"], "churned": left}
            for answer, left in zip(answers, self._left(customers), strict=True)
        ]
        for batch in batched(outcomes, 1_000, strict=False):
            self.doors.api("POST", "/outcomes", list(batch))

    def _outcomes(self, customers: pd.DataFrame, answers: list[dict[str, Any]]) -> pd.DataFrame:
        """Make a file of outcomes as a company has it: by its own key, if it has one."""
        schema = self.source.schema
        if schema.primary_key:
            return customers[[*schema.primary_key, schema.target]]
        ids = [answer["prediction_id"] for answer in answers]
        return customers[[schema.target]].assign(prediction_id=ids)

    def _model_other_than(self, version: str | None) -> dict[str, Any] | None:
        model = self.doors.model()
        return None if model is None or model["version"] == version else model

    def _waits_for_cooldown(self) -> bool:
        return "cooling down until" in self.doors.retraining_log()

    def _note(self, what: str, how: str) -> None:
        self.happened.append((what, how))


def _with_interval(found: dict[str, float]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _words(report: dict[str, Any]) -> str:
    return f"{report['verdict'].replace('_', ' ')} among {report['customers']:,} customers"


def _drift_table(report: dict[str, Any]) -> Table:
    table = Table("feature", "test", "statistic", "adjusted p", "effect", "verdict")
    for c in sorted(report["columns"], key=lambda column: -column["effect"]):
        table.add_row(
            c["name"],
            c["test"],
            f"{c['statistic']:.4g}",
            f"{c['adjusted_p']:.2g}",
            f"{c['effect']:.3f}",
            "[red]drifted[/]" if c["drifted"] else "as before",
        )
    return table
