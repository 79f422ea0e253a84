"""The whole loop on this machine: `make demo`, or `make up` for the deployed stack alone."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from evergreen.cli import schemas
from evergreen.customers.inference import Inference
from evergreen.customers.table import Table
from evergreen.errors import InputError
from local.demo import source
from local.demo.doors import Doors, StoryError
from local.demo.stack import ROOT, Emulator, Outputs, StackError, build, deploy
from local.demo.stories import Stories
from local.demo.story import Story
from local.progress import step

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)
console = Console(soft_wrap=True)

Port = Annotated[int, typer.Option(help="LocalStack's port on the loopback interface.")]
State = Annotated[Path, typer.Option(help="Where LocalStack keeps its files.")]
_STATE = ROOT / ".local/state"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="A table of labelled customers; else ours are made.")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(help="Its Table Schema; else one is inferred.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The column that says who left, to infer a schema by.")
    ] = None,
    port: Port = 4566,
    state: State = _STATE,
) -> None:
    """Predict, notice drift, retrain and serve the new model, from nothing."""
    with step(console, "Read the customers") as done:
        customers = source.find(data, schema, target)
        done(str(data or "made by our generator"))
    if isinstance(customers, source.Table) and customers.inferred:
        _tell_inferred(customers.inferred, customers.read)
    with _left_running(Emulator(port, state)) as emulator:
        stack = _up(emulator)
        story = Story(console, Doors(emulator, stack), customers)
        story.tell()
    console.print(story.the_end())
    page = state / "drift.html"
    page.write_text(story.page)
    _tell_addresses(stack)
    console.print(f"Drift report  {page}", highlight=False)
    console.print("Try it     ", story.curl(), highlight=False)
    console.print("Stop it     make down")


@app.command()
def stories(port: Port = 4566, state: State = _STATE) -> None:
    """Tell how the loop judges: a load test, a poisoned file, a new field, a rollback."""
    with _left_running(Emulator(port, state)) as emulator:
        stack = _up(emulator)
        Stories(console, Doors(emulator, stack)).tell()
    _tell_addresses(stack)
    console.print("Look        make models, make sources")
    console.print("Stop it     make down")


@app.command()
def up(port: Port = 4566, state: State = _STATE) -> None:
    """Start LocalStack, build, and deploy the template."""
    with _left_running(Emulator(port, state)) as emulator:
        stack = _up(emulator)
    _tell_addresses(stack)
    console.print("Stop it     make down")


@contextmanager
def _left_running(emulator: Emulator) -> Iterator[Emulator]:
    """Leave the emulator running where the block came to its end, and only then."""
    try:
        yield emulator
    except BaseException:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # whoever is impatient: this takes a second
        emulator.stop()
        raise


def _up(emulator: Emulator) -> Outputs:
    with step(console, "Start LocalStack") as done:
        emulator.start()
        done(emulator.endpoint)
    with step(console, "Build the functions and layers"):
        build(emulator)
    with step(console, "Deploy the template"):
        return deploy(emulator)


def _tell_inferred(inferred: Inference, table: Table) -> None:
    console.print(schemas.shown(inferred))
    for line in schemas.remarks(inferred, table):
        console.print("     ", line, highlight=False)


def _tell_addresses(stack: Outputs) -> None:
    console.print(f"API         {stack.api_url}", highlight=False)
    console.print(f"Its page    {stack.api_url}/docs", highlight=False)
    console.print(f"API key     {stack.api_key}", highlight=False)


def main() -> int:
    """Run a command; where it does not come to its end, nothing that it started lives on."""
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        return int(app(standalone_mode=False) or 0)  # typer returns 130 when it is interrupted
    except (InputError, StackError, StoryError) as error:
        console.print(f"[red]✗[/] {escape(str(error))}", highlight=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
