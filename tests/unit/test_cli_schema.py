"""`evergreen schema infer` and `evergreen schema check`, from a file to a model."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evergreen.cli import app as cli
from evergreen.customers.schema import Schema
from evergreen.customers.table import Table
from evergreen.errors import InputError
from evergreen.jobs.learning.history import History
from local.demo import source
from tests.unit.frames import Columns, bank, german, telecom

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder; returns its exit code, its output and its complaints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["evergreen", "schema", *arguments])
        code = cli.main()
        return code, *capsys.readouterr()

    return run


def write(path: Path, columns: Columns, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([[*columns], *zip(*columns.values(), strict=True)])
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def test_a_schema_is_inferred_written_and_fits(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "bank.csv", bank())
    code, told, _ = run("infer", "bank.csv", "--target", "exited")
    assert code == 0
    assert "it numbers the rows" in told
    assert "schema.json: 6 features, 1,000 customers" in told
    document = json.loads((tmp_path / "schema.json").read_text())
    assert [field["name"] for field in document["fields"]] == [
        name for name in bank() if name not in ("RowNumber", "Surname")
    ]
    code, told, _ = run("check", "bank.csv", "--schema", "schema.json")
    assert (code, "1,000 of 1,000 rows fit" in told) == (0, True)


def test_a_schema_that_is_there_is_not_written_over_unasked(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "bank.csv", bank())
    assert run("infer", "bank.csv")[0] == 0
    code, told, complaint = run("infer", "bank.csv")
    assert (code, told) == (1, "")
    assert "schema.json exists: say where" in complaint
    assert run("infer", "bank.csv", "--output", "schema.json")[0] == 0


def test_as_json_it_is_one_document_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "t.csv", telecom())
    code, told, _ = run("infer", "t.csv", "--json")
    answer = json.loads(told)
    assert (code, answer["rows"], answer["rejected"]) == (0, 1_000, 0)
    assert Schema(answer["schema"]).positive == "True."
    assert [column["name"] for column in answer["columns"]] == [*telecom()]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_what_is_odd_about_a_file_is_said(run: Run, tmp_path: Path) -> None:
    rows = [f"C{n},{n % 7},x,y,{n % 3},,{('no', 'yes')[n % 2]}" for n in range(100)]
    text = "\n".join(["id,n,a,a,b,,churn", *rows, "1,2"])
    (tmp_path / "odd.csv").write_text(text)
    code, told, _ = run("infer", "odd.csv")
    assert code == 0
    assert "1 of the rows can't be read, the first in line 102" in told
    assert "another column has this name" in told
    document = json.loads((tmp_path / "schema.json").read_text())
    assert [field["name"] for field in document["fields"]] == ["id", "n", "b", "churn"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("infer", "none.csv"), "none.csv does not exist"),
        (("infer", "."), "can't be read"),
        (("infer", "t.csv", "--target", "Chrun?"), "did you mean 'Churn?'"),
        (("infer", "t.csv", "--key", "x"), "no column is named 'x'"),
        (("infer", "t.csv", "--output", "no/folder.json"), "no/folder.json can't be written"),
        (("check", "t.csv", "--schema", "none.json"), "none.json does not exist"),
        (("check", "t.csv", "--schema", "t.csv"), "t.csv: the schema is not JSON"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_line(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    write(tmp_path / "t.csv", telecom(50))
    code, told, complaint = run(*arguments)
    assert (code, told) == (1, "")
    assert message in complaint
    assert len(complaint.splitlines()) == 1


def test_a_command_that_is_none_is_told_without_a_traceback(run: Run) -> None:
    code, _, complaint = run("infr")
    assert code == 2
    assert "No such command" in complaint


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    path = tmp_path / "s.json"
    fields: list[dict[str, Any]] = [
        {"name": "fee", "type": "number", "constraints": {"required": True}},
        {"name": "plan", "constraints": {"enum": ["a", "b"]}},
        {"name": "age", "type": "integer"},
        {"name": "left", "constraints": {"enum": ["yes", "no"]}},
    ]
    path.write_text(json.dumps({"fields": fields, "target": {"field": "left", "positive": "yes"}}))
    return path


def test_every_problem_of_a_file_is_counted_and_the_first_are_shown(
    run: Run, tmp_path: Path, fields: Path
) -> None:
    bad = [["x", "a", "yes"] for _ in range(30)]
    rows = [["1,5", "b", "no"], ["", "c", "maybe"], *bad]
    columns = {n: [row[i] for row in rows] for i, n in enumerate(("FEE", "plan", "left"))}
    write(tmp_path / "f.csv", columns, delimiter=";")
    code, told, _ = run("check", "f.csv", "--schema", fields.name)
    assert code == 1
    for words in ("semicolon", "'FEE' is 'fee'", "no column 'age'", "1 of 32 rows fit", "33 probl"):
        assert words in told
    code, told, _ = run("check", "f.csv", "--schema", fields.name, "--json")
    answer = json.loads(told)
    assert (code, answer["fits"], answer["fine"], answer["absent"]) == (1, False, 1, ["age"])
    first, second, third = answer["problems"][:3]
    assert [(p["line"], p["field"]) for p in (first, second, third)] == [
        (3, "fee"),
        (3, "plan"),
        (3, "left"),
    ]
    assert len(answer["problems"]) == 33


def test_a_row_that_can_not_be_read_does_not_fit(run: Run, tmp_path: Path, fields: Path) -> None:
    (tmp_path / "f.csv").write_text("fee,plan,age,left\n1,a,2,yes\n1,a\n")
    code, told, _ = run("check", "f.csv", "--schema", fields.name)
    assert code == 1
    assert "line 3" in told
    assert "1 of 2 rows fit" in told


# ------------------------------------------------------------ from a file to a model


@pytest.mark.parametrize(
    ("columns", "delimiter", "encoding"),
    [
        (bank(), ",", "utf-8-sig"),
        (telecom(), "\t", "utf-16"),
        (german(), ";", "cp1252"),
        (german(), ",", "utf-8"),
    ],
)
def test_any_export_becomes_customers_to_learn_from(
    tmp_path: Path, columns: Columns, delimiter: str, encoding: str
) -> None:
    path = write(tmp_path / "export.csv", columns, delimiter, encoding)
    found = source.find(path, None)
    assert isinstance(found, source.Table)
    assert found.inferred
    labelled = History.of({"history": found.history()}).labelled(found.schema)
    assert len(labelled.churned) == 1_000
    customers = source.to_json(found.ordinary(5, seed=1), found.schema)
    assert found.schema.encode_rows(customers).problems == []
    assert found.shifted(50, seed=2)[1]


def test_packed_json_lines_are_understood_as_well(tmp_path: Path) -> None:
    left = [n % 3 == 0 for n in range(300)]
    rows = [
        {"id": n, "spend": n % 17 / 2, "app": n % 4 == 0, "churned": left[n]} for n in range(300)
    ]
    path = tmp_path / "customers.JSONL.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    found = source.find(path, None)
    assert found.schema.positive is True
    assert found.schema.primary_key == ("id",)
    labelled = History.of({"history": found.history()}).labelled(found.schema)
    assert labelled.churned.tolist() == left


def test_a_shipped_schema_serves_where_it_fits_and_no_target_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ours.csv"
    source.find(None, None).history().head(300).to_csv(path, index=False)
    shipped, inferred = source.find(path, None), source.find(path, None, "churned")
    assert shipped.schema.document == source.find(None, None).schema.document
    assert inferred.schema.document != shipped.schema.document


def test_the_demo_stops_where_an_outcome_is_missing(tmp_path: Path) -> None:
    columns = telecom()
    columns["Churn?"] = ["", *columns["Churn?"][1:]]
    path = write(tmp_path / "t.csv", columns)
    with pytest.raises(InputError, match=r"1 of 1,000 rows have no 'Churn\?', the first.*line 2"):
        source.find(path, None, "Churn?")


def test_a_stated_decimal_comma_survives_the_demo(tmp_path: Path) -> None:
    columns = german()
    path = write(tmp_path / "g.csv", columns, ";")
    document = source.find(path, None).schema.document
    for field in document["fields"]:
        if field["name"] == "Jahresbeitrag":
            field.update(decimalChar=",", groupChar=".")
    schema = tmp_path / "s.json"
    schema.write_text(json.dumps(document))
    found = source.find(path, schema)
    again = Table.read(path.read_bytes(), "g.csv", found.schema)
    of_demo, of_file = (
        History.of({"h": found.history()}).labelled(found.schema),
        History.join([again], [0]).labelled(found.schema),
    )
    assert (of_demo.matrix == of_file.matrix).all()


def test_a_file_without_outcomes_is_checked_as_one_to_score(
    run: Run, tmp_path: Path, fields: Path
) -> None:
    (tmp_path / "f.csv").write_text("fee,plan,age\n1,a,2\n2,b,3\n")
    code, told, _ = run("check", "f.csv", "--schema", fields.name)
    assert (code, "2 of 2 rows fit" in told) == (0, True)
    assert "no column 'left': it can be scored, not learned from" in told
    _, told, _ = run("check", "f.csv", "--schema", fields.name, "--json")
    assert json.loads(told)["lacking_for_training"] == ["left"]
