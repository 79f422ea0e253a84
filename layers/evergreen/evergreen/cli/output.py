"""What commands print: tables for people, JSON for programs, and what is under way on stderr."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

console, complaints = Console(soft_wrap=True), Console(soft_wrap=True, stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]

_NAMES = ("version", "key", "feature")  # what a person copies
_PATIENCE = 1.0  # seconds without a word


def commands(said: str | None = None) -> typer.Typer:
    """Begin a command, or a group of them with what it is for."""
    return typer.Typer(help=said, no_args_is_help=True, rich_markup_mode=None)


def example(*lines: str) -> str:
    """Return what stands at the end of a command's help."""
    kind = "Example" if len(lines) == 1 else "Examples"
    return "\b\n" + "\n".join([f"{kind}:", *(f"  evergreen {each}" for each in lines)])


def document(value: object) -> None:
    """Print JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def line(text: str) -> None:
    """Print a sentence as it stands."""
    console.print(escape(text), highlight=False)


def complain(text: str) -> None:
    """Say on stderr what could not be done."""
    complaints.print(f"[red]✗[/] {escape(text)}", highlight=False)


def rows(found: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as JSON, or some of their columns as a table."""
    if as_json:
        document(found)
    elif found:
        console.print(table(found, columns))
    else:
        console.print("none")


def table(
    found: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str | None = None
) -> Table:
    """Make a table of some columns of rows, which keeps every name whole."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        made.add_column(name.replace("_", " "), no_wrap=name in _NAMES, overflow="fold")
    for row in found:
        made.add_row(*(escape(cell(row[name])) for name in columns))
    return made


def facts(found: Mapping[str, object]) -> Table:
    """Make a list of what is known: a name and a value on each line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in found.items():
        grid.add_row(escape(name), escape(cell(value)))
    return grid


def cell(value: object) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


@contextmanager
def busy(title: str) -> Iterator[Callable[[str], None]]:
    """Show what is under way where somebody looks, once it has taken a second.

    The function yielded says what comes next.
    """
    if not complaints.is_terminal:
        yield lambda _: None
        return
    status = complaints.status(escape(title))
    shown = Timer(_PATIENCE, status.start)
    shown.daemon = True
    shown.start()
    try:
        yield lambda text: status.update(escape(text))
    finally:
        shown.cancel()
        shown.join()
        status.stop()
