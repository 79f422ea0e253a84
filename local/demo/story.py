"""What the demo tells: seven chapters, each through the door that a user would take."""

import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import httpx2 as httpx
import pandas as pd
from rich.console import Console
from rich.table import Table

from evergreen.store import keys
from local.demo.source import Source, to_json
from local.demo.stack import Emulator, Outputs
from local.progress import step

HISTORY = f"{keys.TRAINING}history.csv"
NEW_HISTORY = f"{keys.TRAINING}new-customers.csv"
UPLOAD = f"{keys.INCOMING}customers.csv"

TRAFFIC = 2_000
"""Predictions before the shift, and again after it."""
PATIENCE = 180.0
"""Seconds after which something that should happen by itself counts as failed."""


class StoryError(Exception):
    """The system did not do what the story says that it does."""


@dataclass(slots=True)
class Story:
    """The demo, step by step, and what it has seen so far."""

    console: Console
    emulator: Emulator
    source: Source
    stack: Outputs
    happened: list[tuple[str, str]] = field(default_factory=list)

    def tell(self) -> None:
        """Tell it all; raises StoryError at the first thing that does not happen."""
        self.train()
        self.predict()
        self.score()
        self.ordinary_days()
        self.customers_change()
        self.retrain()

    def train(self) -> None:
        """Chapter 1: put labelled history into the bucket; the rest happens by itself."""
        with step(self.console, "Train on labelled history") as done:
            history = self.source.history()
            self._put(keys.TRAINING_SCHEMA, json.dumps(self.source.schema.document).encode())
            self._put(HISTORY, _csv(history))
            model = self._until(lambda: self._model_other_than(None), "the first model")
            auc = model["metrics"]["held_out"]["roc_auc"]
            done(f"{len(history):,} customers → {model['version']}, held-out ROC AUC {auc:.4f}")
        self._note("first model", f"{model['version']}, ROC AUC {auc:.4f}")

    def predict(self) -> None:
        """Chapter 2: ask for one customer."""
        customer = to_json(self.source.ordinary(1, seed=2), self.source.schema)[0]
        with step(self.console, "Predict one customer over HTTP") as done:
            answer = self._api("POST", "/predict", customer)
            done(f"{answer['risk']} risk, probability {answer['churn_probability']:.3f}")
        self.console.print_json(json.dumps(answer), indent=None)
        self._note("one answer", f"probability {answer['churn_probability']:.3f}")

    def score(self) -> None:
        """Chapter 3: upload a file of customers, three of them broken."""
        rows = self.source.ordinary(500, seed=3).drop(columns=self.source.schema.target)
        broken = self.source.schema.feature_names[0]
        rows.loc[rows.index[[10, 20, 30]], broken] = "?"
        with step(self.console, f"Score an uploaded CSV ({UPLOAD})") as done:
            self._put(UPLOAD, _csv(rows))
            summary = json.loads(
                self._until(lambda: self._get(keys.score_summary(UPLOAD)), "the scored file")
            )
            done(f"{summary['scored']} scored, {summary['rejected']} rejected with their reasons")
        for key in (keys.scored(UPLOAD), keys.rejected(UPLOAD)):
            self.console.print(f"      s3://{self.stack.data_bucket}/{key}", highlight=False)
        self._note("uploaded CSV", f"{summary['scored']} scored, {summary['rejected']} rejected")

    def ordinary_days(self) -> None:
        """Chapter 4: business as usual, and a drift check that says so."""
        with step(self.console, f"Send {TRAFFIC:,} ordinary predictions") as done:
            done(self._send(self.source.ordinary(TRAFFIC, seed=4)))
        with step(self.console, "Check for drift") as done:
            report = self._check_drift()
            done(f"{_words(report)} in {report['rows']:,} predictions")
        self._expect(report["verdict"] == "no_drift", "ordinary customers were called drifted")
        self._note("ordinary customers", f"{_words(report)}, {report['rows']:,} predictions")

    def customers_change(self) -> None:
        """Chapter 5: other customers come, and the drift check finds in what they differ."""
        customers, changed = self.source.shifted(TRAFFIC, seed=5)
        with step(self.console, f"Send {TRAFFIC:,} predictions for customers who differ") as done:
            done(f"{self._send(customers)}, other in {', '.join(changed)}")
        # What became of such customers is known by now, and lies in the bucket when drift is
        # detected. It arrives within the cool-down of the first training, so it waits.
        with step(self.console, "Put labelled history of such customers into the bucket") as done:
            history, _ = self.source.shifted(3_000, seed=6)
            self._put(NEW_HISTORY, _csv(history))
            self._until(self._waits_for_cooldown, "the cool-down")
            done(f"{len(history):,} customers; no retraining by itself: cooling down")
        with step(self.console, "Check for drift again") as done:
            report = self._check_drift()
            done(f"{_words(report)} in {report['rows']:,} predictions")
        self.console.print(_drift_table(report))
        found = {c["name"] for c in report["columns"] if c["drifted"]} - {"churn_probability"}
        self._expect(report["verdict"] == "drift", "the shifted customers went unnoticed")
        self._expect(
            found == set(changed),
            f"drift was found in {sorted(found)}, though {sorted(changed)} were shifted",
        )
        self._note("shifted customers", f"drift found in exactly the {len(found)} shifted features")

    def retrain(self) -> None:
        """Chapter 6: the event has started a training; its model takes over without a restart."""
        before = self._api("GET", "/model")["promotions"][0]["version"]
        with step(self.console, "Retrain, compare, promote, serve") as done:
            model = self._until(lambda: self._model_other_than(before), "the second model")
            self._expect(model["trigger"] == "drift", f"{model['trigger']} trained it, not drift")
            done(f"{model['version']}: {model['decision']['reason']}")
        answer = self._api("POST", "/predict", self._someone())
        self._expect(answer["model_version"] == model["version"], "the API serves another model")
        self._note("retrained on drift", f"{model['version']} promoted and serving")
        self._note("why", model["decision"]["reason"])

    def the_end(self) -> Table:
        """Chapter 7: what happened."""
        table = Table(title="What happened", show_header=False)
        for what, how in self.happened:
            table.add_row(what, how)
        return table

    def curl(self) -> str:
        """Return a command that asks the API for a prediction."""
        return (
            f"curl -s {self.stack.api_url}/predict -H 'x-api-key: {self.stack.api_key}'"
            " -H 'content-type: application/json'"
            f" -d '{json.dumps(self._someone())}'"
        )

    def _someone(self) -> dict[str, Any]:
        return to_json(self.source.ordinary(1, seed=7), self.source.schema)[0]

    def _send(self, customers: pd.DataFrame) -> str:
        """Send customers to the API, most of them in batches and some one by one."""
        rows = to_json(customers, self.source.schema)
        started = time.perf_counter()
        for row in rows[:10]:
            self._api("POST", "/predict", row)
        for batch in batched(rows[10:], 250, strict=False):
            self._api("POST", "/predict/batch", list(batch))
        return f"{len(rows) / (time.perf_counter() - started):,.0f} a second"

    def _check_drift(self) -> dict[str, Any]:
        """Invoke the function that the schedule invokes."""
        answer = self.emulator.client("lambda").invoke(
            FunctionName=self.stack.drift_function, Payload=b"{}"
        )
        report: dict[str, Any] = json.loads(answer["Payload"].read())
        self._expect("FunctionError" not in answer, f"the drift check failed: {report}")
        return report

    def _api(self, method: str, path: str, body: object = None) -> Any:
        answer = httpx.request(
            method,
            self.stack.api_url + path,
            json=body,
            headers={"x-api-key": self.stack.api_key},
            timeout=60,
        )
        self._expect(answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def _model_other_than(self, version: str | None) -> dict[str, Any] | None:
        headers = {"x-api-key": self.stack.api_key}
        answer = httpx.get(f"{self.stack.api_url}/model", headers=headers, timeout=60)
        if answer.status_code != 200 or answer.json()["version"] == version:
            return None
        model: dict[str, Any] = answer.json()
        return model

    def _waits_for_cooldown(self) -> bool:
        return "cooling down until" in self._retraining_log()

    def _retraining_log(self) -> str:
        logs = self.emulator.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=self.stack.retrain_logs)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(event["message"] for event in events)

    def _until[T](self, look: Callable[[], T | None], what: str) -> T:
        """Look twice a second until there is something to see."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := look():
                return found
            self._check_failures()
            time.sleep(0.5)
        raise StoryError(f"{what} did not come within {PATIENCE:.0f} s:\n{self._retraining_log()}")

    def _check_failures(self) -> None:
        """Stop waiting where a function has given up on an event."""
        found = self.emulator.client("sqs").receive_message(
            QueueUrl=self.stack.failure_queue_url, VisibilityTimeout=0
        )
        for message in found.get("Messages", ()):
            raise StoryError(f"an event could not be handled: {message['Body']}")

    def _put(self, key: str, content: bytes) -> None:
        self.emulator.client("s3").put_object(Bucket=self.stack.data_bucket, Key=key, Body=content)

    def _get(self, key: str) -> bytes | None:
        s3 = self.emulator.client("s3")
        try:
            content: bytes = s3.get_object(Bucket=self.stack.data_bucket, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        return content

    def _note(self, what: str, how: str) -> None:
        self.happened.append((what, how))

    def _expect(self, truth: bool, otherwise: str) -> None:
        if not truth:
            raise StoryError(otherwise)


def _words(report: dict[str, Any]) -> str:
    verdict: str = report["verdict"]
    return verdict.replace("_", " ")


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


def _csv(frame: pd.DataFrame) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(frame.columns)
    writer.writerows(frame.itertuples(index=False))
    return out.getvalue().encode()
