"""`make demo` as its user runs it: on the Telco table, on broken input, interrupted."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.demo.customers import customers
from local.demo.source import SCHEMAS
from local.demo.stack import ROOT
from tests.ports import free_port


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    subprocess.run(["make", "down", f"STATE={tmp_path / 'state'}"], cwd=ROOT, check=True)


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.demo", "demo", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def processes_of(state: Path) -> list[str]:
    """Name the processes that have this folder on their command line or in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            traces = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(state).encode() in traces and int(process.name) != os.getpid():
            found.append(traces.split(b"\0\0")[0].decode(errors="replace"))
    return found


def test_the_story_holds_on_a_real_table_and_leaves_the_api_running(
    telco: Path, state: Path
) -> None:
    told = subprocess.run(
        [
            "make",
            "demo",
            f"DATA={telco.resolve()}",
            "TARGET=Churn",
            f"STATE={state}",
            f"PORT={free_port()}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    auc = re.search(r"held-out ROC AUC (\d\.\d+)", told.stdout)
    assert auc and float(auc[1]) >= 0.84
    curl = next(line for line in told.stdout.splitlines() if line.startswith("Try it"))
    answer = subprocess.run(
        curl.removeprefix("Try it"), shell=True, capture_output=True, text=True, check=True
    )
    assert '"churn_probability"' in answer.stdout
    assert processes_of(state)
    subprocess.run(["make", "down", f"STATE={state}"], cwd=ROOT, check=True)
    assert not processes_of(state)


def test_the_stories_of_its_judgement_hold(state: Path) -> None:
    told = subprocess.run(
        ["make", "stories", f"STATE={state}", f"PORT={free_port()}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    for line in (
        r"no drift: 3,000 predictions for 2,001 customers",
        r"it contradicts what is known of customers: on its 1500 new customers",
        r"answered; ignored: visits",
        r"field 'visits' is required now",
        r"drift; labels wanted",
        r"Train by hand .* promoted: ",
    ):
        assert re.search(line, told.stdout), told.stdout


def test_interrupted_it_leaves_no_process_behind(state: Path) -> None:
    command = [sys.executable, "-u", "-m", "local.demo", "demo"]
    options = ["--port", str(free_port()), "--state", str(state)]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout
        for line in running.stdout:
            if "Start LocalStack" in line:
                break
        assert processes_of(state)
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(timeout=60) == 130
    assert not processes_of(state)


def test_a_taken_port_is_named(state: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = demo("--port", port, "--state", state)
    assert failed.returncode == 1
    assert str(port) in failed.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "does not exist"),
        ("tenure,Churn\n1,2\n", "give TARGET="),
        ("drop:churned", "give TARGET="),
        ("schema:contract", "the header lacks contract"),
        ("cell:contract", "line 4, column 'contract': expected one of 'monthly'"),
        ("cell:churned", "line 4, column 'churned': expected one of 'yes', 'no', got '?'"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, content: str | None, told: str
) -> None:
    file = tmp_path / "customers.csv"
    if content and ":" in content:
        what, column = content.split(":")
        frame = customers(300, seed=1)
        if what in ("drop", "schema"):
            frame = frame.drop(columns=column)
        else:
            frame.loc[2, column] = "?"
        frame.to_csv(file, index=False)
    elif content:
        file.write_text(content)
    schema = ("--schema", SCHEMAS / "customers.json") if "schema" in str(content) else ()
    failed = demo("--data", file, *schema, "--port", free_port(), "--state", tmp_path / "state")
    assert failed.returncode == 1
    assert told in failed.stdout
    assert len(failed.stdout.strip().splitlines()) == 1
    assert "Traceback" not in failed.stderr
