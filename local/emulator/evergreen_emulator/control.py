"""Starting and stopping an emulator."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from evergreen_emulator import procfs
from evergreen_emulator.settings import environment
from evergreen_emulator.state import EmulatorError, Instance, State
from evergreen_emulator.variables import RUNTIME

_HEALTHY_WITHIN = 90.0
_TERM_GRACE = 3.0
"""Short: LocalStack has nothing to save, and would wait for functions that are at work."""
_KILL_GRACE = 5.0


def start(state: State, port: int, lambda_python: Path) -> Instance:
    """Start LocalStack in a session of its own, from nothing, and wait until it answers."""
    if running := state.running():
        raise EmulatorError(f"already running at {running}: stop it first")
    _check_interpreter(lambda_python)
    _check_port(port)
    state.begin()
    with state.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "evergreen_emulator.server"],
            cwd=state.data,
            env=environment(port, state.data, lambda_python),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    instance = Instance.of(process.pid, port)
    state.record(instance)
    try:
        _await_health(instance, process, state.log)
    except BaseException:
        stop(state)
        raise
    return instance


def stop(state: State) -> Instance | None:
    """End the instance and all it started, and remove its data; return it if there was one."""
    if instance := state.running():
        family = procfs.descendants(instance.pid)
        itself = [p for p in [procfs.process(instance.pid)] if p]
        _end(itself, _TERM_GRACE, signal.SIGTERM)
        # functions end with LocalStack by themselves: this is for what would not
        _await_end(family, 1.0)
        _end(family, _KILL_GRACE, signal.SIGKILL)
    state.end()
    return instance


def _check_interpreter(python: Path) -> None:
    code = "import awslambdaric, sys; print('python%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True)
    except OSError as error:
        raise EmulatorError(f"{python} can't run Lambda functions: {error.strerror}") from error
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise EmulatorError(f"{python} can't run Lambda functions: {reason}")
    if (found := done.stdout.strip()) != RUNTIME:
        raise EmulatorError(f"{python} is {found}: the functions need {RUNTIME}")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            holder = procfs.listener(port)
            who = f"by pid {holder}: {procfs.command(holder)}" if holder else f"({error.strerror})"
            raise EmulatorError(f"port {port} is taken {who}") from error


def _await_health(instance: Instance, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _HEALTHY_WITHIN
    while not instance.healthy:
        status = process.poll()
        if status is None and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        what = f"did not answer in {_HEALTHY_WITHIN:.0f} s" if status is None else "ended"
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise EmulatorError(f"LocalStack {what}; the end of its log:\n{last}")


def _end(processes: list[procfs.Process], grace: float, number: signal.Signals) -> None:
    """Signal processes and wait for their end; kill those that stay beyond the grace."""
    for one in (number, signal.SIGKILL):
        for process in _running(processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, one)
        _await_end(processes, grace)


def _await_end(processes: list[procfs.Process], within: float) -> None:
    deadline = time.monotonic() + within
    while _running(processes) and time.monotonic() < deadline:
        time.sleep(0.02)


def _running(processes: list[procfs.Process]) -> list[procfs.Process]:
    """Those that still run: the same ones, not others that were given their pids."""
    return [p for p in processes if (q := procfs.process(p.pid)) and q.started == p.started]
