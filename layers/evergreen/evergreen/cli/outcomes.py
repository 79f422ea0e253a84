"""`evergreen outcomes put`: who left and who stayed, checked here and given to the stack."""

import dataclasses
import hashlib
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.files import beside, named
from evergreen.cli.output import Json, busy, commands, example, line
from evergreen.cli.waiting import wait as wait_for
from evergreen.customers import files
from evergreen.customers.files import Kind
from evergreen.customers.outcomes import Reader
from evergreen.customers.schema import Schema
from evergreen.errors import InputError, NotFoundError, TableError
from evergreen.jobs.outcomes.intake import Received
from evergreen.jobs.outcomes.rows import Cells, Objects
from evergreen.models import artifact
from evergreen.store import keys

app = commands("Tell who left and who stayed, which is learned from.")


@app.callback()
def outcomes() -> None:
    """Tell who left and who stayed, which is learned from."""


@app.command("put", epilog=example("outcomes put left-in-may.csv --wait", "outcomes put -"))
def put(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A .csv, .tsv or .jsonl file, also as .gz.")
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Until the stack has taken them in, and show that.")
    ] = False,
    skip: Annotated[
        bool, typer.Option("--skip-invalid", help="Put it though some rows can't be taken.")
    ] = False,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Put a file of outcomes under outcomes/ of the data bucket, if every row of it can be taken.

    It has a column prediction_id, or those of the primary key; one that says who left, called as
    the target or churned; and may have observed_at. Rows that can't be taken are written beside the
    file, with the reasons.
    """
    found = Deployment.find(stack)
    with tempfile.TemporaryDirectory() as folder:
        given = _stdin(Path(folder)) if file == "-" else Path(file)
        kind = files.kind(given.name)
        if kind is None:
            raise InputError(files.refusal(str(given)))
        if not given.is_file():
            raise InputError(f"{given} does not exist")
        apart = named(Path(given.name) if file == "-" else given, "rejected", kind)
        with busy(f"Checking {file}"):
            accepted, refused = _check(given, kind, _schema(found), apart)
        if refused and not skip:
            told = f"{refused:,} rows of {file} can't be taken, see {apart}"
            raise InputError(f"{told}: mend them, or put the others with --skip-invalid")
        key = f"{keys.OUTCOMES}{given.name}"
        with busy(f"Uploading {file}") as tell:
            found.data.upload(key, given, files.content_type(kind))
            version = found.data.head(key).version
            tell("Waiting for the stack")
            received = _wait(found, key, version) if wait else None
    if json:
        summary = dataclasses.asdict(received) if received else None
        output.document({"key": key, "version": version, "checked": accepted, "summary": summary})
    elif received is None:
        line(f"{accepted:,} outcomes put as s3://{found.data.name}/{key}")
    elif not received.error:
        line(f"{received.accepted:,} outcomes taken in, {received.rejected:,} rejected")
    if received and received.error:
        output.complain(received.error)
        raise typer.Exit(1)


def _stdin(folder: Path) -> Path:
    """Keep what comes on stdin as a file, which is called the same where it says the same."""
    content = sys.stdin.buffer.read()
    suffix = ".jsonl" if content.lstrip().startswith(b"{") else ".csv"
    file = folder / f"outcomes-{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
    file.write_bytes(content)
    return file


def _schema(found: Deployment) -> Schema:
    registry = found.registry
    served = registry.fetch(registry.pointer().version, (artifact.SCHEMA,)).verify()
    return Schema.parse(served.files[artifact.SCHEMA])


def _check(file: Path, kind: Kind, schema: Schema, apart: Path) -> tuple[int, int]:
    """Read a file as the stack will; return how many rows it can take, and how many not.

    Those are written apart; what an earlier check has written there is removed otherwise.
    """
    accepted = refused = 0
    reader = Reader(schema, datetime.now(UTC))
    with beside(apart) as folder, file.open("rb") as body:
        written = folder / "rejected"
        try:
            with files.writer(written, kind) as out:
                unpacked = files.unpacked(body, kind)
                source = (Objects if kind.json else Cells)(unpacked, reader)
                out.write(source.header())
                for some in source.batches():
                    out.write(some.rejected)
                    accepted += len(some.outcomes)
                    refused += some.refused
        except TableError as error:
            raise InputError(f"{file}: {error}") from None
        if refused:
            written.replace(apart)
        else:
            apart.unlink(missing_ok=True)
    return accepted, refused


def _wait(found: Deployment, key: str, version: str) -> Received:
    summary = keys.outcomes_summary(key)

    def look() -> Received | None:
        try:
            received = Received.parse(found.data.get(summary)[0])
        except (NotFoundError, ValueError):
            return None
        done = received.status != "reading" and received.upload == version
        return received if done else None

    return wait_for(look, f"s3://{found.data.name}/{summary}")
