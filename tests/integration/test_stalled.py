"""The predictor among services that take every connection and never say a word.

On an idle machine it takes 1 s for a look, 3 s for a prediction and 9 s for a cold start; the
bounds leave room for a busy one, and are below those of a client that is patient.
"""

import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.settings import Settings
from evergreen.store import patience
from evergreen.store.registry import Pointer
from evergreen.store.s3 import Bucket
from local.demo.source import to_json
from local.demo.stack import ROOT

from .test_handlers import MODULES, Context, event

LEVELS = ("contract", "connection", "payment_method", "region", "streaming_addon")


@pytest.fixture
def stalled() -> Iterator[str]:
    """The address of a service that takes connections, and whatever is sent, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def app(
    data: Bucket, models: Bucket, logs: Bucket, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    for name, bucket in (("DATA", data), ("MODEL", models), ("LOG", logs)):
        monkeypatch.setenv(f"EVERGREEN_{name}_BUCKET", bucket.name)
    monkeypatch.setenv("EVERGREEN_LOG_STREAM", "evergreen-inference")
    monkeypatch.setenv("EVERGREEN_MODEL_REFRESH_SECONDS", "0")  # a look is due with every request
    monkeypatch.syspath_prepend(ROOT / "functions/predict")
    yield import_module("app")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def given(frame: pd.DataFrame, schema: Schema) -> list[dict[str, Any]]:
    return to_json(frame, schema)


def ask(app: ModuleType, method: str, path: str, body: object = None) -> tuple[int, Any, float]:
    """Send a request; return its status, its answer and the seconds that it took."""
    request = event("api-health") | {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "body": json.dumps(body),
    }
    start = time.monotonic()
    answer = app.handler(request, Context())
    return answer["statusCode"], json.loads(answer["body"]), time.monotonic() - start


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Read what the function's log holds since it was last read."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]


@pytest.mark.usefixtures("promoted")
def test_where_both_services_stall_the_answer_is_given_and_every_record_kept_once(
    app: ModuleType,
    stalled: str,
    given: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", stalled)
    assert ask(app, "GET", "/ready")[0] == 200  # the model is in memory
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", stalled)
    wide = [  # more than the buffers between the two take
        {name: v.ljust(900) if name in LEVELS else v for name, v in customer.items()}
        for customer in given
    ]
    requests: list[tuple[str, Any, int]] = [
        ("/predict", given[0], 1),
        ("/predict/batch", given, 1_000),
        ("/predict/batch", wide, 1_000),
    ]
    for path, body, count in requests:
        capsys.readouterr()
        status, answer, seconds = ask(app, "POST", path, body)
        predictions = answer["predictions"] if count > 1 else [answer]
        assert (status, len(predictions)) == (200, count)
        assert 2 < seconds < 6  # both were waited for
        log = told(capsys)
        kept = [json.loads(line["record"]) for line in log if "record" in line]
        assert Counter(r["prediction_id"] for r in kept) == Counter(
            p["prediction_id"] for p in predictions
        )
        assert [m["UndeliveredRecords"] for m in log if "UndeliveredRecords" in m] == [[count]]


@pytest.mark.usefixtures("promoted")
def test_a_look_for_a_newer_model_holds_up_nobody(
    app: ModuleType, stalled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = ask(app, "GET", "/ready")[1]["model_version"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", stalled)
    for _ in range(2):
        status, answer, seconds = ask(app, "GET", "/ready")
        assert (status, answer["model_version"]) == (200, version)
        assert 0.5 < seconds < 3


@pytest.mark.usefixtures("promoted")
def test_the_history_of_the_model_is_given_up_as_fast(
    app: ModuleType, stalled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(app, "GET", "/ready")[0] == 200
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", stalled)
    status, answer, seconds = ask(app, "GET", "/model")
    assert (status, answer["title"]) == (503, "Service Unavailable")
    assert seconds < 7


class Unmoved(BaseHTTPRequestHandler):
    """Answers that nothing has changed, and would keep the connection."""

    protocol_version = "HTTP/1.1"
    timeout = 5  # seconds that it waits for another request
    connections: ClassVar[list[str]] = []

    def setup(self) -> None:
        self.connections.append("")
        super().setup()

    def do_GET(self) -> None:
        self.connections[-1] += self.path
        self.send_response(304)
        if self.close_connection:  # as S3 says it, too
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_no_look_relies_on_a_connection_of_the_look_before(
    promoted: Pointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings("data", "models", "logs", "stream")
    with HTTPServer(("127.0.0.1", 0), Unmoved) as server:
        server.timeout = 5
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        registry = patience.impatient(settings)
        with ThreadPoolExecutor(1) as pool:
            serving = pool.submit(lambda: [server.handle_request() for _ in range(2)])
            assert registry.pointer_if_moved(promoted) is None
            assert registry.pointer_if_moved(promoted) is None
            serving.result(timeout=10)
    assert Unmoved.connections == ["/models/models/current.json"] * 2


@pytest.mark.usefixtures("promoted")
def test_a_cold_start_gives_up_while_the_function_can_still_say_so(
    app: ModuleType, stalled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", stalled)
    status, answer, seconds = ask(app, "GET", "/ready")
    assert (status, answer["title"]) == (503, "Service Unavailable")
    assert seconds < 12
