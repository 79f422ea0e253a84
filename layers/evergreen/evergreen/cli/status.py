"""`evergreen status`: a deployment at a glance."""

import json as text
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.output import Json, busy, commands, console, example
from evergreen.cli.performance import METRICS, read, row
from evergreen.cli.times import age
from evergreen.errors import NoModelError, NotFoundError
from evergreen.jobs.steering import inspection
from evergreen.jobs.steering.replaying import replay
from evergreen.store import keys
from evergreen.store.set_aside import SetAside

app = commands()

_LATELY = timedelta(hours=1)
_MOST = 1_000  # undelivered objects that are counted


@app.command("status", epilog=example("status --stack evergreen-prod", "status --json"))
def status(stack: Stack = "evergreen", json: Json = False) -> None:
    """Show what serves, whether customers drift, how good it is, and what waits for a person."""
    with busy("Looking") as tell:
        told = look(Deployment.find(stack), datetime.now(UTC), tell)
    if json:
        output.document(told)
        return
    now, champion, drift = datetime.now(UTC), told["champion"], told["drift"]
    shown: dict[str, object] = {"stack": stack, "champion": "none: nothing has been trained yet"}
    if champion:
        created = datetime.fromisoformat(champion["created"])
        since = datetime.fromisoformat(champion["serves_since"])
        shown["champion"] = (
            f"{champion['version']}, trained {age(created, now)}, promoted {age(since, now)}"
        )
        shown["gate"] = f"{champion['gate']}: {champion['reason']}"
    shown["drift"] = "no check yet"
    if drift:
        at = datetime.fromisoformat(drift["checked_at"])
        shown["drift"] = f"{drift['verdict']}, {drift['customers']:,} customers, {age(at, now)}"
    shown["performance"] = "nothing measured yet"
    if week := told["performance"]:
        metrics = ", ".join(f"{n} {v}" for n in METRICS if (v := row(week)[n]))
        shown["performance"] = f"{week['week']}: {metrics}; {week['labelled']:,} labelled"
    counts, waits = told["queues"], told["waits"]
    shown["failure queue"] = counts["failures"] or "empty"
    undelivered = counts["undelivered_last_hour"]
    shown["undelivered"] = (
        f"{undelivered} predictions of the last hour: `evergreen log replay --since 1h`"
        if undelivered
        else "none in the last hour"
    )
    if counts["undelivered_objects"]:
        shown["undelivered/"] = f"{counts['undelivered_objects']:,} objects of the log bucket"
    for version in waits["versions"]:
        shown[f"waits: {version['version']}"] = f"{version['reason']} (`evergreen models promote`)"
    for source in waits["sources"]:
        shown[f"set aside: {source['key']}"] = f"{source['reason']} (`evergreen sources release`)"
    for refused in waits["refused"]:
        shown[f"refused: {refused['key']}"] = f"see {refused['explained']}"
    console.print(output.facts(shown))


def look(found: Deployment, now: datetime, tell: Callable[[str], object]) -> dict[str, Any]:
    """Gather what `status` tells."""
    registry = found.registry
    measured = read(found) or {}
    tell("Looking for what waits")
    held = [entry for entry in SetAside(registry.bucket).entries() if entry.held]
    explained = [*found.data.list(keys.EXPLAINED)]
    failures = found.failures()
    tell("Looking for undelivered predictions")
    kept = found.predictor_log().undelivered
    lately = replay(found.logs, kept, now - _LATELY, now, dry_run=True)
    undelivered = islice(found.logs.list("undelivered/"), _MOST)
    return {
        "stack": found.name,
        "champion": _champion(found),
        "drift": _drift(found),
        "performance": next(iter(measured.get("weeks", ())), None),
        "queues": {
            "failures": failures,
            "undelivered_last_hour": lately.written + lately.spoilt,
            "undelivered_objects": sum(1 for _ in undelivered),
        },
        "waits": {
            "versions": [
                {"version": each.version, "reason": each.decision["reason"]}
                for each in _waiting(found)
            ],
            "sources": [
                {"key": each.key, "reason": each.reason, "since": each.since} for each in held
            ],
            "refused": [
                {"key": name, "explained": f"s3://{found.data.name}/{keys.EXPLAINED}{each}"}
                for each in (e.key.removeprefix(keys.EXPLAINED) for e in explained)
                for name in [keys.TRAINING + each.removesuffix(keys.REASON)]
            ],
        },
    }


def _champion(found: Deployment) -> dict[str, Any] | None:
    try:
        pointer = found.registry.pointer()
    except NoModelError:
        return None
    manifest = found.registry.manifest(pointer.version)
    return {
        "version": manifest.version,
        "created": manifest.created,
        "serves_since": pointer.move.moved_at,
        "trigger": manifest.trigger,
        "gate": inspection.verdict(manifest.decision),
        "reason": pointer.move.reason,
        "warnings": manifest.warnings,
    }


def _waiting(found: Deployment) -> list[Any]:
    try:
        return [*inspection.waiting(found.registry)]
    except NoModelError:
        return []


def _drift(found: Deployment) -> dict[str, Any] | None:
    try:
        report = text.loads(found.logs.get(keys.DRIFT_LATEST)[0])
    except NotFoundError:
        return None
    names = ("verdict", "customers", "drifted_share", "model_version")
    drifted = [column["name"] for column in report["columns"] if column["drifted"]]
    checked = report.get("checked_at") or report["window_end"]
    told = {name: report[name] for name in names}
    return {"checked_at": checked, **told, "drifted": drifted}
