"""`evergreen models …`: which versions there are, how they differ, and which of them serves."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.output import Json, Reason, busy, commands, console, example, line
from evergreen.jobs.learning.stewardship import Stewardship
from evergreen.jobs.steering import inspection

app = commands("Model versions: list, compare, verify, promote, roll back.")

Version = Annotated[str | None, typer.Argument(help="Its name; else the one that serves.")]


@app.command("list", epilog=example("models list", "models list --json"))
def list_models(stack: Stack = "evergreen", json: Json = False) -> None:
    """Show all versions, newest first: what triggered them, what the gate said, which serves."""
    registry = Deployment.find(stack).registry
    with busy("Reading the versions"):
        serving = registry.pointer().version
        rows = [
            {
                "version": manifest.version,
                "serves": manifest.version == serving,
                "trigger": manifest.trigger,
                "gate": inspection.verdict(manifest.decision),
                "reason": manifest.decision["reason"],
                "parent": manifest.parent,
            }
            for manifest in registry.manifests()
        ]
    output.rows(rows, ["version", "serves", "trigger", "gate", "reason"], as_json=json)


@app.command("show", epilog=example("models show", "models show 20260102T030405Z-0a1b2c3d --json"))
def show(version: Version = None, stack: Stack = "evergreen", json: Json = False) -> None:
    """Show a version: its metrics, what the gate said, its warnings, what it learned from."""
    registry = Deployment.find(stack).registry
    with busy("Reading the version"):
        found = inspection.describe(registry, version or registry.pointer().version)
    if json:
        output.document(found)
        return
    decision = found["decision"]
    console.print(
        output.facts(
            {
                "version": found["version"],
                "serves": "yes" if found["serves"] else "no",
                "trained": found["created"],
                "trigger": found["trigger"],
                "parent": found["parent"],
                "gate": f"{inspection.verdict(decision)}: {decision['reason']}",
                "fields": len(found["schema"]["fields"]),
                "learner": found["metrics"].get("learner"),
                "threshold": found["metrics"]["threshold"],
            }
        )
    )
    for warning in found["warnings"]:
        line(f"! {warning}")
    held_out, baselines = found["metrics"]["held_out"], found["metrics"].get("baselines", {})
    sides = {"it": held_out, **{_said(name): each for name, each in baselines.items()}}
    measured = [
        {"held out": name, **{side: of.get(name) for side, of in sides.items()}}
        for name in held_out
    ]
    console.print(output.table(measured, ["held out", *sides], "On customers held out"))
    weights = sorted(found["metrics"]["importance"].items(), key=lambda item: -item[1])
    ranked = [{"feature": name, "importance": weight} for name, weight in weights]
    console.print(output.table(ranked, ["feature", "importance"], "What it goes by"))
    sources = [{"key": key, "ETag": etag.strip('"')} for key, etag in found["sources"].items()]
    console.print(output.table(sources, ["key", "ETag"], "What it learned from"))


@app.command("diff", epilog=example("models diff 20260102T030405Z-0a1b2c3d"))
def diff(
    one: Annotated[str, typer.Argument(help="A version.")],
    other: Annotated[str | None, typer.Argument(help="Another; else the one that serves.")] = None,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Show two versions side by side: schema, metrics, importance, settings, sources."""
    registry = Deployment.find(stack).registry
    with busy("Reading the versions"):
        found = inspection.compare(registry, one, other or registry.pointer().version)
    if json:
        output.document(found)
        return
    names = found["versions"]
    for part, differences in found["parts"].items():
        rows = [
            {part: name, "before": before, "after": after}
            for name, (before, after) in differences.items()
        ]
        made = output.table(rows, [part, "before", "after"])
        made.columns[1].header, made.columns[2].header = names
        console.print(made if rows else f"{part}: the same")


@app.command("moves", epilog=example("models moves"))
def list_moves(stack: Stack = "evergreen", json: Json = False) -> None:
    """Show every promotion and rollback, newest first, with its reason."""
    registry = Deployment.find(stack).registry
    rows = [dataclasses.asdict(move) for move in registry.history(registry.pointer())]
    output.rows(rows, ["version", "kind", "moved_at", "reason"], as_json=json)


@app.command("rollback", epilog=example('models rollback --reason "scores everybody high"'))
def roll_back(
    reason: Reason,
    to: Annotated[str | None, typer.Option(help="Which version; else the one before.")] = None,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Go back to an earlier version; files that only later ones knew are set aside.

    The same command again completes the same rollback, and goes back no further.
    """
    steward = Stewardship(Deployment.find(stack).registry)
    move = steward.roll_back(reason, to)
    held = [entry for entry in steward.set_aside.entries() if entry.held]
    if json:
        set_aside = [dataclasses.asdict(entry) for entry in held]
        output.document({"move": dataclasses.asdict(move), "set_aside": set_aside})
        return
    done = f"rolled back {move.previous} → {move.version} at {move.moved_at}"
    line(f"{done}; to go back further, name a version with --to")
    for entry in held:
        line(f"set aside: {entry.key}: {entry.reason}")


@app.command(
    "promote", epilog=example('models promote 20260102T030405Z-0a1b2c3d --reason "looked at"')
)
def promote(
    version: Annotated[str, typer.Argument(help="The version that is to serve.")],
    reason: Reason,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Let a version serve that waits for a person, or that the gate has kept."""
    move = Stewardship(Deployment.find(stack).registry).promote(version, reason)
    if json:
        output.document({"move": dataclasses.asdict(move)})
    else:
        line(f"{move.version} serves, after {move.previous}")


@app.command("verify", epilog=example("models verify", "models verify --all"))
def verify(
    version: Version = None,
    every: Annotated[bool, typer.Option("--all", help="All versions.")] = False,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Check that a version is what was published, and answers as when it was trained.

    Every file is hashed, and the golden rows are predicted again. Ends with 1 where it is broken.
    """
    if every and version:
        raise typer.BadParameter("name a version, or --all")
    registry = Deployment.find(stack).registry
    rows: list[Mapping[str, Any]] = []
    with busy("Looking for versions") as tell:
        names = [*inspection.versions(registry)] if every else [version or _serving(registry)]
        for number, name in enumerate(names, 1):
            tell(f"Verifying {name}, {number} of {len(names)}")
            wrong = inspection.fault(registry, name)
            rows.append({"version": name, "sound": wrong is None, "fault": wrong})
    output.rows(rows, ["version", "sound", "fault"], as_json=json)
    if not all(row["sound"] for row in rows):
        raise typer.Exit(1)


def _serving(registry: Any) -> str:
    return str(registry.pointer().version)


def _said(name: str) -> str:
    return name.replace("_", " ")
