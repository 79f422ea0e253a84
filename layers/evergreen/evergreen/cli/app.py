"""`evergreen schema …`, `evergreen models …` and `evergreen sources …`."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evergreen.cli.schemas import schemas
from evergreen.errors import EvergreenError
from evergreen.jobs.stewardship import Stewardship
from evergreen.store import s3, stack
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

app = typer.Typer(help="Evergreen: churn prediction that keeps itself fresh.", no_args_is_help=True)
models = typer.Typer(help="Model versions: which there are, and which serves.")
sources = typer.Typer(help="Labelled files that are set aside, and so not learned from.")
app.add_typer(schemas, name="schema", no_args_is_help=True)
app.add_typer(models, name="models", no_args_is_help=True)
app.add_typer(sources, name="sources", no_args_is_help=True)
_NAMES = ("version", "key")  # what a person copies
console, complaints = Console(soft_wrap=True), Console(soft_wrap=True, stderr=True)

Stack = Annotated[
    str, typer.Option(envvar="EVERGREEN_STACK", help="The name of the deployed stack.")
]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]


@models.command("list")
def list_models(stack: Stack = "evergreen", json: Json = False) -> None:
    """Show all versions, newest first: what triggered them, what the gate said, which serves."""
    registry = _registry(stack)
    serving = registry.pointer().version
    rows = [
        {
            "version": manifest.version,
            "serves": manifest.version == serving,
            "trigger": manifest.trigger,
            "gate": _verdict(manifest.decision),
            "reason": manifest.decision["reason"],
            "parent": manifest.parent,
        }
        for manifest in registry.manifests()
    ]
    _show(rows, json, ["version", "serves", "trigger", "gate", "reason"])


@models.command("moves")
def list_moves(stack: Stack = "evergreen", json: Json = False) -> None:
    """Show every promotion and rollback, newest first, with its reason."""
    registry = _registry(stack)
    rows = [dataclasses.asdict(move) for move in registry.history(registry.pointer())]
    _show(rows, json, ["version", "kind", "moved_at", "reason"])


@models.command("rollback")
def roll_back(
    reason: Reason,
    to: Annotated[str | None, typer.Option(help="Which version; else the one before.")] = None,
    stack: Stack = "evergreen",
) -> None:
    """Go back to an earlier version; files that only later ones knew are set aside.

    The same command again completes the same rollback, and goes back no further.
    """
    steward = Stewardship(_registry(stack))
    move = steward.roll_back(reason, to)
    done = f"rolled back {move.previous} → {move.version} at {move.moved_at}"
    console.print(f"{done}; to go back further, name a version with --to", highlight=False)
    for entry in steward.set_aside.entries():
        if entry.held:
            console.print(f"set aside: {entry.key}: {entry.reason}", highlight=False)


@models.command("promote")
def promote(
    version: Annotated[str, typer.Argument(help="The version that is to serve.")],
    reason: Reason,
    stack: Stack = "evergreen",
) -> None:
    """Let a version serve that waits for a person, or that the gate has kept."""
    move = Stewardship(_registry(stack)).promote(version, reason)
    console.print(f"{move.version} serves, after {move.previous}", highlight=False)


@sources.command("list")
def list_sources(stack: Stack = "evergreen", json: Json = False) -> None:
    """Show which labelled files are or were set aside, and why."""
    entries = Stewardship(_registry(stack)).set_aside.entries()
    rows = [dataclasses.asdict(entry) | {"held": entry.held} for entry in entries]
    _show(rows, json, ["key", "held", "since", "reason", "release_reason"])


@sources.command("release")
def release(
    file: Annotated[str, typer.Argument(help="Its key, training/….csv, or its ETag.")],
    reason: Reason,
    stack: Stack = "evergreen",
) -> None:
    """Let a file be learned from again; the next training does, within the hour."""
    for entry in Stewardship(_registry(stack)).release(file, reason):
        console.print(f"released: {entry.key}", highlight=False)


def _registry(name: str) -> Registry:
    return Registry(Bucket(s3.client(), stack.outputs(name)["ModelBucket"]))


def _verdict(decision: Mapping[str, Any]) -> str:
    if decision["promoted"]:
        return "promoted"
    return "waits" if decision.get("waits") else "kept"


def _show(rows: Sequence[Mapping[str, Any]], as_json: bool, columns: Sequence[str]) -> None:
    """Print rows as JSON, or some of their columns as a table that keeps every name whole."""
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        table = Table()
        for name in columns:
            table.add_column(name, no_wrap=name in _NAMES, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(row[name]) for name in columns))
        console.print(table)
    else:
        console.print("none")


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else escape(str(value))


def main() -> int:
    """Run a command; what it can't do is told in one line, with exit code 1."""
    try:
        app()
    except SystemExit as end:  # also where the command itself is wrong, which typer tells
        return int(end.code or 0)
    except (EvergreenError, *s3.FAULTS) as error:
        complaints.print(f"[red]✗[/] {escape(str(error))}", highlight=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
