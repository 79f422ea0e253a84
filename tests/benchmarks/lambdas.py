"""A Lambda function as a process: AWS's own runtime client around a handler, as cold as it gets.

The interpreter is that of the developers' environment, but what it can import is what a function of
ours can: its own code, what AWS's image holds, and the packages that the locks of the layers name.
They are links into the developers' environment, which has the same versions, so nothing has to be
built; that environment itself holds hundreds of packages, and to look for plugins in all of them
would make both sides slower, and their ratio look better.
"""

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from local.emulator.evergreen_emulator.runtime_api import Kind, RuntimeApi

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = ROOT / "tests/benchmarks/handlers"
PREDICTOR = (ROOT / "functions/predict", ROOT / "layers/evergreen")
SERVING, TRAINING = "layers/serving", "layers/training"

PYTHON = str(Path(sys.executable).resolve())
_SLOWEST = 60.0  # seconds that a start may take


@dataclass(frozen=True, slots=True)
class Answered:
    """What a cold process answered to its first event, …"""

    answer: dict[str, Any]
    seconds: float
    """… and how long it took from its start, of which …"""
    processor: float
    """… it computed so many seconds, in all its threads."""


@dataclass(frozen=True, slots=True)
class Function:
    """A handler with all that it can import."""

    handler: str
    """`module.function`."""
    paths: Sequence[Path]
    environ: Mapping[str, str]

    def start(self, event: object) -> Answered:
        """Start a process, and have it answer one event."""
        with DefaultSelector() as selector, tempfile.TemporaryFile() as output:
            api = RuntimeApi(selector)
            started = time.perf_counter()
            process = subprocess.Popen(
                [PYTHON, "-m", "awslambdaric", self.handler],
                cwd=HANDLERS,
                env=self._environ | {"AWS_LAMBDA_RUNTIME_API": api.address},
                stdout=output,
                stderr=output,
            )
            try:
                answer = _first_answer(api, selector, json.dumps(event).encode())
                seconds = time.perf_counter() - started
            finally:
                process.kill()
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                process.wait()
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                api.close()
            if answer is None:
                output.seek(0)
                raise SystemExit(f"{self.handler} did not answer:\n{output.read().decode()}")
        processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return Answered(answer, seconds, processor)

    def warm(self, event: object, times: int) -> tuple[dict[str, Any], float]:
        """Have a process answer an event so many times; return the answer and the median time."""
        run = subprocess.run(
            [PYTHON, "warm.py", self.handler, str(times)],
            cwd=HANDLERS,
            env=self._environ,
            input=json.dumps(event),
            capture_output=True,
            text=True,
        )
        if run.returncode:
            raise SystemExit(f"{self.handler} failed:\n{run.stderr}")
        told = json.loads(run.stdout.splitlines()[-1])
        return told["answer"], told["seconds"]

    @property
    def _environ(self) -> dict[str, str]:
        return {**self.environ, "PYTHONPATH": ":".join(map(str, [HANDLERS, *self.paths]))}


def environment(endpoint: str) -> dict[str, str]:
    """Return the environment of a function, apart from its paths."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LAMBDA_FUNCTION_NAME": "benchmark",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "EVERGREEN_DATA_BUCKET": "data",
        "EVERGREEN_MODEL_BUCKET": "models",
        "EVERGREEN_LOG_BUCKET": "logs",
        "EVERGREEN_LOG_STREAM": "inference",
    }


def link(target: Path, *layers: str) -> Path:
    """Fill a folder with links to the packages of some layers and of AWS's image; return it."""
    target.mkdir()
    locks = [ROOT / folder / "requirements.txt" for folder in ("local/runtime", *layers)]
    names = {n for lock in locks for n in re.findall(r"^([\w.-]+)==", lock.read_text(), re.M)}
    for name in sorted(names):
        for entry in {Path(file).parts[0] for file in metadata.files(name) or ()} - {"..", "bin"}:
            link = target / entry
            if not link.exists():
                link.symlink_to(Path(str(metadata.distribution(name).locate_file(entry))))
    return target


def _first_answer(
    api: RuntimeApi, selector: DefaultSelector, event: bytes
) -> dict[str, Any] | None:
    """Hand an event to a runtime; return its answer, or None where it failed or took too long."""
    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": "benchmark",
        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + _SLOWEST) * 1_000)),
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:0:function:benchmark",
    }
    end = time.monotonic() + _SLOWEST
    while time.monotonic() < end:
        for key, _ in selector.select(1):
            assert key.events == EVENT_READ
            key.data()
        while api.requests:
            request = api.requests.popleft()
            if request.kind is Kind.NEXT:
                api.send_event(event, headers)
            elif request.kind is Kind.RESPONSE:
                answer: dict[str, Any] = json.loads(request.body)
                return answer
            else:
                return None
    return None
