"""Batches of rows, answered and written one after the other, while the next is read."""

import io
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from operator import add
from typing import IO, Any, Protocol

from evergreen.errors import OutOfTimeError

_AHEAD = 2  # batches that are read while one is answered: S3 makes us wait, numpy does not


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows there were, and what became of them."""

    scored: int = 0
    rejected: int = 0
    will_churn: int = 0
    blank_lines: int = 0

    def __add__(self, more: "Totals") -> "Totals":
        return Totals(*map(add, astuple(self), astuple(more)))


@dataclass(frozen=True, slots=True)
class Scored:
    """What became of some rows."""

    answered: bytes
    """The rows with answers, as they are given back."""
    rejected: bytes
    """The others with their reasons."""
    records: bytes
    """For the inference log."""
    totals: Totals


class Answering(Protocol):
    """A file of some kind and the model that answers it."""

    def headers(self) -> tuple[bytes, bytes]:
        """Return what stands above the answered and the rejected rows."""

    def batches(self, stream: IO[bytes]) -> Iterator[Any]:
        """Read rows from where a stream stands."""

    def score(self, batch: Any) -> Scored:
        """Answer some rows."""


@dataclass(frozen=True, slots=True)
class Results:
    """Where results go."""

    answered: IO[bytes]
    rejected: IO[bytes]
    records: Callable[[bytes], object]
    called: IO[bytes] = field(default_factory=io.BytesIO)
    """The call list."""


def stream(
    answering: Answering,
    batches: Iterator[Any],
    results: Results,
    *,
    in_time: Callable[[], bool] = lambda: True,
) -> Totals:
    """Answer batch after batch; memory holds a few of them at a time.

    One thread answers: a second one would only wait for Python's lock, which is held for most of
    the time that it takes to answer.

    Raises:
        OutOfTimeError: `in_time` said so.

    """
    totals = Totals()
    answers: deque[Future[Scored]] = deque()

    def write() -> None:
        nonlocal totals
        some = answers.popleft().result()
        results.answered.write(some.answered)
        results.rejected.write(some.rejected)
        results.records(some.records)
        totals += some.totals

    with ThreadPoolExecutor(1) as pool:
        try:
            for batch in batches:
                answers.append(pool.submit(answering.score, batch))
                if len(answers) > _AHEAD:
                    write()
                if not in_time():
                    raise OutOfTimeError(totals.scored + totals.rejected)
            while answers:
                write()
        finally:
            for answer in answers:
                answer.cancel()
    return totals
