"""The Docker half of running it: `sam local`, the image, and Docker Compose."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from local.containers import image
from local.containers.engine import Engine, EngineError, find, interrupt, private
from local.containers.localstack import Compose, LocalStack, reached
from local.containers.sam import Sam, check
from local.demo.stack import ROOT, Emulator, StackError, build
from local.progress import step

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)
console = Console(soft_wrap=True)

Port = Annotated[int, typer.Option(help="LocalStack's port, where one has to be started.")]
State = Annotated[Path, typer.Option(help="The folder of the LocalStack of `make up`.")]
ApiPort = Annotated[int, typer.Option(help="The API's port on the loopback interface.")]
_STATE = ROOT / ".local/state"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@app.command()
def sam_local(port: Port = 4566, state: State = _STATE, api_port: ApiPort = 3000) -> None:
    """Serve the API with `sam local start-api`."""
    _check_free(api_port)
    engine = find()
    _build(port, state)
    with (
        _ready(engine, port, state) as localstack,
        Sam(engine, localstack).api(api_port) as process,
    ):
        _tell(f"http://127.0.0.1:{api_port}", localstack)
        _until_it_ends(process)


@app.command()
def sam_invoke(
    function: Annotated[str, typer.Argument(help="Its logical id, such as DriftFunction.")] = "",
    event: Annotated[Path, typer.Argument(help="A file of local/events, or your own.")] = Path(),
    port: Port = 4566,
    state: State = _STATE,
) -> None:
    """Run a function on an event; the exit status tells whether it failed."""
    check(function, event)
    engine = find()
    _build(port, state)
    with _ready(engine, port, state) as localstack:
        if not Sam(engine, localstack).invoke(function, event):
            raise EngineError(f"{function} failed")


@app.command("image")
def build_image() -> None:
    """Build the API's image."""
    image.build(find())


@app.command()
def image_run(
    port: Port = 4566,
    state: State = _STATE,
    api_port: ApiPort = 8000,
    workers: Annotated[int, typer.Option(help="Processes that share the port.")] = 1,
) -> None:
    """Run the API's image beside LocalStack."""
    _check_free(api_port)
    engine = find()
    with (
        _ready(engine, port, state) as localstack,
        image.running(engine, localstack, api_port, workers) as process,
    ):
        _tell(f"http://127.0.0.1:{api_port}", localstack)
        _until_it_ends(process)


@app.command()
def compose(port: Port = 4566) -> None:
    """Run API containers and LocalStack with Docker Compose."""
    compose = Compose.find(find(), port)
    compose.build()
    console.print("The API will answer at http://127.0.0.1:8000 and 8001, or where API_PORTS says")
    console.print("Stop it     Ctrl-C")
    process = subprocess.Popen(
        [*compose.command, "up"],
        env=dict(compose.engine.environ),
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is ours to pass on, once
    )
    try:
        _until_it_ends(process)
    finally:
        interrupt(process, within=image.STOP_WITHIN + 10)
        compose.run("down", "--volumes")


@app.command()
def engine() -> None:
    """Run a private Docker engine until interrupted: as root, where none runs."""
    with private() as it:
        console.print(f"export DOCKER_HOST={it.environ['DOCKER_HOST']} BUILD_NETWORK=host")
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _build(port: int, state: Path) -> None:
    with step(console, "Build the functions and layers"):
        build(Emulator(port, state))


@contextmanager
def _ready(engine: Engine, port: int, state: Path) -> Iterator[LocalStack]:
    """Have a LocalStack with a model in it, for as long as the block lasts."""
    with ExitStack() as stack:
        with step(console, "Find or start LocalStack") as done:
            localstack = stack.enter_context(reached(engine, port, state))
            done(localstack.host.endpoint)
        with step(console, "Find or train a model") as done:
            done(localstack.set_up())
        yield localstack


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EngineError(f"port {port}: {error.strerror}; name another as API_PORT") from None


def _tell(url: str, localstack: LocalStack) -> None:
    customer = json.dumps(localstack.schema().example())
    console.print(f"API         {url}", highlight=False)
    console.print(f"Its page    {url}/docs", highlight=False)
    console.print(
        f"Try it      curl -s {url}/predict -H 'content-type: application/json' -d '{customer}'",
        highlight=False,
        markup=False,
    )
    console.print("Stop it     Ctrl-C")


def _until_it_ends(process: subprocess.Popen[bytes]) -> None:
    """Wait; an interrupt is how it should end, its own end is a failure."""
    with suppress(KeyboardInterrupt):
        raise EngineError(f"it has ended, with status {process.wait()}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # whoever is impatient: cleaning up takes seconds
    raise KeyboardInterrupt


def main() -> int:
    """Run a command; however it ends, nothing that it started lives on."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        return int(app(standalone_mode=False) or 0)  # typer returns 130 when it is interrupted
    except (EngineError, StackError) as error:
        console.print(f"[red]✗[/] {escape(str(error))}", highlight=False)
        return 1


if __name__ == "__main__":
    sys.exit(main())
