"""Our side: starts the peers, hands them tasks, and takes their answers."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".tools/peers"
READY = FOLDER / ".ready"
MISSING = f"{READY} is missing: run make .tools/peers/.ready, which installs the peers"

_ENVIRON = {
    "HOME": str(FOLDER),  # where their caches go
    "PATH": "/usr/bin:/bin",
    "DO_NOT_TRACK": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "NML_DISABLE_USER_ANALYTICS": "1",
}


class Peers:
    """The peers at work in a process of their own, which waits between tasks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, task: str, **given: Any) -> Any:
        """Hand over a task and wait for its answer."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"task": task, **given}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the peers failed at {task}; above is why")
        return json.loads(answer)


@contextmanager
def peers() -> Iterator[Peers]:
    """Start the peers; they end with the context."""
    command = [str(FOLDER / "bin/python"), str(Path(__file__).with_name("answering.py"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=_ENVIRON, text=True, **pipes) as process:  # type: ignore[call-overload]
        yield Peers(process)
