"""`evergreen score`: a file of customers, scored here or by the stack."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from evergreen.cli import output
from evergreen.cli.deployment import Deployment, Stack
from evergreen.cli.files import beside, named
from evergreen.cli.output import Json, busy, commands, example, line
from evergreen.cli.waiting import wait
from evergreen.customers import files
from evergreen.errors import InputError, NotFoundError
from evergreen.jobs.files.call_list import CallList
from evergreen.jobs.files.scoring import score as score_file
from evergreen.jobs.files.streaming import Results
from evergreen.jobs.files.summary import Summary
from evergreen.models.model import Model
from evergreen.store import keys

app = commands()


@app.command(
    "score",
    epilog=example("score customers.csv", "score customers.csv.gz --reasons 3 --upload"),
)
def score(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv or .jsonl file, also as .gz.")],
    reasons: Annotated[
        int | None,
        typer.Option(
            min=0, max=10, help="How many each customer is given; else as the schema has it."
        ),
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Let the stack do it, and keep the predictions.")
    ] = False,
    stack: Stack = "evergreen",
    json: Json = False,
) -> None:
    """Score a file of customers; who can't be scored is written apart, with the reason.

    Here, the results are written beside the file, and predictions are not logged. With --upload the
    file is put under incoming/ of the data bucket, and the results lie there under scored/.
    """
    kind = files.kind(file.name)
    if kind is None:
        raise InputError(files.refusal(str(file)))
    if not file.is_file():
        raise InputError(f"{file} does not exist")
    found = Deployment.find(stack)
    do = _uploaded if upload else _here
    summary, places = do(found, file, kind, reasons)
    if json:
        output.document({**summary.to_dict(), "files": places})
    elif summary.error:
        output.complain(f"{file}: {summary.error}")
    else:
        line(
            f"{summary.scored:,} scored, {summary.rejected:,} rejected; by {summary.model_version}"
        )
        for place in places.values():
            line(place)
    if summary.status == "refused":
        raise typer.Exit(1)


def _here(
    found: Deployment, file: Path, kind: files.Kind, reasons: int | None
) -> tuple[Summary, dict[str, str]]:
    """Score a file in this process."""
    with busy("Loading the model") as tell, ExitStack() as open_files:
        model = found.registry.champion(Model.load)
        folder = open_files.enter_context(beside(file))
        now = datetime.now(UTC).isoformat()
        summary = Summary(str(file), now, model.version)
        size, body = file.stat().st_size, open_files.enter_context(file.open("rb"))

        def progress() -> bool:
            tell(f"Scoring {file}: {100 * body.tell() // max(size, 1)} %")
            return True

        with (
            files.writer(folder / "scored", kind) as answered,
            files.writer(folder / "rejected", kind) as rejected,
            (folder / "call-list").open("wb") as called,
        ):
            results = Results(answered, rejected, lambda _: None, called)
            wanted = model.schema.campaign.reasons if reasons is None else reasons
            try:
                summary = score_file(
                    model,
                    files.unpacked(body, kind),
                    kind,
                    results,
                    summary,
                    reasons=wanted,
                    calls=CallList.of(model, now),
                    in_time=progress,
                )
            except InputError as error:
                return replace(summary, status="refused", error=str(error)), {}
        wanted_files = {
            "scored": summary.scored > 0,
            "rejected": summary.rejected > 0,
            "call-list": summary.calls > 0,
        }
        places = {}
        for name, wanted_file in wanted_files.items():
            packed = kind._replace(gzipped=False) if name == "call-list" else kind
            place = named(file, name, packed)
            if wanted_file:
                (folder / name).replace(place)
                places[name] = str(place)
            else:
                place.unlink(missing_ok=True)  # of an earlier scoring
    return summary, places


def _uploaded(
    found: Deployment, file: Path, kind: files.Kind, reasons: int | None
) -> tuple[Summary, dict[str, str]]:
    """Let the stack score a file, and wait until it has."""
    data, key = found.data, f"{keys.INCOMING}{file.name}"
    metadata = {} if reasons is None else {"reasons": str(reasons)}
    with busy(f"Uploading {file}") as tell:
        data.upload(key, file, files.content_type(kind), metadata=metadata)
        version = data.head(key).version
        tell("Waiting for the scores")

        def look() -> Summary | None:
            try:
                summary = Summary.parse(data.get(keys.score_summary(key))[0])
            except (NotFoundError, ValueError):
                return None
            told = summary.final or summary.status == "waiting"
            return summary if told and summary.upload == version else None

        summary = wait(look, f"s3://{data.name}/{keys.score_summary(key)}")
    wanted = {
        "scored": (keys.scored(key), summary.scored),
        "rejected": (keys.rejected(key), summary.rejected),
        "call-list": (keys.call_list(key), summary.calls),
    }
    return summary, {n: f"s3://{data.name}/{k}" for n, (k, count) in wanted.items() if count}
