"""Clients that are generated from the API's description: they compile, and they predict."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import Mock

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient

from evergreen.jobs.answering.prediction import predict
from evergreen.models.model import Model
from local.demo.stack import ROOT, TOOLS

from .conftest import require

PROGRAMS = Path(__file__).parent / "clients"
CLIENTS = TOOLS / "clients"
Run = Callable[..., str]
KEY = "a key"
OPEN = ("/health", "/openapi.json")
FORBIDDEN = httpx.Response(403, text="no key")
CUSTOMER = {
    **{"contract": "two-year", "connection": "fibre", "monthly_fee": 74.9},
    **{"streaming_addon": "no", "security_addon": "yes", "payment_method": "card"},
    **{"region": "north", "has_app": True, "data_usage_gb": 210.5, "support_calls_90d": 1},
    **{"late_payments_12m": 0, "customer_id": "C0001-000042", "satisfaction": None},
}
"""The customer of both programs, but for the tenure."""


class Champion:
    """A model that serves, and that always did."""

    def __init__(self, served: Model) -> None:
        self.served = served

    def model(self) -> Model:
        return self.served

    def moves(self, count: int) -> list[Any]:
        return []


@pytest.fixture(scope="module")
def url(model: Model) -> Iterator[str]:
    """The address of the API, which wants the key as the gateway would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "functions/predict")
        from api import create_app

        api = TestClient(create_app(Champion(model), lambda records: None, Mock))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            known = self.path in OPEN or self.headers["x-api-key"] == KEY
            request = {"content": body, "headers": dict(self.headers)}
            given = api.request(self.command, self.path, **request) if known else FORBIDDEN
            self.send_response(given.status_code)
            self.send_header("content-type", given.headers["content-type"])
            self.send_header("content-length", str(len(given.content)))
            self.end_headers()
            self.wfile.write(given.content)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    for name in ("api", "docs", "problems", "running"):
        sys.modules.pop(name, None)


@pytest.fixture
def work(url: str, tmp_path: Path) -> Path:
    """A folder that holds the programs, and the description that is served."""
    shutil.copytree(PROGRAMS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{url}/openapi.json").content)
    return tmp_path


@pytest.fixture
def expected(model: Model) -> dict[str, Any]:
    """What both programs are to be told."""
    answers = predict(model, [CUSTOMER | {"tenure_months": tenure} for tenure in (14, 0, 40)])
    return {
        "status": "ok",
        "version": model.version,
        "probabilities": [answer["churn_probability"] for answer in answers],
        "churn": [answer["will_churn"] for answer in answers],
        "refused": [422, "tenure_months"],
    }


@pytest.fixture
def run(work: Path) -> Run:
    """Runs a command of the environment in that folder, and returns what it prints."""
    require(
        (CLIENTS / ".ready").exists(), f"{CLIENTS} is missing: run make clients, which installs it"
    )
    path = os.pathsep.join([str(CLIENTS / "bin"), os.environ["PATH"]])

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=work, env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_the_python_client_predicts(run: Run, url: str, expected: dict[str, Any]) -> None:
    """Of its modules client.py alone is not checked: it is the same for every API."""
    run(
        *("openapi-python-client", "generate", "--path", "openapi.json", "--fail-on-warning"),
        *("--meta", "none", "--output-path", "evergreen_client"),
    )
    checked = ("predict.py", "evergreen_client/api", "evergreen_client/models")
    run("mypy", "--strict", "--follow-imports", "silent", *checked)
    assert json.loads(run("python", "predict.py", url)) == expected


def test_the_typescript_client_predicts(run: Run, url: str, expected: dict[str, Any]) -> None:
    run(
        *("openapi-generator-cli", "generate", "-g", "typescript-fetch", "-i", "openapi.json"),
        *("-o", "evergreen-client"),
    )
    run("node", str(CLIENTS / "node_modules/typescript/bin/tsc"), "-p", ".")
    assert json.loads(run("node", "built/predict.js", url)) == expected
