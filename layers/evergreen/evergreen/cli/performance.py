"""`evergreen performance`: how good the model really was, as it was last measured."""

import json as text
from collections.abc import Mapping
from typing import Any

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.output import Json, busy, commands, console, example, line
from evergreen.errors import NotFoundError
from evergreen.store import keys

app = commands()

METRICS = ("roc_auc", "log_loss", "brier", "ece")


@app.command("performance", epilog=example("performance", "performance --json"))
def performance(stack: Stack = "evergreen", json: Json = False) -> None:
    """Show how good the model was, week by week, on customers whose outcome has come.

    For the others there is an estimate, from how sure the model was, in brackets.
    """
    with busy("Reading the measurement"):
        found = read(Deployment.find(stack))
    if json:
        output.document(found)
        return
    if found is None:
        line(
            "nothing is measured yet: outcomes are put with `evergreen outcomes put`,"
            " and measured within a day"
        )
        return
    rows = [row(week) for week in found["weeks"]]
    columns = ["week", "version", "customers", "labelled", *METRICS, "churn", "expected AUC"]
    console.print(output.table(rows, columns) if rows else "no predictions yet")
    for campaign in found.get("campaigns", ()):
        effect = campaign["effect"]
        line(
            f"campaign {campaign['upload']}: effect {ranged(effect)},"
            f" {campaign['contacted']:,} contacted, {campaign['control']:,} not"
        )
    outcomes = found["outcomes"]
    line(
        f"outcomes: {outcomes['received']:,} received, {outcomes['unmatched']:,} of nobody who"
        f" was predicted for, {outcomes['contradictions']:,} contradictions"
    )
    if (decay := found.get("decay")) and decay["seen"]:
        output.complain(f"it decays: {decay['reason']}")


def read(found: Deployment) -> Any:
    """Return the latest measurement; None where there is none."""
    try:
        return text.loads(found.logs.get(keys.PERFORMANCE)[0])
    except NotFoundError:
        return None


def row(week: Mapping[str, Any]) -> dict[str, Any]:
    """Return a week as a row of a table: what was measured or, in brackets, is estimated."""
    measured, estimated = week.get("measured") or {}, week.get("estimated") or {}
    told = {
        "week": week["week"],
        "version": week["model_version"],
        "customers": week["customers"],
        "labelled": week["labelled"],
        "churn": _either(measured.get("churn_rate"), estimated.get("churn_rate")),
        "expected AUC": (week.get("expected") or {}).get("roc_auc"),
    }
    return told | {n: _either(measured.get(n), estimated.get(n)) for n in METRICS}


def ranged(value: Mapping[str, float] | float) -> str:
    """Write a value with its interval."""
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    return f"{value:.3f}"


def _either(measured: Any, estimated: Any) -> str | None:
    if measured is not None:
        return ranged(measured)
    return None if estimated is None else f"[{estimated:.3f}]"
