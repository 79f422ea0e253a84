"""`evergreen drift`: the latest check, a file, or any part of the log."""

import json as text
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.files import content
from evergreen.cli.output import Json, busy, commands, console, example, line
from evergreen.cli.times import MEANT, moment
from evergreen.errors import InputError, NotFoundError
from evergreen.store import keys

app = commands()

_DRIFT = 3  # what a shell is told of it

_VERDICTS = {
    "drift": "customers have changed",
    "no_drift": "customers have not changed",
    "too_few_rows": "too few customers to say",
}


@app.command(
    "drift",
    epilog=example(
        "drift",
        "drift customers.csv --fail-on-drift",
        "drift --since 7d --until 2d --against 20260102T030405Z-0a1b2c3d",
    ),
)
def drift(
    file: Annotated[
        Path | None, typer.Argument(help="Customers to compare; a .csv, .tsv or .jsonl file.")
    ] = None,
    since: Annotated[str | None, typer.Option(help=f"Of the log, from when on: {MEANT}")] = None,
    until: Annotated[str | None, typer.Option(help="Of the log, until when; else now.")] = None,
    against: Annotated[
        str | None, typer.Option(help="The version to compare with; else the one that serves.")
    ] = None,
    fail: Annotated[
        bool, typer.Option("--fail-on-drift", help="End with 3 where customers have changed.")
    ] = False,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Say whether customers have changed since the model was chosen, and in what.

    Without a file or a time it is the latest check of the stack. Customers of a file or of the log
    are compared here, as the stack does it and from where on it calls it drift; nothing is kept of
    it.
    """
    now = datetime.now(UTC)
    if file and (since or until):
        raise typer.BadParameter("give a file, or --since for the log")
    if (until or against) and not (file or since):
        raise typer.BadParameter("give --since, from when on the log is read, or a file")
    found = Deployment.find(stack)
    if file:
        report = _file(found, file, against)
    elif since:
        start, end = moment(since, now), moment(until or "0m", now)
        if start >= end:
            raise typer.BadParameter("--since must be before --until")
        report = _log(found, start, end, against)
    else:
        report = _latest(found)
    if json:
        output.document(report)
    else:
        _show(report)
    if fail and report["verdict"] == "drift":
        raise typer.Exit(_DRIFT)


def _latest(found: Deployment) -> Any:
    try:
        return text.loads(found.logs.get(keys.DRIFT_LATEST)[0])
    except NotFoundError:
        raise InputError(
            "no check was made yet: the stack makes one every hour once there is a model;"
            " `evergreen drift --since 24h` makes one here"
        ) from None


def _file(found: Deployment, file: Path, version: str | None) -> dict[str, Any]:
    with busy("Loading the model") as tell:
        from evergreen.customers.table import Table
        from evergreen.jobs.drift import checking  # scipy takes a while to import

        thresholds = found.settings("DriftFunction").drift_thresholds
        champion = checking.reference(found.registry, version)
        tell(f"Reading {file}")
        table = Table.read(content(file), str(file), champion.schema, labelled=False)
        tell(f"Comparing {len(table.lines):,} rows")
        return checking.of_table(champion, table, thresholds).as_dict()


def _log(
    found: Deployment, since: datetime, until: datetime, version: str | None
) -> dict[str, Any]:
    with busy("Loading the model") as tell:
        from evergreen.jobs.drift import checking

        thresholds = found.settings("DriftFunction").drift_thresholds
        registry = found.registry
        champion = checking.reference(registry, version)
        tell("Reading the log")
        window = since, until
        return checking.of_log(registry, found.logs, champion, *window, thresholds).as_dict()


def _show(report: Mapping[str, Any]) -> None:
    line(
        f"{_VERDICTS[report['verdict']]}: {report['customers']:,} customers,"
        f" against those of {report['model_version']}"
    )
    if start := report.get("window_start"):
        line(f"from {start} to {report['window_end']}")
    if since := report.get("since"):
        line(f"since {since}")
    for kind in report["kinds"]:
        line(f"more of: {kind}")
    if joint := report.get("joint"):
        said = "drifted" if joint["drifted"] else "not drifted"
        line(f"all features together: {said} (AUC {joint['auc']:.3f})")
    columns = sorted(report["columns"], key=lambda c: (not c["drifted"], -_size(c)))
    rows = [
        {
            "feature": column["name"],
            "drifted": " and ".join(column["drifted_in"]),
            "effect": f"{column['effect']:.3f}",
            "p": f"{column['adjusted_p']:.2g}",
            "missing": _missing(column["missing"]),
            "weight": f"{column['importance']:.1%}",
            "since": (column.get("since") or "")[:16],
        }
        for column in [*columns, *([report["score"]] if report["score"] else [])]
    ]
    if rows:
        console.print(output.table(rows, [*rows[0]]))


def _missing(found: Mapping[str, float] | None) -> str | None:
    return f"{found['before']:.1%} → {found['now']:.1%}" if found else None


def _size(column: Mapping[str, Any]) -> float:
    """How much a change matters."""
    return float(column["effect"] * column["importance"])
