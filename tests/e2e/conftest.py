import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from rich.console import Console

from evergreen.store.registry import MoveKind, Registry
from evergreen.store.s3 import Bucket
from local.containers.engine import Engine, EngineError, find, missing, private
from local.demo import source
from local.demo.doors import Doors
from local.demo.stack import ROOT, TOOLS, Emulator, Outputs, build, deploy
from local.demo.story import Story
from tests.ports import free_port

TOLD = "told"
EARLY = "incoming/early.csv"
REFRESHED = 1.5
"""Seconds: longer than ModelRefreshSeconds of the local deployment."""


def require(condition: object, missing: str) -> None:
    """Skip for want of something; where nothing may be skipped, fail."""
    if not condition:
        (pytest.fail if os.environ.get("EVERGREEN_REQUIRE_ALL") else pytest.skip)(missing)


def require_docker(lacking: str | None) -> None:
    """Skip for want of Docker, as `require`; REQUIRE_DOCKER=1 says that it must be there."""
    if lacking:
        (pytest.fail if os.environ.get("REQUIRE_DOCKER") == "1" else pytest.skip)(lacking)


def eventually[T](look: Callable[[], T], seconds: float = 60) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert found, f"nothing within {seconds} s"
    return found


@dataclass(frozen=True)
class Deployed:
    """The template on an emulator of the tests' own."""

    emulator: Emulator
    outputs: Outputs

    @property
    def doors(self) -> Doors:
        return Doors(self.emulator, self.outputs)

    def bucket(self, name: str) -> Bucket:
        return Bucket(self.emulator.client("s3"), getattr(self.outputs, f"{name}_bucket"))

    def api(
        self, method: str, path: str, body: object = None, *, key: bool = True, accept: str = "*/*"
    ) -> Any:
        headers = {"accept": accept} | ({"x-api-key": self.outputs.api_key} if key else {})
        url = self.outputs.api_url + path
        return httpx.request(method, url, json=body, headers=headers, timeout=60)

    def invoke(self, function: str, event: object) -> Any:
        name = getattr(self.outputs, f"{function}_function")
        payload = json.dumps(event).encode()
        answer = self.emulator.client("lambda").invoke(FunctionName=name, Payload=payload)
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.loads(answer["Payload"].read())

    @contextmanager
    def serving(self, version: str) -> Iterator[None]:
        """Let a version serve within the block, and after it the one before again."""
        registry = Registry(self.bucket("model"))
        before = registry.pointer()
        kind: MoveKind = "promotion"  # not a rollback, which would say that the version is bad
        moved = registry.promote(version, seen=before, reason="a test wants it", kind=kind)
        try:
            time.sleep(REFRESHED)
            yield
        finally:
            registry.promote(before.version, seen=moved, reason="the test is over", kind=kind)
            time.sleep(REFRESHED)

    @contextmanager
    def configured(self, function: str, **variables: str) -> Iterator[None]:
        """Let a function have other variables within the block."""
        client, name = self.emulator.client("lambda"), getattr(self.outputs, f"{function}_function")
        before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

        def configure(variables: dict[str, str]) -> None:
            client.update_function_configuration(
                FunctionName=name, Environment={"Variables": variables}
            )
            client.get_waiter("function_updated_v2").wait(
                FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )
            time.sleep(5)  # the emulator loses what it tells a function just after that

        try:
            configure(before | variables)
            yield
        finally:
            configure(before)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    for name in ("emulator", "runtime", "sam"):
        python = TOOLS / name / "bin/python"
        require(python.exists(), f"{python} is missing: run make test, which installs it")
    state = tmp_path_factory.mktemp("localstack")
    emulator = Emulator(free_port(), state)
    emulator.start()
    try:
        build(emulator)
        yield Deployed(emulator, deploy(emulator))
    finally:
        emulator.stop()
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def told(deployed: Deployed) -> Story:
    """The demo's story, on generated customers, told to its end.

    A file that was put in before there was any model waits meanwhile.
    """
    customers = source.find(None, None)
    early = customers.ordinary(20, seed=40).to_csv(index=False).encode()
    deployed.bucket("data").put(EARLY, early, "text/csv")
    story = Story(Console(), deployed.doors, customers)
    story.tell()
    return story


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The machine's Docker engine or, where there is none, one that ends with the tests."""
    try:
        found = find()
    except EngineError as none:
        lacking = missing()
        require_docker(lacking and f"{none}; none can be started either: {lacking}")
        with private() as found:
            yield found
    else:
        yield found


@pytest.fixture
def nothing_left(engine: Engine) -> Iterator[Callable[[], None]]:
    """Asserts, when called and at the end, that the engine has what it had at the beginning."""

    def holds() -> tuple[set[str], set[str]]:
        containers = engine.run("ps", "--all", "--format", "{{.Names}}")
        networks = engine.run("network", "ls", "--format", "{{.Name}}")
        return set(containers.split()), set(networks.split())

    before = holds()

    def check() -> None:
        assert holds() == before

    yield check
    check()


@dataclass
class Command:
    """A make target at work, and what it prints."""

    process: subprocess.Popen[bytes]
    log: Path
    mark: str

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, condition: Callable[[], object], seconds: float = 180) -> None:
        """Wait for something that the target should bring about."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"status {self.process.poll()} after:\n{self.printed[-3000:]}")
            time.sleep(0.1)

    def interrupt(self) -> int:
        """Press Ctrl-C, and wait for the end."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(90)

    def family(self) -> list[str]:
        """The processes that the target started, wherever they are by now."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and self.mark in (entry / "environ").read_text():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
        return found


Make = Callable[..., Command]


@pytest.fixture
def make(engine: Engine, tmp_path: Path, nothing_left: Callable[[], None]) -> Iterator[Make]:
    """Runs make targets in the background; interrupts those that still run at the end."""
    started: list[Command] = []

    def start(*arguments: str, **variables: str) -> Command:
        mark = f"EVERGREEN_TEST_{uuid.uuid4().hex}"
        log = tmp_path / f"{len(started)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["make", *arguments],
                cwd=ROOT,
                env={**engine.environ, **variables, mark: "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        started.append(Command(process, log, mark))
        return started[-1]

    yield start
    for command in started:
        if command.process.poll() is None:
            command.interrupt()
        assert not command.family()


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Add a line to the end of the tests' output."""
    return lambda line: record_property(TOLD, line)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in terminalreporter.stats.get("passed", ()):
        for name, line in report.user_properties:
            if name == TOLD and report.when == "call":
                terminalreporter.write_line(line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests are for one process where several share them (`-n 2 --dist loadgroup`)."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Refuse to run in processes that would each take some of what belongs together.

    pytest-xdist writes the group behind a test's name. With a pytest that it does not know yet it
    groups nothing, without a word.
    """
    if node.workerinput["workercount"] > 1 and not all("@" in name for name in ids):
        pytest.exit("several processes want --dist loadgroup, and an xdist that groups", 4)


def _group(item: pytest.Item) -> str:
    """Name those that look at an engine's containers, share a stack or LocalStack, or a file."""
    needs = getattr(item, "fixturenames", ())
    if "engine" in needs or item.path.stem == "test_engine":
        return "containers"
    return next((name for name in ("deployed", "emulator") if name in needs), item.path.stem)


@pytest.fixture
def telco() -> Path:
    path = Path(os.environ.get("EVERGREEN_TELCO_CSV", "../shared/data/telco.csv"))
    require(path.is_file(), f"no Telco table: neither EVERGREEN_TELCO_CSV nor {path} is a file")
    return path
