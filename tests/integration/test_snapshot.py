"""What SnapStart does to the predictor: it is frozen with its connections, and thawed as copies.

On the other side of those connections nobody is left, and nobody says so: a request that is sent
over one waits for an answer until its time is up.
"""

import hashlib
import random
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import snapshot_restore_py

from evergreen.models.artifact import Artifact
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.stack import ROOT

from .conftest import another
from .test_handlers import MODULES
from .test_stalled import ask

NEW = "20260102T000000Z-4567cdef"


class S3(ThreadingHTTPServer):
    """A bucket that can be read, over connections that are kept until the snapshot."""

    request_queue_size = 64  # a version's files are read at the same time

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.objects: dict[str, bytes] = {}
        self.snapshots = 0
        self.reachable = True
        self.over = threading.Event()

    def take(self, bucket: Bucket) -> None:
        """Let the objects of a bucket be read."""
        self.objects = {f"/{bucket.name}/{e.key}": bucket.get(e.key)[0] for e in bucket.list("")}


class Connection(BaseHTTPRequestHandler):
    """Answers nothing any more once a snapshot was taken after it began."""

    protocol_version = "HTTP/1.1"
    server: S3

    def setup(self) -> None:
        super().setup()
        self.began = self.server.snapshots

    def do_GET(self) -> None:
        if self.began < self.server.snapshots or not self.server.reachable:
            self.server.over.wait(60)
            self.close_connection = True
            return
        content = self.server.objects.get(self.path)
        if content is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        if self.headers["If-None-Match"] == etag:
            return self.answer(304, b"", etag)
        return self.answer(200, content, etag)

    def answer(self, status: int, content: bytes, etag: str = "") -> None:
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:  # as it was asked to; or it might be used once more
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def s3() -> Iterator[S3]:
    with S3() as server:
        serving = threading.Thread(target=server.serve_forever, args=[0.05])
        serving.start()
        yield server
        server.over.set()
        server.shutdown()
        serving.join()


class Snapshot:
    """A function of which a snapshot is taken, and that is gone on with an hour later."""

    def __init__(self, app: ModuleType) -> None:
        self.app = app
        self.wiring = sys.modules["wiring"]
        self.hours = 0
        self.wiring.time = SimpleNamespace(  # type: ignore[attr-defined]
            time=lambda: time.time() + self.hours * 3_600
        )

    def take(self) -> None:
        for hook, args, kwargs in reversed(snapshot_restore_py.get_before_snapshot()):
            hook(*args, **kwargs)

    def restore(self) -> float:
        """Return the seconds that it takes."""
        self.hours += 1
        start = time.monotonic()
        for hook, args, kwargs in snapshot_restore_py.get_after_restore():
            hook(*args, **kwargs)
        return time.monotonic() - start


@pytest.fixture
def snapshot(models: Bucket, s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Snapshot]:
    for name in ("DATA", "MODEL", "LOG"):
        monkeypatch.setenv(f"EVERGREEN_{name}_BUCKET", models.name)
    monkeypatch.setenv("EVERGREEN_LOG_STREAM", "evergreen-inference")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{s3.server_port}")
    for moment in ("before_snapshot", "after_restore"):  # hooks of other tests' imports
        monkeypatch.setattr(snapshot_restore_py, f"_{moment}_registry", [])
    monkeypatch.syspath_prepend(ROOT / "functions/predict")
    yield Snapshot(import_module("app"))
    for name in MODULES:
        sys.modules.pop(name, None)


def promote_new(registry: Registry, version: Artifact, seen: Pointer) -> None:
    new = another(version, NEW)
    registry.publish(new.manifest, new.files)
    registry.promote(NEW, seen=seen, reason="better")


def test_a_copy_of_a_snapshot_serves_the_newest_model_at_once(
    snapshot: Snapshot,
    s3: S3,
    models: Bucket,
    registry: Registry,
    version: Artifact,
    promoted: Pointer,
) -> None:
    s3.take(models)
    snapshot.take()
    s3.snapshots += 1
    promote_new(registry, version, promoted)
    s3.take(models)
    assert snapshot.restore() < 2
    s3.reachable = False  # the first request has nothing to look for
    status, answer, seconds = ask(snapshot.app, "GET", "/ready")
    assert (status, answer["model_version"]) == (200, NEW)
    assert seconds < 0.5


def test_no_copy_waits_on_a_connection_of_the_snapshot(
    snapshot: Snapshot, s3: S3, models: Bucket, registry: Registry, version: Artifact
) -> None:
    snapshot.take()  # there is no model yet, of which it has learned over a connection
    s3.snapshots += 1
    registry.publish(version.manifest, version.files)
    registry.promote(version.manifest.version, seen=None, reason="the first model")
    s3.take(models)
    assert snapshot.restore() < 2
    s3.reachable = False
    status, answer, seconds = ask(snapshot.app, "GET", "/ready")
    assert (status, answer["model_version"]) == (200, version.manifest.version)
    assert seconds < 0.5


def test_where_s3_stalls_the_model_of_the_snapshot_serves(
    snapshot: Snapshot, s3: S3, models: Bucket, promoted: Pointer
) -> None:
    s3.take(models)
    snapshot.take()
    s3.reachable = False
    assert snapshot.restore() < 3
    status, answer, seconds = ask(snapshot.app, "GET", "/ready")
    assert (status, answer["model_version"]) == (200, promoted.version)
    assert seconds < 0.5  # a look was just taken


def test_a_restore_that_finds_no_model_in_time_does_without(
    snapshot: Snapshot, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot.take()
    s3.snapshots += 1
    s3.reachable = False
    monkeypatch.setattr(snapshot.wiring, "RESTORE", 0.5)
    before = set(threading.enumerate())
    assert 0.5 <= snapshot.restore() < 2
    (looking,) = (
        t for t in set(threading.enumerate()) - before if t.daemon and "preload" in t.name
    )
    s3.reachable = True
    s3.over.set()
    looking.join(20)
    assert not looking.is_alive()
    assert ask(snapshot.app, "GET", "/ready")[0] == 503


def test_no_two_copies_draw_the_same_random_numbers(
    snapshot: Snapshot, s3: S3, models: Bucket, promoted: Pointer
) -> None:
    s3.take(models)
    snapshot.take()
    frozen = random.getstate()
    drawn = []
    for _ in range(2):
        random.setstate(frozen)
        snapshot.restore()
        drawn.append(random.random())
    assert drawn[0] != drawn[1]
