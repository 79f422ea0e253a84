"""LocalStack as containers reach it: the one that runs on this machine, or one of Compose's."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import yaml
from botocore.exceptions import ClientError

from evergreen.customers.schema import Schema
from evergreen.models import artifact
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.containers import base
from local.containers.engine import Engine, EngineError
from local.containers.forward import forward
from local.demo.stack import ROOT, TOOLS, Emulator, outputs

COMPOSE_FILE = ROOT / "local/compose.yaml"
PROJECT = "evergreen"
_HEALTHY_WITHIN = 90.0


@dataclass(frozen=True, slots=True)
class LocalStack:
    """Where AWS is, for this machine and for containers."""

    host: Emulator
    """For this machine."""
    endpoint: str
    """For containers."""
    network: str
    """The Docker network that containers have to be on."""
    variables: Mapping[str, str]
    """The functions' own environment: `EVERGREEN_*`."""

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a container."""
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
        clients = {name: self.host.environ[name] for name in names}
        return {**clients, "AWS_ENDPOINT_URL": self.endpoint, **self.variables}

    def set_up(self) -> str:
        """Make what is missing: buckets, stream, customers, a first model; name the champion.

        Raises:
            EngineError: the set-up failed.

        """
        done = subprocess.run(
            [sys.executable, "-m", "local.containers.setup"],
            cwd=ROOT,
            env={**self.host.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EngineError("\n".join(done.stderr.strip().splitlines()[-5:]))
        return done.stdout.strip().rpartition("\n")[2]

    def schema(self) -> Schema:
        """Return what the served model takes."""
        registry = Registry(
            Bucket(self.host.client("s3"), self.variables["EVERGREEN_MODEL_BUCKET"])
        )
        version = registry.pointer().version
        return Schema.parse(registry.fetch(version, [artifact.SCHEMA]).files[artifact.SCHEMA])


@dataclass(frozen=True, slots=True)
class Compose:
    """local/compose.yaml on an engine."""

    engine: Engine
    command: tuple[str, ...]

    @classmethod
    def find(cls, engine: Engine, port: int) -> "Compose":
        """Find Docker Compose, and the images to begin with; raises EngineError."""
        for command in (("docker", "compose"), ("docker-compose",)):
            with suppress(EngineError):
                engine.command(*command, "version")
                break
        else:
            raise EngineError("neither `docker compose` nor `docker-compose` is installed")
        environ = {
            **engine.environ,
            "PORT": str(port),
            "BASE": base.python().ensure(engine),
            "LOCALSTACK_IMAGE": base.localstack().ensure(engine),
        }
        options = ("--project-name", PROJECT, "--file", str(COMPOSE_FILE))
        return cls(Engine(environ), (*command, *options))

    def build(self) -> None:
        """Build the images, in sight; raises EngineError."""
        environ = dict(self.engine.environ)
        if subprocess.run((*self.command, "build"), env=environ, check=False).returncode:
            raise EngineError("the images could not be built")

    def run(self, *arguments: str) -> str:
        """Run it and return what it prints; raises EngineError."""
        return self.engine.command(*self.command, *arguments)


@contextmanager
def reached(engine: Engine, port: int, state: Path) -> Iterator[LocalStack]:
    """Find the LocalStack that runs already, or run one for as long as the block lasts.

    Args:
        engine: whose containers need it.
        port: of the one to start, on the loopback interface.
        state: the folder of the one that `make up` or `make demo` may have started.

    Raises:
        EngineError: it can't be started, or the template is not deployed there.

    """
    if running := _running(state):
        with _on_this_machine(engine, running) as found:
            yield found
    else:
        with _of_compose(engine, port, state) as found:
            yield found


def _running(state: Path) -> Emulator | None:
    python = TOOLS / "emulator/bin/python"
    command = [str(python), "-m", "evergreen_emulator", "status", "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    port = re.search(r"http://127\.0\.0\.1:(\d+)", done.stdout)
    return Emulator(int(port[1]), state) if done.returncode == 0 and port else None


@contextmanager
def _on_this_machine(engine: Engine, emulator: Emulator) -> Iterator[LocalStack]:
    try:
        function = outputs(emulator).predict_function
    except ClientError:
        raise EngineError(
            f"LocalStack at {emulator.endpoint} has no Evergreen: make down, or make up"
        ) from None
    found = emulator.client("lambda").get_function_configuration(FunctionName=function)
    declared = found["Environment"]["Variables"]
    variables = {name: declared[name] for name in declared if name.startswith("EVERGREEN_")}
    gateway = engine.gateway()
    with ExitStack() as stack:
        try:
            port = stack.enter_context(forward(gateway, emulator.port))
        except OSError as error:  # Docker Desktop's, and a rootless engine's, are elsewhere
            raise EngineError(
                f"containers can't reach {emulator.endpoint}: the bridge's address {gateway} is not"
                f" this machine's ({error.strerror}); make down, and LocalStack runs in a container"
            ) from None
        yield LocalStack(emulator, f"http://{gateway}:{port}", "bridge", variables)


@contextmanager
def _of_compose(engine: Engine, port: int, state: Path) -> Iterator[LocalStack]:
    compose = Compose.find(engine, port)
    ours = not compose.run("ps", "--quiet", "localstack")
    emulator = Emulator(port, state)
    declared = yaml.safe_load(COMPOSE_FILE.read_text())["x-environment"]
    variables = {name: declared[name] for name in declared if name.startswith("EVERGREEN_")}
    try:
        compose.run("up", "--detach", "localstack")
        _await_health(emulator)
        yield LocalStack(emulator, declared["AWS_ENDPOINT_URL"], f"{PROJECT}_default", variables)
    finally:
        if ours:
            compose.run("down", "--volumes")


def _await_health(emulator: Emulator) -> None:
    deadline = time.monotonic() + _HEALTHY_WITHIN
    while time.monotonic() < deadline:
        try:
            with urlopen(f"{emulator.endpoint}/_localstack/health", timeout=5):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise EngineError(f"LocalStack did not answer at {emulator.endpoint}")
