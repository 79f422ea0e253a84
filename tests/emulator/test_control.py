"""The command line starts, finds and ends an emulator, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import Deploy, Emulator, deployer, eventually

NewEmulator = Callable[[], Emulator]

FAMILY = """
import os, subprocess
def handler(event, context):
    return [os.getpid(), subprocess.Popen(["sleep", "600"]).pid]
"""
BUSY = "def handler(event, context):\n    while True: pass\n"


def running(pids: list[int]) -> list[int]:
    """Those that have not ended; a process whose status nobody has collected has ended."""

    def state(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "X"

    return [pid for pid in pids if state(pid) not in "ZX"]


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def start(emulator: Emulator) -> None:
    done = emulator.start()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1


def call_and_keep_busy(emulator: Emulator) -> list[int]:
    """The processes of two functions, one of them at work."""
    deploy: Deploy = deployer(emulator)
    pids: list[int] = deploy(FAMILY)().payload
    busy = deploy(BUSY)
    busy.client.invoke(FunctionName=busy.name, InvocationType="Event")
    assert eventually(lambda: len(children(emulator.pid)) == 2)
    return [emulator.pid, *children(emulator.pid), *pids]


def test_it_listens_on_the_loopback_interface_only(emulator: Emulator, deploy: Deploy) -> None:
    deploy("def handler(event, context): pass")()
    sockets: set[str] = set()
    for pid in [emulator.pid, *children(emulator.pid)]:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                sockets.add(str(fd.readlink()))
    addresses = {}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            listens = fields[3] == ("0A" if table.startswith("tcp") else "07")
            if listens and f"socket:[{fields[9]}]" in sockets:
                address, _, port = fields[1].partition(":")
                addresses[int(port, 16)] = address

    assert emulator.port in addresses
    assert set(addresses.values()) == {"0100007F"}


def test_a_taken_port_is_told_in_one_line_with_its_holder(new_emulator: NewEmulator) -> None:
    emulator = new_emulator()
    with socket.create_server(("127.0.0.1", emulator.port)):
        done = emulator.start()

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"evergreen_emulator: port {emulator.port} is taken by pid {os.getpid()}: "
    )
    assert done.stderr.count("\n") == 1


def test_a_second_start_of_the_same_state_is_refused(emulator: Emulator) -> None:
    done = emulator.start()

    assert done.returncode == 1
    assert f"already running at http://127.0.0.1:{emulator.port} (pid {emulator.pid})" in (
        done.stderr
    )
    assert emulator.run("status").returncode == 0


def test_a_folder_of_somebody_else_is_not_wiped(new_emulator: NewEmulator) -> None:
    emulator = new_emulator()
    emulator.state.mkdir()
    precious = emulator.state / "precious"
    precious.touch()

    done = emulator.start()

    assert done.returncode == 1
    assert "is not an emulator's state" in done.stderr
    assert precious.exists()


def test_an_interpreter_without_the_runtime_is_refused(new_emulator: NewEmulator) -> None:
    emulator = new_emulator()

    done = emulator.run(
        *("start", "--port", str(emulator.port), "--lambda-python", str(emulator.python))
    )

    assert done.returncode == 1
    assert "can't run Lambda functions: ModuleNotFoundError" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_localstack_that_dies_while_starting_shows_the_end_of_its_log(
    new_emulator: NewEmulator,
) -> None:
    emulator = new_emulator()
    with subprocess.Popen(
        emulator.command("start", *emulator.launch), stderr=subprocess.PIPE, text=True
    ) as starting:
        pid = eventually(lambda: recorded_pid(emulator))
        os.kill(pid, signal.SIGKILL)
        _, errors = starting.communicate(timeout=20)

    assert starting.returncode == 1
    assert errors.startswith("evergreen_emulator: LocalStack ended; the end of its log:")
    assert emulator.run("status").stdout == "not running\n"


def recorded_pid(emulator: Emulator) -> int | None:
    try:
        record = json.loads((emulator.state / "emulator.json").read_text())
    except (OSError, ValueError):
        return None
    pid: int | None = record.get("pid")
    return pid


def test_stop_ends_all_that_was_started_and_may_be_repeated(new_emulator: NewEmulator) -> None:
    emulator = new_emulator()
    start(emulator)
    pids = call_and_keep_busy(emulator)

    first, second = emulator.stop(), emulator.stop()

    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith("stopped ")
    assert second.stdout == "not running\n"
    assert running(pids) == []
    assert {path.name for path in emulator.state.iterdir()} == {"emulator.json", "localstack.log"}


def test_no_process_outlives_a_killed_localstack_and_it_can_start_again(
    new_emulator: NewEmulator,
) -> None:
    emulator = new_emulator()
    start(emulator)
    pids = call_and_keep_busy(emulator)

    os.kill(emulator.pid, signal.SIGKILL)

    assert eventually(lambda: not running(pids), within=2)
    assert emulator.run("status").returncode == 1
    start(emulator)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_run_ends_with_everything_when_it_is_interrupted(
    new_emulator: NewEmulator, number: signal.Signals
) -> None:
    emulator = new_emulator()
    with subprocess.Popen(
        emulator.command("run", *emulator.launch), stdout=subprocess.PIPE, text=True
    ) as foreground:
        assert foreground.stdout
        assert foreground.stdout.readline().startswith("LocalStack answers at ")
        pids = call_and_keep_busy(emulator)
        foreground.send_signal(number)
        try:
            foreground.communicate(timeout=20)
        finally:
            foreground.kill()

    assert running(pids) == []


def test_logs_shows_what_localstack_wrote(emulator: Emulator) -> None:
    assert "LocalStack version: 4.14.0" in emulator.run("logs").stdout
