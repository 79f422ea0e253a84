"""`evergreen predict` and `evergreen score`: what the functions answer, from a shell."""

import csv
import gzip
import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evergreen.cli import scoring
from evergreen.jobs.answering.prediction import predict
from evergreen.jobs.files.claim import Claim
from evergreen.jobs.files.scoring import Scoring
from evergreen.jobs.files.streaming import Results
from evergreen.jobs.files.upload import Upload
from evergreen.jobs.files.uploads import Uploads
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.registry import Pointer
from evergreen.store.s3 import Bucket

from .commands import Shell, ShellOn, shell_on

__all__ = ["shell_on"]


@pytest.fixture
def shell(shell_on: ShellOn, promoted: Pointer, data: Bucket) -> Shell:
    return shell_on(DataBucket=data.name)


@pytest.fixture
def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    some = frame.drop(columns="churned", errors="ignore").head(5)
    found: list[dict[str, Any]] = json.loads(some.to_json(orient="records"))
    return found


@pytest.fixture
def table(rows: list[dict[str, Any]], tmp_path: Path) -> Path:
    file = tmp_path / "customers.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def answers(told: dict[str, Any]) -> list[float]:
    return [answer["churn_probability"] for answer in told["predictions"]]


def test_all_ways_to_give_customers_are_answered_as_the_api_does(
    shell: Shell, model: Model, rows: list[dict[str, Any]], table: Path, tmp_path: Path
) -> None:
    expected = [json.loads(json.dumps(p["churn_probability"])) for p in predict(model, rows)]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for file in ("list.json", "lines.jsonl", "customers.csv"):
        told = shell.json("predict", file)
        assert answers(told) == expected
        assert told["errors"] == []
        assert answers(shell.json("predict", "-", stdin=Path(file).read_bytes())) == expected
    fields = [f"{name}={'' if v is None else v}" for name, v in rows[0].items()]
    assert answers(shell.json("predict", *fields)) == expected[:1]


def test_reasons_are_given_where_they_are_wanted(
    shell: Shell, rows: list[dict[str, Any]], table: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.json").write_text(json.dumps(rows[0]))
    (told,) = shell.json("predict", "one.json", "--explain")["predictions"]
    assert told["reasons"]
    said = shell("predict", "one.json", "--explain")
    assert told["reasons"][0]["sentence"] in said
    assert told["model_version"] in said
    assert "reasons" not in shell("predict", "one.json")
    assert told["reasons"][0]["sentence"] in shell("predict", table, "--explain")


def test_a_customer_who_does_not_fit_is_told_and_the_others_are_answered(
    shell: Shell, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows[1]["contract"] = "for ever"
    (tmp_path / "list.json").write_text(json.dumps(rows))
    told = shell.json("predict", "list.json", code=1)
    assert [answer is None for answer in told["predictions"]] == [False, True, False, False, False]
    (error,) = told["errors"]
    assert (error["index"], error["field"]) == (1, "contract")
    assert "customer 2" not in shell.error
    shell("predict", "list.json", code=1)
    assert "customer 2, field 'contract'" in shell.error


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "said"),
    [
        (("no.csv",), b"", 1, "no.csv does not exist"),
        (("one.csv", "two.csv"), b"", 2, "name one file, or fields"),
        (("one.csv", "tenure=3"), b"", 2, "name one file, or fields"),
        (("-",), b"[]", 1, "1 to 1,000 customers"),
        (("-",), b"[1]", 1, "a customer is a JSON object"),
        (("-",), b'{"a": 1}\n{"a": ', 1, "line 2"),
        (("-",), b"", 1, "empty"),
    ],
)
def test_what_can_not_be_read_is_told(
    shell: Shell, arguments: tuple[str, ...], stdin: bytes, code: int, said: str
) -> None:
    assert shell("predict", *arguments, code=code, stdin=stdin) == ""
    assert said in shell.error


