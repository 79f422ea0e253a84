"""`evergreen sources …`: labelled files that are set aside, and so not learned from."""

import dataclasses
from typing import Annotated

import typer

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.output import Json, Reason, commands, example, line
from evergreen.jobs.learning.stewardship import Stewardship

app = commands("Labelled files that are set aside, and so not learned from.")


@app.command("list", epilog=example("sources list"))
def list_sources(stack: Stack = "evergreen", json: Json = False) -> None:
    """Show which labelled files are or were set aside, and why."""
    entries = Stewardship(Deployment.find(stack).registry).set_aside.entries()
    rows = [dataclasses.asdict(entry) | {"held": entry.held} for entry in entries]
    output.rows(rows, ["key", "held", "since", "reason", "release_reason"], as_json=json)


@app.command(
    "release", epilog=example('sources release training/may.csv --reason "May was like that"')
)
def release(
    file: Annotated[str, typer.Argument(help="Its key, training/….csv, or its ETag.")],
    reason: Reason,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Let a file be learned from again; the next training does, within the hour."""
    released = Stewardship(Deployment.find(stack).registry).release(file, reason)
    if json:
        output.document([dataclasses.asdict(entry) for entry in released])
        return
    for entry in released:
        line(f"released: {entry.key}")
