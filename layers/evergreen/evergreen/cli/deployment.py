"""A deployed stack as commands use it: everything is found from the outputs of its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Self

import typer

from evergreen.errors import InputError
from evergreen.settings import Settings
from evergreen.store import function_log, functions, queue, s3, stack
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Stack = Annotated[
    str, typer.Option(envvar="EVERGREEN_STACK", help="The name of the deployed stack.")
]


@dataclass(frozen=True)
class Deployment:
    """A stack, and ways to what it has."""

    name: str
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, name: str) -> Self:
        """Find a stack; raises InputError where there is none."""
        return cls(name, stack.outputs(name))

    @property
    def data(self) -> Bucket:
        """Labelled history, uploads and their results."""
        return Bucket(self._s3, self.output("DataBucket"))

    @property
    def logs(self) -> Bucket:
        """Predictions, outcomes and reports."""
        return Bucket(self._s3, self.output("LogBucket"))

    @property
    def registry(self) -> Registry:
        """The model versions."""
        return Registry(Bucket(self._s3, self.output("ModelBucket")))

    def settings(self, function: str) -> Settings:
        """Read what the stack has set for a function, such as from where on it is drift."""
        return Settings.read(functions.environment(self.output(function)))

    def failures(self) -> int:
        """How many events wait in the failure queue."""
        return queue.depth(self.output("FailureQueueUrl"))

    def predictor_log(self) -> function_log.FunctionLog:
        """What the predictor wrote into its log."""
        return function_log.FunctionLog.connect(f"/evergreen/{self.name}/predict")

    def output(self, name: str) -> str:
        """Return an output of the stack; raises InputError where it has none of that name."""
        try:
            return self.outputs[name]
        except KeyError:
            raise InputError(
                f"the stack {self.name!r} has no output {name}: is it one of Evergreen's,"
                " and deployed from this version of it?"
            ) from None

    @cached_property
    def _s3(self) -> "S3Client":
        return s3.client()
