"""`evergreen log …`: predictions as they come in, and those that had not."""

import json as text
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.output import Json, busy, commands, example, line
from evergreen.cli.times import MEANT, moment
from evergreen.jobs.steering.replaying import replay
from evergreen.store.inference_log import Record
from evergreen.store.tail import Tail

app = commands("The log of predictions: follow it, complete it.")

_PAUSE = 5.0  # seconds; Firehose delivers once a minute


@app.command("tail", epilog=example("log tail -n 20", "log tail --follow --json"))
def tail(
    count: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the newest to show.")
    ] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    stack: Stack = "evergreen",
    json: Annotated[
        bool, typer.Option("--json", help="Whole records, each as a JSON line.")
    ] = False,
) -> None:
    """Show the newest predictions, a line each; they are delivered about a minute after the answer.

    A line has the time, the id, the model, and the probability. Customers are shown with --json.
    """
    log = Tail(Deployment.find(stack).logs)
    with busy("Looking for the newest"):
        newest = log.newest(count, datetime.now(UTC))
    for record in newest:
        _tell(record, as_json=json)
    while follow:
        time.sleep(_PAUSE)
        for record in log.more(datetime.now(UTC)):
            _tell(record, as_json=json)


@app.command("replay", epilog=example("log replay --since 6h --dry-run", "log replay --since 6h"))
def bring_back(
    since: Annotated[str, typer.Option(help=f"From when on: {MEANT}")],
    until: Annotated[str, typer.Option(help="Until when; else now.")] = "0m",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what there is.")] = False,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Put predictions into the log that Firehose did not take, and the predictor's log has kept.

    Said again it changes nothing: each is written once, under the hour in which it was made.
    """
    now = datetime.now(UTC)
    start, end = moment(since, now), moment(until, now)
    if start >= end:
        raise typer.BadParameter("--since must be before --until")
    found = Deployment.find(stack)
    with busy("Reading the predictor's log"):
        told = replay(found.logs, found.predictor_log().undelivered, start, end, dry_run=dry_run)
    if json:
        output.document({"dry_run": dry_run, **told.as_dict()})
    else:
        would = "would be " if dry_run else ""
        line(
            f"{told.found:,} found: {told.written:,} {would}written,"
            f" {told.present:,} were there already"
        )
        for key in told.objects:
            line(f"s3://{found.logs.name}/{key}")
    if told.spoilt:
        output.complain(f"{told.spoilt:,} can't be read: they were cut off in the log")
        raise typer.Exit(1)


def _tell(record: Record, *, as_json: bool) -> None:
    if as_json:
        print(text.dumps(record, ensure_ascii=False), flush=True)
    else:
        names = ("predicted_at", "prediction_id", "model_version", "churn_probability")
        print(*(record.get(name) for name in names), flush=True)
