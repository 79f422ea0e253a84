"""How an invocation ends without an answer of the function's, in AWS's words.

    Failure
    ├── InitFailed     the handler could not be loaded; the runtime said why
    ├── Exited         the runtime process ended
    ├── OutOfMemory    it used more than the function's MemorySize
    └── TimedOut       it did not answer in time

Each of them costs the process; the next invocation gets a new one.
"""

import json
import signal


class Failure(Exception):
    """Why there is no answer; the message is AWS's."""

    error_type = ""
    status = "error"

    def payload(self, request_id: str) -> bytes:
        """The answer that the caller gets."""
        message = f"RequestId: {request_id} Error: {self}"
        return json.dumps({"errorType": self.error_type, "errorMessage": message}).encode()


class InitFailed(Failure):
    """The runtime's own report of a handler that does not load; it has logged that itself."""

    def __init__(self, report: bytes) -> None:
        self._report = report
        error = json.loads(report)
        self.error_type = error["errorType"]
        super().__init__(error["errorMessage"])

    def payload(self, request_id: str) -> bytes:
        """The runtime's report, word for word."""
        return self._report


class Exited(Failure):
    """The process ended, with the status that `subprocess` gives: negative for a signal."""

    error_type = "Runtime.ExitError"

    def __init__(self, status: int) -> None:
        super().__init__(_reason(status))


class OutOfMemory(Failure):
    """Killed for the memory that it took."""

    error_type = "Runtime.OutOfMemory"

    def __init__(self) -> None:
        super().__init__(_reason(-signal.SIGKILL))


class TimedOut(Failure):
    """Killed for the time that it took."""

    error_type = "Sandbox.Timedout"
    status = "timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Task timed out after {seconds:.2f} seconds")


def _reason(status: int) -> str:
    if status == 0:
        return "Runtime exited without providing a reason"
    if status > 0:
        return f"Runtime exited with error: exit status {status}"
    name = (signal.strsignal(-status) or f"signal {-status}").lower()
    return f"Runtime exited with error: signal: {name}"
