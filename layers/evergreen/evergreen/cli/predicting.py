"""`evergreen predict`: customers from the command line, answered as the API answers them."""

import io
import json as text
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
import typer

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.files import content
from evergreen.cli.output import Json, busy, commands, console, example, line
from evergreen.customers.json_lines import Object, objects
from evergreen.customers.schema import Schema
from evergreen.customers.table import Table
from evergreen.errors import InputError
from evergreen.jobs.answering.prediction import Customer, attempt
from evergreen.models.model import Model

MOST = 1_000
"""So many customers are answered at a time; for more there is `score`."""

app = commands()


@app.command(
    "predict",
    epilog=example(
        "predict customer.json --explain",
        "predict tenure_months=3 contract=monthly monthly_fee=74.9 …",
        "predict customers.csv --json",
    ),
)
def predict(
    customers: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|-|FIELD=VALUE…",
            help="A file of customers (JSON, JSON lines or CSV), - for stdin, or one's fields.",
        ),
    ],
    explain: Annotated[bool, typer.Option("--explain", help="Say why.")] = False,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Predict for customers with the model that serves, in this process.

    The answers are those of POST /predict/batch; they are not logged. Ends with 1 where a customer
    does not fit the schema: the others are answered all the same.
    """
    named = [each for each in customers if "=" in each]
    if len(named) not in (0, len(customers)) or (not named and len(customers) > 1):
        raise typer.BadParameter("name one file, or fields as name=value")
    with busy("Loading the model"):
        model = Deployment.find(stack).registry.champion(Model.load)
    given = [_fields(named)] if named else _read(customers[0], model.schema)
    if not 0 < len(given) <= MOST:
        raise InputError(
            f"1 to {MOST:,} customers are answered at once, not {len(given):,};"
            " `evergreen score` takes more"
        )
    found = attempt(model, given, explained=explain)
    answers = orjson.loads(orjson.dumps(found.predictions))
    errors = [dict(zip(("index", "field", "message"), p, strict=True)) for p in found.problems]
    if json:
        output.document({"predictions": answers, "errors": errors})
    else:
        _show(answers)
        for problem in found.problems:
            who = f"customer {problem.row + 1}" if len(given) > 1 else "the customer"
            output.complain(f"{who}, field {problem.field!r}: {problem.message}")
    if errors:
        raise typer.Exit(1)


def _fields(named: Sequence[str]) -> Customer:
    """Read `name=value`; nothing behind the sign is a missing value."""
    return {name: value or None for name, _, value in (each.partition("=") for each in named)}


def _read(name: str, schema: Schema) -> Sequence[Customer]:
    """Read customers of any form; a name that says nothing of it, or none, does not matter."""
    found = sys.stdin.buffer.read() if name == "-" else content(name)
    if found.lstrip()[:1] not in (b"{", b"["):
        return _rows(found, "stdin.csv" if name == "-" else name, schema)
    try:
        whole = text.loads(found)
    except ValueError:
        return _lines(found, name)
    given = whole if isinstance(whole, list) else [whole]
    if not all(isinstance(each, dict) for each in given):
        raise InputError(f"{name}: a customer is a JSON object")
    return given


def _lines(found: bytes, name: str) -> Sequence[Customer]:
    read = [*objects(io.BytesIO(found))]
    for each in read:
        if not isinstance(each, Object):
            raise InputError(f"{name}, line {each.line}: {each.reason}")
    return [each.value for each in read if isinstance(each, Object)]


def _rows(found: bytes, name: str, schema: Schema) -> Sequence[Customer]:
    table = Table.read(found, name, schema, labelled=False)
    for bad in table.rejected:
        raise InputError(f"{name}, line {bad.line}: {bad.reason}")
    cells = zip(*table.columns.values(), strict=True)
    return [dict(zip(table.columns, row, strict=True)) for row in cells]


def _show(answers: Sequence[dict[str, Any] | None]) -> None:
    if len(answers) > 1:
        columns = ("churn_probability", "will_churn", "risk", "expected_value", "reasons")
        rows = [
            {"customer": number, **dict.fromkeys(columns), **(answer or {})}
            for number, answer in enumerate(answers, 1)
        ]
        for row in rows:
            row["reasons"] = "\n".join(each["sentence"] for each in row["reasons"] or ())
        shown = [name for name in columns if any(row[name] not in (None, "") for row in rows)]
        console.print(output.table(rows, ["customer", *shown]))
        return
    for answer in filter(None, answers):
        reasons = answer.pop("reasons", ())
        plain = {name: value for name, value in answer.items() if value not in ((), {})}
        plain["will_churn"] = "yes" if answer["will_churn"] else "no"
        console.print(output.facts({name.replace("_", " "): v for name, v in plain.items()}))
        for reason in reasons:
            line(f"{reason['change']:+.3f}  {reason['sentence']}")
