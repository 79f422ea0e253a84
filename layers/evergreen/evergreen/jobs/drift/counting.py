"""A drift check of a log that is too large for one function: counted in parts, put together.

The log's objects are shared out by their size. What is gathered of them apart and then put together
is what one function would have gathered of all (see `Population`), so the verdict is the same.
Where that is too few customers, the window grows, and what that adds is counted likewise, in
another round.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from evergreen.errors import ConflictError, NotFoundError
from evergreen.jobs.drift.monitoring import Check, check, concluded, reference
from evergreen.jobs.drift.population import Population, objects, starts
from evergreen.models.reference import Reference
from evergreen.settings import Thresholds
from evergreen.store import keys
from evergreen.store.machine import Machine
from evergreen.store.registry import Move, Pointer, Registry
from evergreen.store.s3 import Bucket, Entry

_GROWN = 8  # times as much one function has the time for where the window has to grow


@dataclass(frozen=True, slots=True)
class Job:
    """What all parts of a check have in common."""

    now: datetime
    starts: Sequence[datetime]
    """When the window may begin, see `population.starts`."""
    pointer: Pointer

    def to_bytes(self) -> bytes:
        """Return the job as it is stored."""
        return json.dumps(asdict(self), default=str).encode()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a stored job."""
        stored = json.loads(content)
        pointer = Pointer(Move(**stored["pointer"]["move"]), stored["pointer"]["etag"])
        now, begins = stored["now"], stored["starts"]
        return cls(datetime.fromisoformat(now), [*map(datetime.fromisoformat, begins)], pointer)


@dataclass(frozen=True, slots=True)
class Round:
    """One of the times that a job counts: of the window as it is, or of what it grew by."""

    prefix: str
    """Where all that belongs to the job lies."""
    number: int = 0

    def key(self, name: str) -> str:
        """Where something of this round lies."""
        return f"{self.prefix}{self.number}/{name}"


@dataclass(frozen=True, slots=True)
class Counting:
    """What it takes to check a log in parts."""

    registry: Registry
    logs: Bucket
    thresholds: Thresholds
    window: timedelta
    max_window: timedelta
    machine: Machine | None
    """Calls `part` for each part of a round and then `merge`, until there is no further round.
    Without one, everything is read here."""
    part_bytes: int
    """A larger log is shared out, in parts of this size."""

    def check(self, now: datetime) -> Check | None:
        """Check the log, or set the machine going where one function can't read it; None then.

        A check that is repeated changes nothing.

        Raises:
            NoModelError: nothing was ever promoted, so there is nothing to compare with.
            CorruptModelError: no version's files are what was published.

        """
        if self.machine:
            pointer = self.registry.pointer()
            took_office = datetime.fromisoformat(pointer.move.moved_at)
            begins = starts(now, self.window, self.max_window, took_office)
            job = Job(now, begins, pointer)
            if self._too_large(job):
                self._begin(job, self.machine)
                return None
        return check(self.registry, self.logs, self.thresholds, self.window, self.max_window, now)

    def _begin(self, job: Job, machine: Machine) -> None:
        name = f"{job.now:%Y%m%dT%H%M%SZ}"
        first = Round(f"{keys.DRIFT_WORK}{name}/")
        with suppress(ConflictError):  # an event that came twice: the first job stands
            self.logs.create(f"{first.prefix}job.json", job.to_bytes())
        self._share_out(self._job(first), first)
        machine.start(name, {"job": first.prefix, "round": 0})

    def part(self, of: Round, number: int) -> None:
        """Count one part of a round."""
        population, _ = self._nobody(self._job(of))
        population.add(self.logs, self._read(of.key(f"objects/{number}.json")))
        content = population.to_bytes()
        self.logs.put(of.key(f"counts/{number}.npz"), content, "application/octet-stream")

    def merge(self, last: Round) -> Check | None:
        """Put all rounds together; None where another one has to follow, which is prepared.

        Raises:
            NotFoundError: a part is missing.

        """
        job = self._job(last)
        population, champion = self._nobody(job)
        for number in range(last.number + 1):
            each = Round(last.prefix, number)
            if number:
                population.grow()
            for part in range(self._read(each.key("parts.json"))):
                population.merge(self.logs.get(each.key(f"counts/{part}.npz"))[0])
        if population.customers < self.thresholds.min_rows and population.grow():
            self._share_out(job, Round(last.prefix, last.number + 1))
            return None
        return concluded(self.logs, champion, population, self.thresholds)

    def _job(self, of: Round) -> Job:
        return Job.parse(self.logs.get(f"{of.prefix}job.json")[0])

    def _nobody(self, job: Job) -> tuple[Population, Reference]:
        champion = reference(self.registry, job.pointer)
        return Population(self.registry, champion, job.now, job.starts), champion

    def _read(self, key: str) -> Any:
        return json.loads(self.logs.get(key)[0])

    def _too_large(self, job: Job) -> bool:
        """Whether one function has not the time to read the window, grown if need be."""
        size, limit = 0, self.part_bytes
        for place in range(len(job.starts)):
            for entry in objects(self.logs, job.now, job.starts, place):
                size += entry.size
                if size > limit:
                    return True
            limit = _GROWN * self.part_bytes
        return False

    def _share_out(self, job: Job, of: Round) -> None:
        """Write which objects each part of a round counts, and how many parts there are, once."""
        with suppress(NotFoundError):
            self.logs.get(of.key("parts.json"))
            return
        listed = objects(self.logs, job.now, job.starts, of.number)
        parts = list(_parts(listed, self.part_bytes))
        for number, part in enumerate(parts):
            self.logs.put(of.key(f"objects/{number}.json"), json.dumps(part).encode())
        table = "".join(["part\n", *(f"{number}\n" for number in range(len(parts)))])
        self.logs.put(of.key("parts.csv"), table.encode(), "text/csv")
        self.logs.put(of.key("parts.json"), json.dumps(len(parts)).encode())


def _parts(entries: Iterable[Entry], most: int) -> Iterator[list[str]]:
    """Share objects out, in their order; there is one part at least."""
    part: list[str] = []
    size = 0
    for entry in entries:
        if part and size + entry.size > most:
            yield part
            part, size = [], 0
        part.append(entry.key)
        size += entry.size
    yield part
