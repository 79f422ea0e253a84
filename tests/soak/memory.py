"""What the processes of the deployed functions hold in memory, and whether it grows."""

import time
from dataclasses import dataclass, field

from scipy import stats

from local.emulator.evergreen_emulator import procfs

MB = 1 << 20
WARM_UP = 120.0
"""Seconds of a process's life that are not judged. Meanwhile models are loaded, pools fill and the
allocator takes what it goes on to use again."""
ALLOWED = 0.05
"""The share of what it holds by which a process may grow in the rest of the run: some 6 MB of 120.

Allocator and pools settle slowly: of 3,000 swaps in one process the first 250 took 8 MB, the next
750 took 2, the last 2,000 took 0.4. In ten minutes a predictor is warm for 80 swaps and some 20,000
predictions, so a leak shows that keeps 75 KB of a swapped model, or 0.3 KB of a prediction.
"""


@dataclass(slots=True)
class Series:
    """What one process has held, look by look."""

    pid: int
    function: str
    times: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def note(self, now: float, process: procfs.Process) -> None:
        """Add a look."""
        self.times.append(now)
        self.megabytes.append(process.resident / MB)

    def growth(self, since: float) -> "Growth":
        """Judge what was seen from a time on."""
        begin = sum(time < since for time in self.times)
        times, held = self.times[begin:], self.megabytes[begin:]
        slope = float(stats.theilslopes(held, times).slope) if len(times) > 1 else 0.0
        return Growth(self.pid, held[0], held[-1], slope * (times[-1] - times[0]))


@dataclass(frozen=True, slots=True)
class Growth:
    """How a process grew, in megabytes."""

    pid: int
    first: float
    last: float
    grown: float
    """By the median slope between any two looks: a model that is loaded while the one before still
    answers makes a spike, and moves no median."""

    @property
    def allowed(self) -> bool:
        """Whether it stayed as it was, but for what the allocator does."""
        return self.grown <= ALLOWED * self.first

    def __str__(self) -> str:
        return f"{self.first:.1f} → {self.last:.1f} MB, by its slope {self.grown:+.1f} MB"


class Memory:
    """Looks at LocalStack and at every function's process below it."""

    def __init__(self, port: int) -> None:
        """Find the LocalStack that listens on a port."""
        pid = procfs.listener(port)
        assert pid, f"nothing of ours listens on port {port}"
        self.emulator = Series(pid, "LocalStack")
        self._functions: dict[tuple[int, int], Series] = {}
        self._looks: list[float] = []

    def look(self) -> None:
        """Note what every process holds now."""
        now = time.monotonic()
        self._looks.append(now)
        if emulator := procfs.process(self.emulator.pid):
            self.emulator.note(now, emulator)
        for process in procfs.descendants(self.emulator.pid):
            one = process.pid, process.started  # a pid alone may be given to another
            if one not in self._functions and (function := _function(process.pid)):
                self._functions[one] = Series(process.pid, function)
            if one in self._functions:
                self._functions[one].note(now, process)

    def held(self, function: str) -> list[float]:
        """What the processes of a function held at the last look."""
        return [
            each.megabytes[-1] for each in self._of(function) if each.times[-1] == self._looks[-1]
        ]

    def growth(self, function: str) -> list[Growth]:
        """Judge the processes of a function that outlived their warm-up by as long again."""
        return [
            each.growth(since=each.times[0] + WARM_UP)
            for each in self._of(function)
            if each.times[-1] - each.times[0] >= 2 * WARM_UP
        ]

    def _of(self, function: str) -> list[Series]:
        return [each for each in self._functions.values() if each.function == function]


def _function(pid: int) -> str | None:
    """Name the function that a process runs; None where it runs none, or is gone."""
    try:
        environ = (procfs.PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    for entry in environ.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name == b"AWS_LAMBDA_FUNCTION_NAME":
            return value.decode()
    return None
