"""How long work shows itself: one line a step, with its time and what came of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def step(console: Console, title: str) -> Iterator[Callable[[str], None]]:
    """Show that a step is under way; then, on one line, what came of it and how long it took."""
    results: list[str] = []
    started = time.perf_counter()
    with console.status(title):
        yield results.append
    took = time.perf_counter() - started
    console.print(f"[green]✓[/] {title} [dim]{took:.1f} s[/]", *results, highlight=False)
