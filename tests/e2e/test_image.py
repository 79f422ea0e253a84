"""`make image` and `make image-run`: the API as containers behind one registry."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2 as httpx
import pytest

from evergreen.store import inference_log
from evergreen.store.registry import Registry
from local.containers import image
from local.containers.engine import Engine
from local.containers.localstack import reached
from local.demo.source import to_json
from local.demo.story import Story
from tests.ports import free_port

from .answers import ask, same_answers, timed
from .conftest import Command, Deployed, Make

Run = Callable[..., tuple[Command, str]]


@pytest.fixture
def customers(told: Story) -> list[dict[str, Any]]:
    return to_json(told.source.ordinary(20, seed=79), told.source.schema)


@pytest.fixture(scope="module", autouse=True)
def built(engine: Engine) -> None:
    image.build(engine)


@pytest.fixture
def run(make: Make, deployed: Deployed) -> Run:
    def start(*arguments: str) -> tuple[Command, str]:
        port = free_port()
        state = f"STATE={deployed.emulator.state}"
        command = make("image-run", state, f"API_PORT={port}", *arguments)
        url = f"http://127.0.0.1:{port}"
        command.until(lambda: answers(url))
        return command, url

    return start


def answers(url: str, path: str = "/ready") -> bool:
    try:
        return httpx.get(url + path, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def logged(deployed: Deployed) -> set[str]:
    now = datetime.now(UTC) + timedelta(minutes=1)
    objects = inference_log.read(deployed.bucket("log"), timedelta(hours=2), now)
    return {record["prediction_id"] for records in objects for record in records}


def test_it_answers_as_the_deployment_does(
    run: Run,
    deployed: Deployed,
    engine: Engine,
    customers: list[dict[str, Any]],
    tell: Callable[[str], None],
) -> None:
    started = time.perf_counter()
    command, url = run()
    ready = time.perf_counter() - started
    tell(f"image: ready after {ready:.1f} s, " + timed(url, customers[0]))
    given = ask(url, customers)
    assert {answer["prediction_id"] for answer in given} <= logged(deployed)
    same_answers(deployed, given, customers)
    assert answers(url, "/docs")

    name = f"evergreen-{url.rpartition(':')[2]}"
    assert engine.run("exec", name, "python", "-c", "import os; print(os.getuid())") == "65532"
    health = "{{.State.Health.Status}}"
    command.until(lambda: engine.run("inspect", "--format", health, name) == "healthy", 30)


def test_a_stop_under_load_loses_no_record(
    run: Run, deployed: Deployed, customers: list[dict[str, Any]]
) -> None:
    command, url = run("WORKERS=2")
    answered: list[str] = []
    stopped = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not stopped.is_set():
                try:
                    answer = client.post("/predict", json=customers[0])
                except httpx.TransportError:
                    continue  # it stops, and takes no more requests
                answered.append(answer.json()["prediction_id"])

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    command.until(lambda: len(answered) > 200)
    command.interrupt()
    stopped.set()
    for thread in threads:
        thread.join()
    assert len(answered) > 200
    assert set(answered) <= logged(deployed)


def test_a_request_that_is_under_way_when_it_stops_is_answered(
    run: Run, deployed: Deployed, customers: list[dict[str, Any]]
) -> None:
    command, url = run()
    ask(url, customers[:1])
    localstack = json.loads((deployed.emulator.state / "emulator.json").read_bytes())["pid"]
    with ThreadPoolExecutor(2) as pool:
        os.kill(localstack, signal.SIGSTOP)  # Firehose does not answer
        try:
            waiting = pool.submit(ask, url, customers[:1])
            time.sleep(0.5)
            stopping = pool.submit(command.interrupt)
            time.sleep(0.5)
            assert not waiting.done()
            assert not stopping.done()
        finally:
            os.kill(localstack, signal.SIGCONT)
        (answer,) = waiting.result()
        stopping.result()
    assert answer["prediction_id"] in logged(deployed)


def test_two_containers_follow_one_pointer(
    deployed: Deployed, engine: Engine, customers: list[dict[str, Any]], told: Story
) -> None:
    registry = Registry(deployed.bucket("model"))
    champion = registry.pointer()
    *_, oldest = registry.manifests()
    first = oldest.version
    assert first != champion.version
    ports = [free_port(), free_port()]
    urls = [f"http://127.0.0.1:{port}" for port in ports]

    def versions() -> set[str]:
        return {ask(url, customers[:1])[0]["model_version"] for url in urls}

    with ExitStack() as stack:
        localstack = stack.enter_context(reached(engine, 0, deployed.emulator.state))
        for port in ports:
            stack.enter_context(image.running(engine, localstack, port, workers=1))
        eventually(lambda: all(map(answers, urls)))
        assert versions() == {champion.version}
        registry.promote(first, seen=champion, reason="a rollback")
        try:
            eventually(lambda: versions() == {first})
        finally:
            registry.promote(champion.version, seen=registry.pointer(), reason="forward again")
        eventually(lambda: versions() == {champion.version})


def eventually(look: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(0.2)
