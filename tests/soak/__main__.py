"""`make soak`: everything at once for ten minutes, on LocalStack, and then the books are checked.

Customers are predicted one by one and in batches, the champion is swapped every five seconds, files
are uploaded to be scored and to be learned from, outcomes are told by request and by file, drift is
checked. At the end the predictors must not have grown, nothing may have failed, and every record
and every outcome must be there once.
"""

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evergreen.jobs.learning.stewardship import Stewardship
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.demo.doors import Doors, StoryError, as_csv
from local.demo.source import Generated, find
from local.demo.stack import ROOT, Emulator, StackError, build, deploy
from local.progress import step
from tests.soak.books import STALE, Books
from tests.soak.ledger import Ledger
from tests.soak.load import Load
from tests.soak.memory import ALLOWED, WARM_UP, Growth, Memory

LOOK, TELL = 2.0, 10.0
"""Seconds between looks at the memory, and between lines of progress."""
SETTLE = 90.0
"""Seconds that uploads and Firehose have to come to an end afterwards."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Soak, and say with the exit code whether all was well."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--port", type=int, default=4566, help="for the LocalStack that is started")
    parser.add_argument("--state", type=Path, default=ROOT / ".local/soak", help="for its files")
    asked = parser.parse_args()
    if not 0 < asked.minutes <= 24 * 60:
        parser.error("--minutes must be more than 0, and at most a day")
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    console = Console(soft_wrap=True)
    try:
        with _running(console, Emulator(asked.port, asked.state)) as doors:
            faults = _soak(console, doors, asked.minutes * 60)
    except (StackError, StoryError) as error:
        faults = [str(error)]
    except KeyboardInterrupt:
        console.print("Interrupted: LocalStack and all that it ran have ended")
        return 130
    for fault, times in Counter(faults).most_common(20):
        often = f" ({times} times)" if times > 1 else ""
        console.print(f"[red]✗[/] {escape(fault[:1_500])}{often}", highlight=False)
    if faults:
        console.print(f"[red]{len(faults):,} things are wrong[/]")
        return 1
    console.print("[green]✓[/] Nothing is wrong")
    return 0


@contextmanager
def _running(console: Console, emulator: Emulator) -> Iterator[Doors]:
    """Deploy on a LocalStack of our own, which ends with the block."""
    try:
        with step(console, "Start LocalStack"):
            emulator.start()
        with step(console, "Build the functions and layers"):
            build(emulator)
        with step(console, "Deploy the template"):
            stack = deploy(emulator)
        yield Doors(emulator, stack)
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # whoever is impatient: this takes a second
        emulator.stop()


def _soak(console: Console, doors: Doors, seconds: float) -> list[str]:
    """Train, load, settle; show what was seen, and return what is wrong."""
    source = find(None, None)
    assert isinstance(source, Generated)
    books = Books(doors, since=datetime.now(UTC))
    with step(console, "Train two versions to swap") as done:
        versions = _train(doors, source)
        done(" and ".join(versions))
    load, memory = Load(doors, source, versions), Memory(doors.emulator.port)
    load.start()
    _watch(console, load.ledger, memory, doors, seconds)
    with step(console, "Let every loop come to its end"):
        load.stop()
    with step(console, "Wait for the last uploads and records"):
        _settle(books, load.ledger)
    with step(console, "Check every answer, record and row"):
        faults = [*load.ledger.faults, *books.faults(load.ledger)]
    predictors = memory.growth(doors.stack.predict_function)
    faults += [
        f"predictor {each.pid} grows: {each}; {ALLOWED:.0%} are allowed"
        for each in predictors
        if not each.allowed
    ]
    if not predictors and seconds > 3 * WARM_UP:
        faults.append("no predictor lived long enough to be judged")
    console.print(_took(load.ledger))
    console.print(_seen(load.ledger, books, predictors, memory))
    return faults


def _train(doors: Doors, source: Generated) -> tuple[str, str]:
    """Make two versions that have served, so that there is one to go back to."""
    doors.put(keys.TRAINING_SCHEMA, json.dumps(source.schema.document).encode())
    doors.put(f"{keys.TRAINING}first.csv", as_csv(source.history()))
    first: str = doors.until(doors.model, "the first model")["version"]
    doors.put(f"{keys.TRAINING}second.csv", as_csv(source.ordinary(3_000, seed=2)))
    outcome = doors.retrain({})
    second: str | None = outcome["version"]
    if second is None:
        raise StoryError(f"there is no second version to swap with: {outcome['reason']}")
    if outcome["status"] != "promoted":
        models = Bucket(doors.emulator.client("s3"), doors.stack.model_bucket)
        Stewardship(Registry(models)).promote(second, "so that there are two to swap")
    return first, second


def _watch(console: Console, ledger: Ledger, memory: Memory, doors: Doors, seconds: float) -> None:
    """Look at the memory, and tell how far it is, until time is up."""
    begin = told = time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        memory.look()
        if now >= told + TELL:
            told = now
            times = {name: len(each) for name, each in ledger.seconds.items()}
            held = [f"{m:.0f}" for m in memory.held(doors.stack.predict_function)]
            console.print(
                f"{now - begin:4.0f} of {seconds:.0f} s: {ledger.predictions:,} predictions,",
                f"{times['swap']} swaps, {times['upload']} uploads,",
                f"{times['drift check']} drift checks, {len(ledger.labelled)} labelled files,",
                f"{len(ledger.outcomes):,} outcomes,",
                f"{len(ledger.faults)} faults; predictors hold {' + '.join(held) or 0} MB",
                highlight=False,
            )
        time.sleep(min(LOOK, max(0.0, begin + seconds - time.monotonic())))


def _settle(books: Books, ledger: Ledger) -> None:
    """Wait until nothing is under way any more, or time is up."""
    deadline = time.monotonic() + SETTLE
    while True:
        books.read()
        if books.complete(ledger) or time.monotonic() > deadline:
            return
        time.sleep(2)


def _took(ledger: Ledger) -> Table:
    """Show how often each thing was done, and how long that took; no time is judged."""
    table = Table("", "times", "p50", "p99", "longest")
    for name, took in ledger.seconds.items():
        figures = np.quantile(took, (0.5, 0.99, 1)) if took else ()
        table.add_row(name, f"{len(took):,}", *(f"{each * 1_000:,.0f} ms" for each in figures))
    return table


def _seen(ledger: Ledger, books: Books, predictors: list[Growth], memory: Memory) -> Table:
    """Show what was found at the end."""
    undelivered, given_up = books.logs["predict"].undelivered, books.logs["predict"].given_up
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(ledger.verdicts).items())
    stale = f"{books.stalest.total_seconds():.1f} s, of {STALE.total_seconds():.0f} s allowed"
    judged = [(f"predictor {each.pid}, warmed up", str(each)) for each in predictors]
    table = Table(show_header=False)
    for name, value in (
        ("predictions over HTTP", f"{ledger.predictions:,}"),
        ("records in S3, with those of files", f"{sum(map(len, books.records.values())):,}"),
        ("kept in the function's log", f"{len(undelivered):,}, {books.uncertain:,} also in S3"),
        ("looks at the pointer given up", f"{given_up:,}"),
        ("latest answer of a former champion", stale),
        ("swaps that lost a race", f"{len(ledger.raced):,}"),
        (
            "files scored, and put twice",
            f"{len(ledger.winners)}, {len(ledger.puts) - len(ledger.winners)}",
        ),
        ("outcomes told, and in S3", f"{len(ledger.outcomes):,}, {len(books.told):,}"),
        (
            "files of outcomes taken, and put twice",
            f"{len(ledger.last_filed)}, {len(ledger.filed) - len(ledger.last_filed)}",
        ),
        ("outcomes that found a prediction", f"{books.measured.get('matched', 0):,}"),
        ("verdicts of drift checks", verdicts),
        *(judged or [("predictors", "not judged: the run was too short")]),
        ("LocalStack, not judged", memory.emulator.growth(since=0)),
    ):
        table.add_row(name, str(value))
    return table


if __name__ == "__main__":
    sys.exit(main())
