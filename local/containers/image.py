"""The API as a container image."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from local.containers import base
from local.containers.engine import Engine, EngineError, interrupt
from local.containers.localstack import LocalStack
from local.demo.stack import ROOT

NAME = "evergreen"
STOP_WITHIN = 30
"""Seconds in which requests that are under way come to their end."""


def build(engine: Engine) -> None:
    """Build the image, in sight; raises EngineError."""
    command = [
        *("docker", "build", "--file", "local/Dockerfile", "--target", "api", "--tag", NAME),
        *("--build-arg", f"BASE={base.python().ensure(engine)}"),
        *("--network", engine.environ.get("BUILD_NETWORK", "default"), "."),
    ]
    done = subprocess.run(command, cwd=ROOT, env=dict(engine.environ), check=False)
    if done.returncode:
        raise EngineError("the image could not be built")


@contextmanager
def running(
    engine: Engine, localstack: LocalStack, port: int, workers: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a container of the image on a port of the loopback interface; stop it with the block.

    Raises:
        EngineError: the image has not been built.

    """
    if not engine.run("images", "--quiet", NAME):
        raise EngineError(f"there is no image {NAME}: make image")
    name = f"{NAME}-{port}"
    variables = localstack.environ | {"WEB_CONCURRENCY": str(workers)}
    command = [
        *("docker", "run", "--rm", "--name", name, "--publish", f"127.0.0.1:{port}:8000"),
        *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", "--network", localstack.network),
        *(option for variable in variables for option in ("--env", variable)),
        NAME,
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, **engine.environ, **variables},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is ours to pass on, as a stop
    )
    try:
        yield process
    finally:
        with suppress(EngineError):  # it has ended by itself, or not begun
            engine.run("stop", "--time", str(STOP_WITHIN), name)
        interrupt(process, within=5)
        with suppress(EngineError):
            engine.run("rm", "--force", name)
