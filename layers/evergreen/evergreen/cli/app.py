"""The `evergreen` command: which commands there are; each is imported when it is asked for."""

import sys
from importlib import import_module, metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from evergreen.errors import EvergreenError

COMMANDS = {
    "status": ("status", "Show what serves, how it does, and what waits for a person."),
    "models": ("models", "Model versions: list, compare, verify, promote, roll back."),
    "sources": ("sources", "Labelled files that are set aside, and so not learned from."),
    "schema": ("schemas", "Schemas: what the columns of a file of customers are."),
    "drift": ("drifting", "Say whether customers have changed: lately, in a file, or in the log."),
    "performance": ("performance", "Show how good the model really was, week by week."),
    "outcomes": ("outcomes", "Tell who left and who stayed, which is learned from."),
    "predict": ("predicting", "Predict for a few customers, here."),
    "score": ("scoring", "Score a file of customers, here or in the stack."),
    "retrain": ("retraining", "Ask for a training now."),
    "log": ("logs", "The log of predictions: follow it, complete it."),
}
"""Their modules, and what they are for."""

_HELP = """Evergreen: churn prediction that keeps itself fresh.

Commands work on a deployed stack, which --stack or EVERGREEN_STACK names, with the credentials and
the region of the AWS command line; against LocalStack where AWS_ENDPOINT_URL says so. With --json
they answer for programs. What goes on, and what goes wrong, is told on stderr.
"""
_EPILOG = """\b
Exit codes:
  0    done
  1    it could not be done, or what was checked is not right
  2    wrong usage
  3    drift, where `drift --fail-on-drift` asks
  130  interrupted by Ctrl-C

\b
Example:
  evergreen status --stack evergreen-prod
"""


class Commands(TyperGroup):
    """Commands by their names; a look at the list imports none of them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name them all, in the order of the help."""
        return [*COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one of them; None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command = typer.main.get_command(import_module(f"evergreen.cli.{module}").app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list for the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in COMMANDS.items()])


app = typer.Typer(
    cls=Commands,
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # its help takes as long to import as all else
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"evergreen {metadata.version('evergreen')}")
        raise typer.Exit


@app.callback()
def evergreen(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show which this is."),
    ] = False,
) -> None:
    """Take what all commands have in common, which is nothing."""


def main() -> int:
    """Run a command; what it can't do is told in one line, with exit code 1."""
    try:
        app(prog_name="evergreen")
    except SystemExit as end:  # also where the command itself is wrong, which typer tells
        return int(end.code or 0)
    except KeyboardInterrupt:  # while a command is imported
        return 130
    except EvergreenError as error:
        _complain(error)
    except Exception as error:
        from evergreen.store import s3  # which takes a while to import

        if not isinstance(error, s3.FAULTS):
            raise
        _complain(error)
    return 1


def _complain(error: Exception) -> None:
    from evergreen.cli import output

    notes = dict.fromkeys(getattr(error, "__notes__", ()))
    output.complain(" ".join([*str(error).split(), *(f"({note})" for note in notes)]))


if __name__ == "__main__":
    sys.exit(main())
