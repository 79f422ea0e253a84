"""LocalStack's view of a Lambda execution environment: a process instead of a container."""

import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from evergreen_emulator import layers
from evergreen_emulator.failures import Failure
from evergreen_emulator.report import MB, Report
from evergreen_emulator.sandbox import Answer, Event, Sandbox
from evergreen_emulator.settings import INIT_TIMEOUT, LAMBDA_PYTHON
from evergreen_emulator.variables import RUNTIME, variables

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class _Boot:
    """How a runtime process came up; told with the invocation that it was started for."""

    duration: float
    output: str
    failure: Failure | None


class ProcessExecutor(RuntimeExecutor):  # type: ignore[misc]
    """One execution environment. It outlives its runtime process: a dead one is replaced on demand.

    A process that does not boot fails the invocation that needed it, as on AWS, and not the
    environment, as LocalStack would have it: so the log that tells why is kept.
    """

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._given: dict[str, object] = {}
        self._sandbox: Sandbox | None = None
        self._boot: _Boot | None = None
        self._scratch = Path(tempfile.gettempdir(), "lambda", "scratch", id)
        self._in_use = threading.Lock()

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the code and merge the layers when a version is made, not at its first call."""
        if (runtime := function_version.config.runtime) != RUNTIME:
            raise ValueError(f"only {RUNTIME} runs here, not {runtime}")
        function_version.config.code.prepare_for_execution()
        layers.merged(function_version)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Leave the unpacked code to LocalStack, which removes it."""

    def start(self, env_vars: dict[str, object]) -> None:
        """Boot the runtime ahead of the invocation that it is started for."""
        with self._in_use:
            self._given = env_vars
            self._scratch.mkdir(parents=True)
            self._boot = self._start_sandbox()

    def stop(self) -> None:
        """End the process, even in the midst of an invocation, and remove its scratch folder."""
        if sandbox := self._sandbox:
            sandbox.kill()
        with self._in_use:
            self._close_sandbox()
            shutil.rmtree(self._scratch, ignore_errors=True)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation, in a new process if the last one has ended."""
        with self._in_use:
            if not self._boot and not (self._sandbox and self._sandbox.alive):
                self._boot = self._start_sandbox()
            return self._run(payload)

    def get_address(self) -> str:
        """Where LocalStack reaches the environment."""
        return _LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        """Where the environment reaches LocalStack."""
        return _LOOPBACK

    def get_runtime_endpoint(self) -> str:
        """Nothing: a sandbox serves its Runtime API itself."""
        return ""

    def get_logs(self) -> str:
        """Nothing: every invocation's result carries its log."""
        return ""

    def _run(self, payload: dict[str, str]) -> InvocationResult:
        assert self._sandbox
        version, settings = self.function_version, self.function_version.config
        boot, self._boot = self._boot, None
        event = Event(
            request_id=payload["invoke-id"],
            function_arn=payload["invoked-function-arn"],
            trace_id=payload["trace-id"],
            body=payload["payload"].encode(),
        )
        failure = boot.failure if boot else None
        started = time.monotonic()
        if not failure:
            try:
                answer = self._sandbox.invoke(event, settings.timeout)
            except Failure as error:
                failure = error
        report = Report(
            request_id=event.request_id,
            version=version.id.qualifier,
            duration=time.monotonic() - started,
            init_duration=boot.duration if boot else None,
            memory=settings.memory_size * MB,
            peak=self._sandbox.peak,
            failure=failure,
        )
        log = report.log(boot.output if boot else "", self._sandbox.output.take())
        if failure:
            self._close_sandbox()
            answer = Answer(failure.payload(event.request_id), is_error=True)
        return InvocationResult(event.request_id, answer.body, is_error=answer.is_error, logs=log)

    def _start_sandbox(self) -> _Boot:
        self._close_sandbox()
        settings = self.function_version.config
        code = settings.code.get_unzipped_code_location()
        started = time.monotonic()
        self._sandbox = sandbox = Sandbox(
            python=os.environ[LAMBDA_PYTHON],
            handler=settings.handler,
            code=code,
            environ=self._environ(code),
            memory=settings.memory_size * MB,
        )
        failure = None
        try:
            sandbox.boot(INIT_TIMEOUT)
        except Failure as error:
            failure = error
        return _Boot(time.monotonic() - started, sandbox.output.take(), failure)

    def _close_sandbox(self) -> None:
        if self._sandbox:
            self._sandbox.close()
            self._sandbox = None

    def _environ(self, code: Path) -> dict[str, str]:
        declared = self.function_version.config.environment or {}
        opt = layers.merged(self.function_version)
        return variables(self._given, declared, code, opt, self._scratch)


class ProcessExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc]
    """How LocalStack finds the executor, with LAMBDA_RUNTIME_EXECUTOR=process."""

    name = "process"

    def load(self, *args: object, **kwargs: object) -> type[RuntimeExecutor]:
        """The class to make environments of."""
        return ProcessExecutor
