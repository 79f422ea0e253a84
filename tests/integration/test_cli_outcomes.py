"""`evergreen outcomes put`: checked here as the stack would, then given to it."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from evergreen.customers.schema import Schema
from evergreen.jobs.outcomes.intake import take_in
from evergreen.store import keys
from evergreen.store.registry import Pointer
from evergreen.store.s3 import Bucket

from .commands import Shell, ShellOn, shell_on

__all__ = ["shell_on"]

GOOD = "customer_id,churned,observed_at\nC1,yes,2026-01-05\nC2,no,2026-01-06\n"
ID = "7d444840-9dc0-11d1-b245-5ffdce74fad2"


@pytest.fixture
def shell(shell_on: ShellOn, promoted: Pointer, data: Bucket) -> Shell:
    return shell_on(DataBucket=data.name)


@pytest.fixture
def function(
    data: Bucket, logs: Bucket, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Takes in what is uploaded while the command waits."""

    def take(_: float = 0) -> None:
        for entry in data.list(keys.OUTCOMES):
            take_in(data, logs, schema, entry.key, lambda: 900)

    monkeypatch.setattr(time, "sleep", take)
    return take


def write(text: str, name: str = "may.csv") -> str:
    Path(name).write_text(text)
    return name


def test_outcomes_are_put_where_the_stack_takes_them_in(
    shell: Shell, data: Bucket, schema: Schema
) -> None:
    told = shell.json("outcomes", "put", write(GOOD))
    assert told == {
        "key": "outcomes/may.csv",
        "version": data.head("outcomes/may.csv").version,
        "checked": 2,
        "summary": None,
    }
    assert data.get("outcomes/may.csv")[0] == GOOD.encode()
    assert "2 outcomes put as s3://evergreen-data/outcomes/may.csv" in shell(
        "outcomes", "put", "may.csv"
    )
    assert [path.name for path in Path.cwd().iterdir()] == ["may.csv"]


def test_what_became_of_them_is_waited_for(
    shell: Shell, data: Bucket, logs: Bucket, function: Callable[[], None]
) -> None:
    data.put("outcomes/may.csv", b"customer_id,churned\nC3,yes\n")
    function()  # which leaves a summary of an earlier upload
    summary = shell.json("outcomes", "put", write(GOOD), "--wait")["summary"]
    assert (summary["status"], summary["accepted"], summary["rejected"]) == ("received", 2, 0)
    assert "2 outcomes taken in, 0 rejected" in shell("outcomes", "put", "may.csv", "--wait")
    assert [*logs.list(keys.OUTCOMES)]


def test_rows_that_can_not_be_taken_are_written_apart_and_nothing_is_put(
    shell: Shell, data: Bucket
) -> None:
    name = write(GOOD + "C4,perhaps,\n,yes,\n")
    assert shell("outcomes", "put", name, code=1) == ""
    assert "2 rows of may.csv can't be taken, see may.rejected.csv" in shell.error
    assert not [*data.list("")]
    lines = Path("may.rejected.csv").read_text().splitlines()
    assert lines[0] == "customer_id,churned,observed_at,line,reason"
    assert [line.split(",")[0] for line in lines[1:]] == ["C4", ""]
    told = shell.json("outcomes", "put", name, "--skip-invalid")
    assert told["checked"] == 2
    shell("outcomes", "put", write(GOOD))
    assert not Path("may.rejected.csv").exists()


def test_stdin_is_put_under_a_name_of_its_content(shell: Shell, data: Bucket) -> None:
    told = [shell.json("outcomes", "put", "-", stdin=GOOD.encode()) for _ in range(2)]
    assert told[0]["key"] == told[1]["key"]
    assert told[0]["key"].endswith(".csv")
    line = f'{{"prediction_id": "{ID}", "churned": true}}\n'.encode()
    key = shell.json("outcomes", "put", "-", stdin=line)["key"]
    assert key.endswith(".jsonl")
    assert data.get(key)[0] == line
    shell("outcomes", "put", "-", stdin=b'{"churned": true}\n', code=1)
    (rejected,) = Path.cwd().iterdir()
    assert rejected.name.endswith(".rejected.jsonl")


def test_packed_files_are_put_as_they_are(shell: Shell, data: Bucket) -> None:
    packed = gzip.compress(GOOD.encode())
    Path("may.csv.gz").write_bytes(packed)
    assert shell.json("outcomes", "put", "may.csv.gz")["checked"] == 2
    assert data.get("outcomes/may.csv.gz")[0] == packed


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("may.xlsx", "PK", "Excel"),
        ("may.csv", "customer_id,region\nC1,north\n", "who left"),
        ("may.csv", "churned\nyes\n", "of whom it is"),
        ("may.csv.gz", "no gzip", "unpacked"),
    ],
)
def test_a_file_of_something_else_is_refused_here(
    shell: Shell, data: Bucket, name: str, content: str, said: str
) -> None:
    shell("outcomes", "put", write(content, name), code=1)
    assert said in shell.error
    assert not [*data.list("")]
    assert [path.name for path in Path.cwd().iterdir()] == [name]
    shell("outcomes", "put", "june.csv", code=1)
    assert "june.csv does not exist" in shell.error


def test_ctrl_c_while_it_waits_ends_with_130(
    shell: Shell, data: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    shell("outcomes", "put", write(GOOD), "--wait", code=130)
    assert shell.error == ""
    assert [path.name for path in Path.cwd().iterdir()] == ["may.csv"]
