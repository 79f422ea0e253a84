"""The command line: start, run, stop, status, logs."""

import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from evergreen_emulator.control import start, stop
from evergreen_emulator.state import EmulatorError, State


def main() -> int:
    """Carry one command out; its exit status tells whether that succeeded."""
    arguments = _parser().parse_args()
    command: Callable[[Namespace], int] = arguments.command
    try:
        return command(arguments)
    except EmulatorError as error:
        print(f"evergreen_emulator: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _start(arguments: Namespace) -> int:
    instance = start(arguments.state, arguments.port, arguments.lambda_python)
    print(f"LocalStack answers at {instance}, log {arguments.state.log}", flush=True)
    return 0


def _run(arguments: Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    _start(arguments)
    try:
        for line in _lines(arguments.state, follow=True):
            print(line, end="", flush=True)
        raise EmulatorError("LocalStack has ended")
    finally:
        stop(arguments.state)


def _stop(arguments: Namespace) -> int:
    instance = stop(arguments.state)
    print(f"stopped {instance}" if instance else "not running")
    return 0


def _status(arguments: Namespace) -> int:
    instance = arguments.state.running()
    healthy = instance is not None and instance.healthy
    if instance:
        print(f"running at {instance}" + ("" if healthy else ", but it does not answer"))
    else:
        print("not running")
    return 0 if healthy else 1


def _logs(arguments: Namespace) -> int:
    if not arguments.state.log.exists():
        raise EmulatorError(f"there is no log at {arguments.state.log}")
    for line in _lines(arguments.state, follow=arguments.follow):
        print(line, end="", flush=True)
    return 0


def _lines(state: State, follow: bool) -> Iterator[str]:
    """LocalStack's log, and what it adds for as long as it runs if that is to be followed."""
    with state.log.open(errors="replace") as log:
        while True:
            more = follow and state.running()
            yield from log
            if not more:
                return
            time.sleep(0.2)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("evergreen_emulator", description="LocalStack without Docker")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[Namespace], int], summary: str) -> ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=command)
        added.add_argument(
            "--state", type=_state, required=True, help="the folder for all that it writes"
        )
        return added

    for name, command, summary in (
        ("start", _start, "start it in the background, from nothing"),
        ("run", _run, "start it and end it when interrupted"),
    ):
        launch = add(name, command, summary)
        launch.add_argument("--port", type=int, default=4566, help="on the loopback interface")
        launch.add_argument(
            "--lambda-python",
            # not resolved: a virtual environment is known by the path of its interpreter
            type=lambda path: Path(path).absolute(),
            required=True,
            help="the interpreter, with awslambdaric, that runs the functions",
        )
    add("stop", _stop, "end it and all it started")
    add("status", _status, "tell whether it runs")
    logs = add("logs", _logs, "show its log")
    logs.add_argument("-f", "--follow", action="store_true", help="and what it adds")
    return parser


def _state(path: str) -> State:
    return State(Path(path).resolve())


if __name__ == "__main__":
    sys.exit(main())
