import json
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from rich.console import Console

from evergreen.s3 import Bucket
from local.demo import source
from local.demo.stack import TOOLS, Emulator, Outputs, build, deploy
from local.demo.story import Story


def require(condition: object, missing: str) -> None:
    """Skip for want of something; where nothing may be skipped, fail."""
    if not condition:
        (pytest.fail if os.environ.get("EVERGREEN_REQUIRE_ALL") else pytest.skip)(missing)


@dataclass(frozen=True)
class Deployed:
    """The template on an emulator of the tests' own."""

    emulator: Emulator
    outputs: Outputs

    def bucket(self, name: str) -> Bucket:
        return Bucket(self.emulator.client("s3"), getattr(self.outputs, f"{name}_bucket"))

    def api(self, method: str, path: str, body: object = None, *, key: bool = True) -> Any:
        headers = {"x-api-key": self.outputs.api_key} if key else {}
        url = self.outputs.api_url + path
        return httpx.request(method, url, json=body, headers=headers, timeout=60)

    def invoke(self, function: str, event: object) -> Any:
        name = getattr(self.outputs, f"{function}_function")
        payload = json.dumps(event).encode()
        answer = self.emulator.client("lambda").invoke(FunctionName=name, Payload=payload)
        assert "FunctionError" not in answer, answer["Payload"].read()
        return json.loads(answer["Payload"].read())


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
    """The demo's story, on generated customers, told to its end."""
    story = Story(Console(), deployed.emulator, source.find(None, None), deployed.outputs)
    story.tell()
    return story


@pytest.fixture
def telco() -> Path:
    path = Path(os.environ.get("EVERGREEN_TELCO_CSV", "../shared/data/telco.csv"))
    require(path.is_file(), f"no Telco table: neither EVERGREEN_TELCO_CSV nor {path} is a file")
    return path


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port
