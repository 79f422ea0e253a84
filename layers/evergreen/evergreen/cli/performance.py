"""`evergreen performance`: how good the model really was, as it was last measured."""

import json as text
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.output import Json, busy, commands, console, example, line
from evergreen.errors import NotFoundError
from evergreen.store import keys

app = commands()

METRICS = ("roc_auc", "log_loss")
COLUMNS = ("week", "customers", "labelled", *METRICS)


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
    for version, weeks in groupby(found["weeks"], itemgetter("model_version")):
        told = list(weeks)
        expected = told[0].get("expected") or {}
        title = ", ".join([version, *(f"{n} {v:.3f} expected" for n, v in expected.items() if v)])
        console.print(output.table([*map(row, told)], COLUMNS, title.replace("_", " ")))
    if not found["weeks"]:
        line("no predictions yet")
    for campaign in found.get("campaigns", ()):
        effect = campaign["effect"]
        known = f"effect {ranged(effect)}" if effect else "nothing to compare yet"
        line(
            f"campaign {campaign['upload']}: {known},"
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
    counts = {name: week[name] for name in ("week", "customers", "labelled")}
    return counts | {n: _either(measured.get(n), estimated.get(n)) for n in METRICS}


def ranged(value: Mapping[str, float] | float) -> str:
    """Write a value with its interval."""
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    return f"{value:.3f}"


def _either(measured: Any, estimated: Any) -> str | None:
    if measured is not None:
        return ranged(measured).replace(" to ", "–")  # noqa: RUF001, which is no minus here
    return None if estimated is None else f"[{estimated:.3f}]"
