"""An emulator of our own, started and stopped through its command line."""

import io
import json
import os
import subprocess
import sys
import time
import uuid
import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, NoReturn

import boto3
import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
ROLE = "arn:aws:iam::000000000000:role/lambda"

sys.path.append(str(ROOT / "local/emulator"))  # for what of it needs no LocalStack


@dataclass(frozen=True, slots=True)
class Emulator:
    """One state folder, one port, and the commands that act on them."""

    python: Path
    lambda_python: Path
    state: Path
    port: int

    def command(self, verb: str, *arguments: str) -> list[str]:
        return [
            *(str(self.python), "-m", "evergreen_emulator", verb, "--state", str(self.state)),
            *arguments,
        ]

    def run(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *arguments),
            env={**os.environ, "EVERGREEN_SECRET": "not for functions"},
            capture_output=True,
            text=True,
            timeout=100,
        )

    @property
    def launch(self) -> list[str]:
        return ["--port", str(self.port), "--lambda-python", str(self.lambda_python)]

    def start(self) -> subprocess.CompletedProcess[str]:
        return self.run("start", *self.launch)

    def stop(self) -> subprocess.CompletedProcess[str]:
        return self.run("stop")

    @property
    def pid(self) -> int:
        return int(json.loads((self.state / "emulator.json").read_text())["pid"])

    @property
    def permissions(self) -> list[dict[str, str]]:
        """What functions were allowed and refused so far."""
        lines = (self.state / "data/permissions.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def role(self, *statements: dict[str, Any]) -> str:
        """Make a role that may do this, and return its ARN."""
        iam, name = self.client("iam"), f"r-{uuid.uuid4().hex[:8]}"
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
        return str(made["Role"]["Arn"])

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a caller of a function gets to see."""

    payload: Any
    error: str | None
    log: str


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function."""

    name: str
    client: Any

    def __call__(self, **event: object) -> Result:
        done = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event), LogType="Tail")
        log = b64decode(done["LogResult"]).decode() if "LogResult" in done else ""
        return Result(json.load(done["Payload"]), done.get("FunctionError"), log)


Deploy = Callable[..., Function]


def unavailable(reason: str) -> NoReturn:
    """Skip, except where every test has to run."""
    if os.environ.get("EVERGREEN_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def interpreter(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable, ROOT / default))
    if not path.exists():
        unavailable(f"{path} is missing (make it, or name another in {variable})")
    return path


def archive(**files: str) -> bytes:
    """A zip of files; `__` in a name stands for a slash, and .py is added to it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, content in files.items():
            target.writestr(name.replace("__", "/") + ".py", dedent(content))
    return buffer.getvalue()


def eventually(condition: Callable[[], Any], within: float = 10.0) -> Any:
    """The condition's first true value; what it last was if there is none in time."""
    deadline = time.monotonic() + within
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return value


@pytest.fixture(scope="session")
def new_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Emulator]]:
    made = []

    def make() -> Emulator:
        emulator = Emulator(
            python=interpreter("EVERGREEN_EMULATOR_PYTHON", ".tools/emulator/bin/python"),
            lambda_python=interpreter("EVERGREEN_LAMBDA_PYTHON", ".tools/runtime/bin/python"),
            state=tmp_path_factory.mktemp("emulator") / "state",
            port=free_port(),
        )
        made.append(emulator)
        return emulator

    yield make
    for emulator in made:
        emulator.stop()


@pytest.fixture(scope="session")
def emulator(new_emulator: Callable[[], Emulator]) -> Emulator:
    """The one that most tests share."""
    running = new_emulator()
    started = running.start()
    assert started.returncode == 0, started.stderr
    return running


@pytest.fixture(scope="session")
def deploy(emulator: Emulator) -> Deploy:
    return deployer(emulator)


def deployer(emulator: Emulator) -> Deploy:
    client = emulator.client("lambda")

    def create(source: str, **settings: Any) -> Function:
        name = f"f-{uuid.uuid4().hex[:8]}"
        client.create_function(
            **{
                "FunctionName": name,
                "Runtime": "python3.13",
                "Handler": "app.handler",
                "Role": ROLE,
                "Code": {"ZipFile": archive(app=source)},
                "Timeout": 20,
                **settings,
            }
        )
        state = eventually(
            lambda: client.get_function_configuration(FunctionName=name)["State"] != "Pending"
        )
        assert state, f"{name} is still pending"
        return Function(name, client)

    return create
