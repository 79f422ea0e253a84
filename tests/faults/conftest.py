"""The account in which things go wrong, and the functions that run in it."""

import hashlib
import io
import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, tzinfo
from functools import cache
from importlib import import_module
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from aws_lambda_powertools import Logger
from botocore.client import BaseClient

from evergreen.customers.schema import Schema
from evergreen.customers.table import Table
from evergreen.jobs.drift import monitoring, publishing
from evergreen.jobs.learning.cohort import Cohort
from evergreen.jobs.learning.gate import Gate
from evergreen.jobs.learning.history import History
from evergreen.jobs.outcomes import intake
from evergreen.jobs.steering import replaying
from evergreen.models import training
from evergreen.models.artifact import Artifact
from evergreen.models.candidates import Candidate
from evergreen.models.known import Known
from evergreen.models.model import Model
from evergreen.models.reference import Reference
from evergreen.models.training import Labelled
from evergreen.store import aws, lock, outcomes, ranges
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.demo.stack import ROOT
from tests.policies import ALLOWED, granted

from .injection import Faults
from .memory import Memory
from .scenarios import A_PERSON, SCENARIOS, World

SETTINGS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "EVERGREEN_DATA_BUCKET": "evergreen-data",
    "EVERGREEN_MODEL_BUCKET": "evergreen-models",
    "EVERGREEN_LOG_BUCKET": "evergreen-logs",
    "EVERGREEN_LOG_STREAM": "evergreen-inference",
    "EVERGREEN_MODEL_REFRESH_SECONDS": "0",
    "EVERGREEN_OUTCOME_HORIZON_DAYS": "0.5",
    "EVERGREEN_SCORE_MACHINE": "arn:aws:states:us-east-1:123456789012:stateMachine:evergreen-score",
    "EVERGREEN_SCORE_PART_MEGABYTES": "0.0042",
    "EVERGREEN_DRIFT_MACHINE": "arn:aws:states:us-east-1:123456789012:stateMachine:evergreen-drift",
    "EVERGREEN_DRIFT_PART_MEGABYTES": "0.2",
}
MODULES = {path.stem for path in ROOT.glob("functions/*/*.py")}

_known: dict[Any, Any] = {}


def remember(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, key: Callable[..., object]
) -> None:
    """Let a pure function work once for the same input, and answer from memory after that."""
    function = getattr(owner, name)

    def remembered(*given: Any, **named: Any) -> Any:
        which = (owner, name, key(*given, **named))
        if which not in _known:
            _known[which] = function(*given, **named)
        return _known[which]

    monkeypatch.setattr(owner, name, remembered)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do once what costs time and is no call, and wait for nothing: what goes wrong are calls."""
    for owner, name, key in (
        (training, "train", lambda schema, rows: _digest(rows)),
        (training, "version_files", lambda schema, rows, trained, more: (_digest(rows), str(more))),
        (Model, "load", lambda version: version.manifest.to_bytes()),
        (Reference, "load", lambda version: version.manifest.to_bytes()),
        (Table, "read", lambda content, name, *_, **__: (content, name)),
        (monitoring, "joint", lambda then, now, _: (_digest(then), _digest(now))),
        (publishing, "page", lambda *given: str(given)),
        (History, "cohort", lambda self, schema, known: (str(self.columns), _digest(known))),
        (Gate, "suspicions", lambda self, cohort: (self.champion.version, _digest(cohort))),
        (
            Gate,
            "judge",
            lambda self, schema, cohort, *_, **w: (self.champion.version, _digest(cohort), str(w)),
        ),
    ):
        remember(monkeypatch, owner, name, key)
    monkeypatch.setattr(training, "candidates", lambda recent, _: [everyone(recent)])
    monkeypatch.setattr(lock, "time", Hurried())


def everyone(recent: Any) -> Candidate:
    """The one way to learn that is tried, instead of three."""
    return Candidate("all", np.ones_like(recent))


class Hurried:
    """A clock on which waiting costs no time."""

    waited = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.waited

    def sleep(self, seconds: float) -> None:
        self.waited += seconds


def _digest(given: object) -> str:
    """Name something by all that is in its arrays."""
    digest = hashlib.sha256()

    def take(each: object) -> None:
        if isinstance(each, np.ndarray):
            digest.update(each.tobytes() if each.dtype != object else str(each.tolist()).encode())
        elif isinstance(each, Labelled | Cohort | Known):
            for name in each.__slots__:
                take(getattr(each, name))

    take(given)
    return digest.hexdigest()


@pytest.fixture
def world(
    monkeypatch: pytest.MonkeyPatch,
    quick: None,
    schema: Schema,
    frame: pd.DataFrame,
    version: Artifact,
    model: Model,
) -> Iterator[World]:
    """An account with nothing in it."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    buckets = [value for name, value in SETTINGS.items() if name.endswith("_BUCKET")]
    faults = Faults(Memory({name: {} for name in buckets}, unversioned={"evergreen-logs"}))
    monkeypatch.setattr(
        BaseClient,
        "_make_api_call",
        lambda client, operation, given: faults.call(client, operation, given),
    )
    client = cache(aws.client)
    monkeypatch.setattr(aws, "client", lambda service, **_: client(service))
    monkeypatch.setattr(ranges, "SMALLEST_PART", 1_000)
    monkeypatch.setattr(intake, "PART", 3)
    monkeypatch.setattr(outcomes, "_FEW", 0)
    monkeypatch.setattr(replaying, "TOGETHER", 3)
    data, models, logs = (Bucket(aws.client("s3"), name) for name in buckets)
    functions = Functions(monkeypatch)
    registry = Registry(models)
    world = World(faults, data, registry, logs, schema, frame, version, model, functions)
    log = logging.getLogger("evergreen")
    ours = _Kept(world.undelivered)
    if not log.handlers:
        Logger(service="evergreen")  # is set up once, by whichever function is first
    for handler in log.handlers:
        handler.stream = io.StringIO()  # type: ignore[attr-defined]
    log.addHandler(ours)
    yield world
    log.removeHandler(ours)
    for name in MODULES:
        sys.modules.pop(name, None)


