"""The log of one invocation, as AWS writes it."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from evergreen_emulator.failures import Failure, InitFailed, TimedOut

MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of an invocation when it is over; times in seconds, sizes in bytes."""

    request_id: str
    version: str
    duration: float
    init_duration: float | None
    memory: int
    peak: int
    failure: Failure | None = None

    def log(self, init_output: str, output: str) -> str:
        """The function's output between the platform's own lines."""
        lines = [
            init_output.rstrip("\n"),
            f"START RequestId: {self.request_id} Version: {self.version}",
            output.rstrip("\n"),
            self._failure_line(),
            f"END RequestId: {self.request_id}",
            "\t".join([f"REPORT RequestId: {self.request_id}", *self._figures()]),
        ]
        return "\n".join(filter(None, lines)) + "\n"

    def _failure_line(self) -> str:
        match self.failure:
            case None | InitFailed():
                return ""
            case TimedOut():
                now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                return f"{now} {self.request_id} {self.failure}"
            case _:
                error = self.failure
                return f"RequestId: {self.request_id} Error: {error}\n{error.error_type}"

    def _figures(self) -> list[str]:
        duration = self.duration * 1000
        init = (self.init_duration or 0.0) * 1000
        figures = [
            f"Duration: {duration:.2f} ms",
            f"Billed Duration: {math.ceil(duration + init)} ms",
            f"Memory Size: {self.memory // MB} MB",
            f"Max Memory Used: {math.ceil(self.peak / MB)} MB",
        ]
        if self.init_duration is not None:
            figures.append(f"Init Duration: {init:.2f} ms")
        if self.failure:
            figures.append(f"Status: {self.failure.status}")
        if self.failure and not isinstance(self.failure, TimedOut):
            figures.append(f"Error Type: {self.failure.error_type}")
        return figures
