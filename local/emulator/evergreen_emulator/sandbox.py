"""One runtime process with its Runtime API, its output and its limits."""

import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from evergreen_emulator.failures import Exited, Failure, InitFailed, OutOfMemory, TimedOut
from evergreen_emulator.output import Output
from evergreen_emulator.process import RuntimeProcess
from evergreen_emulator.runtime_api import Kind, Request, RuntimeApi

_MEMORY_CHECK = 0.25
"""Seconds between two looks at the memory of a process that is at work."""


@dataclass(frozen=True, slots=True)
class Event:
    """One invocation, as the runtime is to see it."""

    request_id: str
    function_arn: str
    trace_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the function returned, or the error that it raised."""

    body: bytes
    is_error: bool


class Sandbox:
    """Runs one invocation after the other until a `Failure`; then it is good only for being closed.

    Everything is waited for in the calling thread, with one selector, so a process that crashes or
    hangs leaves no thread behind.
    """

    def __init__(
        self, python: str, handler: str, code: Path, environ: Mapping[str, str], memory: int
    ) -> None:
        """Start the process; `memory` is its limit in bytes."""
        self.peak = 0
        self._memory = memory
        self._exited = False
        with ExitStack() as resources:
            self._selector = resources.enter_context(DefaultSelector())
            self._api = RuntimeApi(self._selector)
            resources.callback(self._api.close)
            self.output = Output()
            resources.callback(self.output.close)
            environ = {**environ, "AWS_LAMBDA_RUNTIME_API": self._api.address}
            with self.output.writer() as writer:
                self._process = RuntimeProcess(python, handler, code, environ, writer)
            resources.callback(self._process.close)
            self._selector.register(self._process, EVENT_READ, self._on_exit)
            self._selector.register(self.output, EVENT_READ, self._on_output)
            self._resources = resources.pop_all()

    def boot(self, timeout: float) -> None:
        """Wait until the handler is loaded and the runtime asks for its first event."""
        request = self._next(timeout)
        self._note_memory(self._process.peak)
        if request.kind is not Kind.NEXT:
            raise InitFailed(request.body)

    def invoke(self, event: Event, timeout: float) -> Answer:
        """Hand an event to the runtime and wait for its answer.

        The runtime then asks for the next event; should it end before it does, the answer stands.
        """
        self._api.send_event(
            event.body,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": event.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": event.function_arn,
                "Lambda-Runtime-Trace-Id": event.trace_id,
            },
        )
        request = self._next(timeout)
        with suppress(Failure):
            self._next(timeout)
        self._note_memory(self._process.peak)
        return Answer(request.body, is_error=request.kind is not Kind.RESPONSE)

    @property
    def alive(self) -> bool:
        """Whether it can take another event."""
        return self._process.alive

    def kill(self) -> None:
        """End the process, and with it whatever waits for it. May be called from any thread."""
        self._process.kill()

    def close(self) -> None:
        """End the process and give everything back."""
        self._resources.close()

    def _next(self, timeout: float) -> Request:
        """Serve the process until it makes its next request; kill it where it breaks a limit.

        What a process had sent before it exited is read first.
        """
        start = time.monotonic()
        deadline, check = start + timeout, start + _MEMORY_CHECK
        while not self._api.requests:
            wait = 0.0 if self._exited else max(0.0, min(check, deadline) - time.monotonic())
            ready = self._selector.select(wait)
            for key, _ in ready:
                key.data()
            now = time.monotonic()
            if self._exited:
                if not ready:
                    raise Exited(self._process.end())
            elif now >= deadline:
                self._note_memory(self._process.peak)
                self._process.kill()
                raise TimedOut(timeout)
            elif now >= check:
                check = now + _MEMORY_CHECK
                if self._note_memory(self._process.memory) > self._memory:
                    self._process.kill()
                    raise OutOfMemory
        return self._api.requests.popleft()

    def _note_memory(self, used: int) -> int:
        self.peak = max(self.peak, used)
        return used

    def _on_output(self) -> None:
        if not self.output.collect():
            self._selector.unregister(self.output)

    def _on_exit(self) -> None:
        self._process.kill()  # what it started ends with it
        self._exited = True
        self._selector.unregister(self._process)