def test_a_file_is_scored_beside_itself_as_by_the_function(
    shell: Shell, table: Path, model: Model, data: Bucket, logs: Bucket
) -> None:
    told = shell.json("score", table.name, "--reasons", "2")
    assert (told["scored"], told["rejected"], told["status"]) == (5, 0, "scored")
    assert told["files"] == {"scored": "customers.scored.csv"}
    assert sorted(path.name for path in table.parent.iterdir()) == [
        "customers.csv",
        "customers.scored.csv",
    ]
    key = "incoming/customers.csv"
    data.s3.put_object(
        Bucket=data.name, Key=key, Body=table.read_bytes(), Metadata={"reasons": "2"}
    )
    upload = Upload.find(data, key)
    kind = scoring.files.kind(key)
    assert kind
    claim = Claim.make(data, upload, datetime.now(UTC))
    Scoring(data, logs).run(upload, kind, model, claim, lambda: 900)
    assert data.get(keys.scored(key))[0] == Path("customers.scored.csv").read_bytes()


def test_rows_that_can_not_be_scored_are_written_apart(shell: Shell, table: Path) -> None:
    with table.open("a") as file:
        file.write("1,2,3\n")
    packed = table.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(table.read_bytes()))
    said = shell("score", packed.name)
    assert "5 scored, 1 rejected" in said
    rejected = gzip.decompress(Path("customers.rejected.csv.gz").read_bytes()).decode()
    assert [*csv.reader(io.StringIO(rejected))][1][0] == "1"
    packed.write_bytes(gzip.compress(b"".join(table.read_bytes().splitlines(True)[:-1])))
    assert "5 scored, 0 rejected" in shell("score", packed.name)
    assert not Path("customers.rejected.csv.gz").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", b"PK", "Excel"),
        ("a.csv", b"", "empty"),
        ("a.csv.gz", b"no gzip", "unpacked"),
        ("a.csv", b"x,y\n1,2\n", "header"),
    ],
)
def test_a_file_that_is_no_table_is_refused_and_nothing_is_left(
    shell: Shell, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    shell("score", name, code=1)
    assert said in shell.error
    assert [path.name for path in tmp_path.iterdir()] == [name]
    shell("score", "none.csv", code=1)
    assert "does not exist" in shell.error


def test_ctrl_c_leaves_nothing_half_written(
    shell: Shell, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **more: Any) -> Any:
        results = next(each for each in arguments if isinstance(each, Results))
        results.answered.write(b"half of a ")
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "score_file", interrupted)
    shell("score", table.name, code=130)
    assert shell.error == ""
    assert [path.name for path in table.parent.iterdir()] == ["customers.csv"]


@pytest.fixture
def function(
    data: Bucket, logs: Bucket, model: Model, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """Scores what is uploaded while the command waits."""
    uploads = Uploads(
        data, lambda: model, lambda: datetime.now(UTC), Scoring(data, logs), in_parts=None
    )

    def score(_: float = 0) -> None:
        uploads.score("incoming/customers.csv", lambda: 900)

    monkeypatch.setattr(time, "sleep", score)
    yield score


def test_an_upload_is_waited_for_and_its_results_are_named(
    shell: Shell, table: Path, data: Bucket, function: Callable[[], None]
) -> None:
    data.put("incoming/customers.csv", b"tenure\n1\n")
    function()  # which leaves a summary of an earlier upload
    told = shell.json("score", table, "--upload", "--reasons", "1")
    assert (told["status"], told["scored"]) == ("scored", 5)
    assert told["files"] == {"scored": f"s3://{data.name}/scored/customers.csv"}
    assert data.head("incoming/customers.csv").metadata == {"reasons": "1"}


def test_an_upload_that_is_refused_ends_with_1(
    shell: Shell, tmp_path: Path, data: Bucket, function: Callable[[], None]
) -> None:
    (tmp_path / "customers.csv").write_bytes(b"x,y\n1,2\n")
    shell("score", "customers.csv", "--upload", code=1)
    assert "header" in shell.error


def test_results_that_do_not_come_are_not_waited_for_for_ever(
    shell: Shell, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 10**6, 600))
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    shell("score", table, "--upload", code=1)
    assert "nothing came in 30 minutes" in shell.error


def test_an_upload_that_fails_is_told_in_a_line(shell: Shell, table: Path) -> None:
    shell.outputs["DataBucket"] = "no-such-bucket"
    shell("score", table, "--upload", code=1)
    assert "(NoSuchBucket)" in shell.error
    assert shell.error.count("s3://no-such-bucket/incoming/customers.csv") == 1
    assert len(shell.error.strip().splitlines()) == 1
