"""`evergreen schema …`: from a file to the schema of its columns, and whether a file fits one."""

import json as text
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table as Shown

from evergreen.cli.files import content
from evergreen.cli.output import Json, busy, commands, console, example
from evergreen.customers.inference import Inference
from evergreen.customers.schema import Schema
from evergreen.customers.table import Table
from evergreen.errors import InputError, Problem
from evergreen.jobs.learning.proposal import propose

app = commands("Schemas: what the columns of a file of customers are.")

_CHUNK = 50_000  # rows that are checked at a time
_SHOWN = 20
_STYLES = {"target": "bold", "key": "bold", "left out": "dim"}

File = Annotated[Path, typer.Argument(help="A .csv, .tsv or .jsonl file, also as .gz.")]


@app.command("infer", epilog=example("schema infer customers.csv --target Churn"))
def infer(
    file: File,
    target: Annotated[
        str | None, typer.Option(help="The column that says who left; else its name has to.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="Its value for those who left; else it is guessed.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="The column that tells customers apart; else it is guessed."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A column to learn from though it gives the outcome away."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where to write the schema; else to schema.json, if new.")
    ] = None,
    json: Json = False,
) -> None:
    """Propose a schema for a file of labelled customers, and say what became of each column."""
    written = output or (None if json else Path("schema.json"))
    if written and not output and written.exists():
        raise InputError(f"{written} exists: say where to write the schema with --output")
    with busy(f"Reading {file}") as tell:
        table = read(file)
        tell(f"Looking at {len(table.lines):,} rows")
        inferred = propose(table, target, positive=positive, key=key or (), keep=keep or ())
    document = _as_text(inferred.schema.document)
    if written:
        try:
            written.write_text(document, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{written} can't be written: {error.strerror}") from None
    if json:
        print(_as_text(_told(inferred) | _of(table)), end="")
        return
    console.print(shown(inferred))
    for line in remarks(inferred, table):
        console.print(line, highlight=False)
    console.print(
        f"[green]✓[/] {written}: {len(inferred.schema.features)} features,"
        f" {len(table.lines):,} customers",
        highlight=False,
    )


@app.command("check", epilog=example("schema check next.csv --schema schema.json"))
def check(
    file: File,
    schema: Annotated[Path, typer.Option(help="The schema that the file should fit.")],
    json: Json = False,
) -> None:
    """Say whether every row of a file of customers fits a schema, and what does not."""
    parsed = read_schema(schema)
    with busy(f"Reading {file}") as tell:
        table = read(file, parsed, labelled=False)
        tell(f"Checking {len(table.lines):,} rows")
        problems = list(_problems(table, parsed))
    wrong = {problem.row for problem in problems}
    absent = [name for name in parsed.feature_names if name not in table.columns]
    needed = (parsed.target, *parsed.primary_key)
    unlabelled = [name for name in needed if name not in table.columns]
    rejected = [{"line": bad.line, "reason": bad.reason} for bad in table.rejected]
    fine = len(table.lines) - len(wrong)
    fits = not wrong and not rejected
    if json:
        listed = [
            {"line": table.lines[p.row], "field": p.field, "message": p.message} for p in problems
        ]
        told = {"fits": fits, "fine": fine, "absent": absent, "problems": listed}
        told["lacking_for_training"] = unlabelled
        print(_as_text(told | _of(table) | {"rejected": rejected}), end="")
    else:
        for line in _dialect(table):
            console.print(line, highlight=False)
        for name in absent:
            console.print(f"no column {name!r}: it counts as missing", highlight=False)
        for name in unlabelled:
            console.print(
                f"no column {name!r}: it can be scored, not learned from", highlight=False
            )
        _show(table, problems)
        mark = "[green]✓[/]" if fits else "[red]✗[/]"
        total = len(table.lines) + len(rejected)
        console.print(f"{mark} {fine:,} of {total:,} rows fit", highlight=False)
    if not fits:
        raise typer.Exit(1)


def read(file: Path, schema: Schema | None = None, *, labelled: bool = True) -> Table:
    """Read a table, by a schema or as it stands; raises InputError."""
    return Table.read(content(file), str(file), schema, labelled=labelled)


def read_schema(file: Path) -> Schema:
    """Read a schema; raises InputError, with the name of the file."""
    try:
        return Schema.parse(content(file))
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def shown(inferred: Inference) -> Shown:
    """Return a table for people: each column, what it became and why."""
    table = Shown()
    for name in ("column", "is", "because"):
        table.add_column(name, overflow="fold")
    for column in inferred.columns:
        role = column.kind if column.role == "feature" else column.role
        kind = f" ({column.kind})" if column.role == "left out" else ""
        absent = f"; {column.absent:,} missing" if column.field and column.absent else ""
        texts = ", ".join(map(repr, sorted(column.missing)))
        also = f", {texts} among them" if texts else ""
        cells = (column.name, role + kind, column.why + absent + also)
        table.add_row(*map(escape, cells), style=_STYLES.get(column.role))
    return table


def remarks(inferred: Inference, table: Table) -> Iterator[str]:
    """Yield what a person should know of an inference, as marked-up lines."""
    yield from _dialect(table)
    if table.rejected:
        first = table.rejected[0]
        yield escape(
            f"{len(table.rejected):,} of the rows can't be read, the first in line {first.line}:"
            f" {first.reason}"
        )
    for note in inferred.notes:
        yield escape(note)
    if inferred.unlabelled:
        yield f"[red]✗[/] {escape(inferred.unlabelled)}"


def _problems(table: Table, schema: Schema) -> Iterator[Problem]:
    """Check every row, in order."""
    for start in range(0, len(table.lines), _CHUNK):
        columns = {name: cells[start : start + _CHUNK] for name, cells in table.columns.items()}
        rows = len(table.lines[start : start + _CHUNK])
        found = schema.encode(columns, rows).problems
        if schema.target in columns:
            found += schema.labels(columns[schema.target])[1]
        for problem in sorted(found, key=lambda problem: problem.row):
            yield problem._replace(row=start + problem.row)


def _show(table: Table, problems: list[Problem]) -> None:
    for bad in table.rejected[:_SHOWN]:
        console.print(escape(f"line {bad.line}: {bad.reason}"), highlight=False)
    if len(table.rejected) > _SHOWN:
        console.print(f"… {len(table.rejected):,} rows can't be read", highlight=False)
    if not problems:
        return
    shown = Shown()
    for name in ("line", "field", "what is wrong"):
        shown.add_column(name, overflow="fold")
    for problem in problems[:_SHOWN]:
        line = str(table.lines[problem.row])
        shown.add_row(line, escape(problem.field), escape(problem.message))
    console.print(shown)
    if len(problems) > _SHOWN:
        console.print(f"… {len(problems):,} problems in all", highlight=False)


def _told(inferred: Inference) -> dict[str, Any]:
    columns = [
        {"name": c.name, "is": c.role, "kind": c.kind, "because": c.why, "missing": c.absent}
        for c in inferred.columns
    ]
    return {
        "schema": inferred.schema.document,
        "columns": columns,
        "notes": list(inferred.notes),
        "unlabelled": inferred.unlabelled or None,
    }


def _of(table: Table) -> dict[str, Any]:
    return {
        "rows": len(table.lines),
        "rejected": len(table.rejected),
        "dialect": table.dialect.described() if table.dialect else None,
        "matched": dict(table.header.matched) if table.header else {},
    }


def _dialect(table: Table) -> Iterator[str]:
    """Say how a file is written, as marked-up lines."""
    if table.dialect:
        how = (f"{what} {found}" for what, found in table.dialect.described().items())
        yield escape(", ".join(how))
    for name, form in table.formats.items():
        yield escape(f"{name!r} has {form.described()}")
    for written, name in (table.header.matched if table.header else {}).items():
        yield escape(f"column {written!r} is {name!r}")


def _as_text(document: object) -> str:
    return text.dumps(document, indent=2, ensure_ascii=False) + "\n"
