"""The `evergreen` command as a shell runs it, on a stack of which the outputs are made up."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from mypy_boto3_logs import CloudWatchLogsClient

from evergreen.cli import app as cli
from evergreen.cli import output
from evergreen.store import metrics, stack
from evergreen.store.registry import Registry

GROUP = "/evergreen/evergreen/predict"


@dataclass
class Shell:
    """Runs commands."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    outputs: dict[str, str]
    error: str = ""
    """What the last one said on stderr."""

    def __post_init__(self) -> None:
        self.monkeypatch.setattr(output.console, "width", 200)
        known = {"evergreen": self.outputs}
        self.monkeypatch.setattr(stack, "outputs", lambda name: known.get(name, {}))

    def __call__(self, *arguments: object, code: int = 0, stdin: bytes = b"") -> str:
        """Run a command that ends with this code; returns what it says on stdout."""
        self.monkeypatch.setattr(sys, "argv", ["evergreen", *map(str, arguments)])
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        ended = cli.main()
        said = self.capsys.readouterr()
        self.error = said.err
        assert "Traceback" not in said.err
        assert ended == code, said
        return said.out

    def json(self, *arguments: object, code: int = 0, stdin: bytes = b"") -> Any:
        """Run a command with --json, and read its answer."""
        return json.loads(self(*arguments, "--json", code=code, stdin=stdin))


ShellOn = Callable[..., Shell]


@pytest.fixture
def shell_on(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    registry: Registry,
    tmp_path: Path,
) -> ShellOn:
    """Makes a shell in an empty folder, on a stack with a model bucket and these outputs."""
    monkeypatch.chdir(tmp_path)

    def make(**outputs: str) -> Shell:
        return Shell(monkeypatch, capsys, {"ModelBucket": registry.bucket.name, **outputs})

    return make


class Predictor:
    """Writes into the predictor's log as Lambda does."""

    def __init__(self) -> None:
        self.client: CloudWatchLogsClient = boto3.client("logs")
        self.client.create_log_group(logGroupName=GROUP)
        self.client.create_log_stream(logGroupName=GROUP, logStreamName="a")

    def writes(self, *lines: tuple[datetime, str]) -> None:
        events = [
            {"timestamp": int(at.timestamp() * 1_000), "message": m} for at, m in sorted(lines)
        ]
        self.client.put_log_events(
            logGroupName=GROUP,
            logStreamName="a",
            logEvents=events,  # type: ignore[arg-type]
        )

    def keeps(self, *records: dict[str, Any]) -> None:
        self.writes(*((datetime.fromisoformat(r["predicted_at"]), kept(r)) for r in records))


def kept(record: dict[str, Any]) -> str:
    line = json.dumps(record) + "\n"
    return json.dumps({"level": "ERROR", "message": metrics.UNDELIVERED, "record": line})


def record(number: int, at: datetime) -> dict[str, Any]:
    return {
        "prediction_id": f"p{number:03}",
        "predicted_at": at.isoformat(),
        "model_version": "v",
        "churn_probability": 0.5,
        "customer": {"name": "Zoë"},
    }


@pytest.fixture
def predictor() -> Predictor:
    return Predictor()
