"""What `make soak` does and how it keeps its books, with the functions in this process."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

import boto3
import orjson
import pytest
from fastapi.testclient import TestClient

from evergreen.jobs.answering.champion import Champion
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.demo.doors import Doors
from local.demo.source import find
from local.demo.stack import ROOT, Outputs
from tests.soak.books import Books
from tests.soak.load import TOLD_FILE, UNREADABLE, Load

from .test_handlers import Context, function

__all__ = ["function"]

FILE = f"{keys.OUTCOMES}a.csv"


@dataclass(frozen=True)
class Here(Doors):
    """The doors of a system whose functions are in this process."""

    handler: Callable[[dict[str, Any], Context], dict[str, Any]]

    def measure(self) -> dict[str, Any]:
        return self.handler({}, Context())

    def take_in(self, key: str) -> dict[str, Any]:
        detail = {"object": {"key": key}}
        return self.handler({"detail-type": "Object Created", "detail": detail}, Context())


class Moto:
    """In place of LocalStack."""

    endpoint = "http://127.0.0.1:1"

    def client(self, service: str) -> Any:
        return boto3.client(service)  # type: ignore[call-overload]


@pytest.fixture
def here(function: Callable[[str], Any], data: Bucket, models: Bucket, logs: Bucket) -> Here:
    queue = boto3.client("sqs").create_queue(QueueName="failures")["QueueUrl"]
    outputs = {name: name for name in Outputs.__dataclass_fields__}
    outputs |= {"data_bucket": data.name, "model_bucket": models.name, "log_bucket": logs.name}
    stack = Outputs(**outputs | {"api_url": "", "failure_queue_url": queue})
    return Here(Moto(), stack, function("measure").handler)  # type: ignore[arg-type]


@pytest.fixture
def client(
    monkeypatch: pytest.MonkeyPatch, logs: Bucket, registry: Registry, promoted: object
) -> Iterator[TestClient]:
    monkeypatch.syspath_prepend(ROOT / "functions/predict")
    from api import create_app

    def ship(records: Sequence[object]) -> None:
        now = datetime.now(UTC)
        logs.put(f"{keys.inference_hour(now)}{now:%f}", b"\n".join(map(orjson.dumps, records)))

    champion = Champion(registry, timedelta(days=1), time)
    with TestClient(create_app(champion, ship, lambda: logs)) as client:
        yield client


@pytest.fixture
def load(here: Here, client: TestClient) -> Load:
    """A load that has asked and told a little of everything."""
    load = Load(here, find(None, None), ["one", "two"])  # type: ignore[arg-type]
    for act in (load._tell, load._one, load._batch, load._one, *[load._tell] * 20):
        act(client)
    for key in (FILE, f"{keys.OUTCOMES}b.csv", FILE):
        load._put_outcomes(key)
        here.take_in(key)
    return load


@pytest.fixture
def books(here: Here, load: Load) -> Books:
    return Books(here, since=datetime.now(UTC))


def test_the_books_of_a_sound_system_agree(books: Books, load: Load) -> None:
    books.read()
    assert books.complete(load.ledger)
    assert [*books.faults(load.ledger)] == []
    assert len(books.told) == len(load.ledger.outcomes) == len(load.ledger.told) + 2 * TOLD_FILE
    assert books.measured["matched"] == books.measured["received"] == len(books.told)


def test_no_two_outcomes_are_the_same(load: Load) -> None:
    told = [*load._outcomes(3_000), *load._outcomes(3_000)]
    assert len({*told}) == len(told)


def test_what_is_lost_of_outcomes_is_told(books: Books, load: Load, logs: Bucket) -> None:
    lost, *_ = logs.list(keys.OUTCOMES)
    logs.delete(lost.key)
    books.read()
    faults = [*books.faults(load.ledger)]
    assert any("accepted and never kept" in fault for fault in faults)
    assert any("were measured" in fault for fault in faults)


def test_a_file_that_is_put_again_and_not_taken_is_told(books: Books, load: Load) -> None:
    load._put_outcomes(FILE)
    books.read()
    assert not books.complete(load.ledger)
    faults = [*books.faults(load.ledger)]
    assert f"{FILE} was not taken in in its last version" in faults
    assert any(f"{TOLD_FILE} outcomes were kept, and never accepted" in fault for fault in faults)


def test_a_file_of_which_another_number_of_rows_is_taken_is_told(books: Books, load: Load) -> None:
    load.ledger.filed[-1] = replace(load.ledger.filed[-1], bad=UNREADABLE + 1)
    books.read()
    counts = f"{TOLD_FILE} accepted, {UNREADABLE} rejected"
    assert [*books.faults(load.ledger)] == [f"{FILE} was received: {counts}"]
