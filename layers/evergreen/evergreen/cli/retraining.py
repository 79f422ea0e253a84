"""`evergreen retrain`: a training that a person asks for."""

from typing import Annotated

import typer

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.output import Json, busy, commands, console, example, line
from evergreen.store import functions

app = commands()

_EVENT = {"detail-type": "Asked For By Hand"}


@app.command("retrain", epilog=example("retrain", "retrain --wait --json"))
def retrain(
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it is over, and show what came of it.")
    ] = False,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Ask for a training now, whether or not there is news.

    The gate decides as always whether what is trained serves. Without --wait it is only begun; if
    it fails, the failure queue has it.
    """
    function = Deployment.find(stack).output("RetrainFunction")
    if not wait:
        functions.ask(function, _EVENT)
        if json:
            output.document({"status": "asked"})
        else:
            line("asked for; `evergreen status` tells when it is done")
        return
    with busy("Training; this takes minutes"):
        outcome = functions.run(function, _EVENT)
    if json:
        output.document(outcome)
        return
    told = {name: outcome.get(name) for name in ("status", "version", "reason")}
    console.print(output.facts({name: value for name, value in told.items() if value}))
    for kind in ("set_aside", "refused"):
        for key, reason in outcome.get(kind, {}).items():
            line(f"{kind.replace('_', ' ')}: {key}: {reason}")