def hurrying() -> type[datetime]:
    """A clock that has gone on by an hour whenever somebody looks."""
    hours = count(1)

    class Hurrying(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Hurrying":
            return super().now(tz) + timedelta(hours=next(hours))

    return Hurrying


class Functions:
    """The functions' modules, imported as Lambda does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.apps: dict[str, ModuleType] = {}

    def handler(self, name: str) -> Callable[[Any, Any], Any]:
        if name not in self.apps:
            sys.modules.pop("app", None)
            self.monkeypatch.syspath_prepend(ROOT / "functions" / name)
            self.apps[name] = import_module("app")
            if name == "score":
                self.monkeypatch.setattr(self.apps[name], "datetime", hurrying())
        return self.apps[name].handler  # type: ignore[no-any-return]

    def begin(self) -> None:
        """Let a new process begin: what the old one kept in memory is gone."""
        for name in MODULES & sys.modules.keys():
            for each in vars(sys.modules[name]).values():
                if hasattr(each, "cache_clear"):
                    each.cache_clear()


class _Kept(logging.Handler):
    """Keeps the records that a function's log keeps."""

    def __init__(self, lines: list[bytes]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if line := getattr(record, "record", None):
            self.lines.append(line.encode())


@pytest.fixture
def survived(request: pytest.FixtureRequest) -> Callable[[int, set[str]], None]:
    """Counts the faults that were survived, and keeps which rights that took, for the summary."""

    def note(number: int, used: set[str]) -> None:
        told = [request.node.callspec.params["name"], number, sorted(used)]
        request.node.user_properties.append(("survived", told))

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many faults each scenario survived, and the rights that none has used."""
    survived, used = Counter[str](), defaultdict[str, set[str]](set)
    for report in terminalreporter.getreports("passed"):
        for kind, told in report.user_properties:
            if kind == "survived" and report.when == "call":
                name, number, statements = told
                survived[name] += number
                used[SCENARIOS[name].role or A_PERSON].update(statements)
    if survived:
        terminalreporter.section(f"{survived.total():,} faults survived")
        for name, number in survived.items():
            terminalreporter.line(f"{number:6,}  {name}")
    if survived.keys() == SCENARIOS.keys():
        terminalreporter.section("rights that no scenario has used")
        for role in sorted(used.keys() & ALLOWED.keys()):
            for statement in sorted(granted(role) - used[role]):
                terminalreporter.line(f"{role}: {statement}")
