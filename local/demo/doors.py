"""The doors of the deployed system that a story goes through: HTTP, the buckets, the functions."""

import csv
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any, NamedTuple

import httpx2 as httpx
import pandas as pd

from local.demo.stack import Emulator, Outputs

PATIENCE = 180.0
"""Seconds after which something that should happen by itself counts as failed."""

_BATCH = 250


class StoryError(Exception):
    """The system did not do what the story says that it does."""


def expect(truth: bool, otherwise: str) -> None:
    """Raise StoryError unless something is true."""
    if not truth:
        raise StoryError(otherwise)


class Sent(NamedTuple):
    """Customers who were predicted for."""

    answers: list[dict[str, Any]]
    seconds: float

    def __str__(self) -> str:
        """Say how fast that was."""
        return f"{len(self.answers) / self.seconds:,.0f} a second"


@dataclass(frozen=True, slots=True)
class Doors:
    """The deployed system, as those meet it who use it."""

    emulator: Emulator
    stack: Outputs

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API; whatever is no success ends the story."""
        answer = self._ask(method, path, body)
        expect(answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def model(self) -> dict[str, Any] | None:
        """Describe the model that serves; None where there is none."""
        answer = self._ask("GET", "/model")
        model: dict[str, Any] = answer.json()
        return model if answer.is_success else None

    def send(self, customers: Sequence[dict[str, Any]]) -> Sent:
        """Send customers to the API, most of them in batches and some one by one."""
        started = time.perf_counter()
        answers = [self.api("POST", "/predict", customer) for customer in customers[:10]]
        for batch in batched(customers[10:], _BATCH, strict=False):
            answers += self.api("POST", "/predict/batch", list(batch))["predictions"]
        return Sent(answers, time.perf_counter() - started)

    def check_drift(self) -> dict[str, Any]:
        """Invoke the function that the schedule invokes."""
        return self._invoke(self.stack.drift_function, {})

    def measure(self) -> dict[str, Any]:
        """Invoke the function that holds predictions against outcomes, as its schedule does."""
        return self._invoke(self.stack.measure_function, {})

    def page(self) -> str:
        """Get the latest drift report as people read it."""
        answer = self._ask("GET", "/drift", accept="text/html")
        expect(answer.is_success, f"GET /drift: {answer.status_code} {answer.text}")
        return str(answer.text)

    def retrain(self, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke the function that drift, uploads and a schedule invoke, and wait for its end."""
        return self._invoke(self.stack.retrain_function, event)

    def put(self, key: str, content: bytes) -> None:
        """Put a file into the data bucket."""
        self.emulator.client("s3").put_object(Bucket=self.stack.data_bucket, Key=key, Body=content)

    def get(self, key: str) -> bytes | None:
        """Get a file of the data bucket; None where there is none."""
        s3 = self.emulator.client("s3")
        try:
            content: bytes = s3.get_object(Bucket=self.stack.data_bucket, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        return content

    def until[T](self, look: Callable[[], T | None], what: str) -> T:
        """Look twice a second until there is something to see."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := look():
                return found
            self._check_failures()
            time.sleep(0.5)
        raise StoryError(f"{what} did not come within {PATIENCE:.0f} s:\n{self.retraining_log()}")

    def retraining_log(self) -> str:
        """Return what the retraining function has logged."""
        logs = self.emulator.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=self.stack.retrain_logs)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(event["message"] for event in events)

    def _ask(
        self, method: str, path: str, body: object = None, accept: str = "application/json"
    ) -> Any:
        return httpx.request(
            method,
            self.stack.api_url + path,
            json=body,
            headers={"x-api-key": self.stack.api_key, "accept": accept},
            timeout=60,
        )

    def _invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = self.emulator.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
        result: dict[str, Any] = json.loads(answer["Payload"].read())
        expect("FunctionError" not in answer, f"{function} failed: {result}")
        return result

    def _check_failures(self) -> None:
        """Stop waiting where a function has given up on an event."""
        found = self.emulator.client("sqs").receive_message(
            QueueUrl=self.stack.failure_queue_url, VisibilityTimeout=0
        )
        for message in found.get("Messages", ()):
            raise StoryError(f"an event could not be handled: {message['Body']}")


def as_csv(frame: pd.DataFrame) -> bytes:
    """Return customers as the file that a company would upload."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(frame.columns)
    writer.writerows(frame.itertuples(index=False))
    return out.getvalue().encode()
