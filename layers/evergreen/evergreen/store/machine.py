"""The Step Functions state machines that do in parts what is too large for one function."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from evergreen.store import aws


@dataclass(frozen=True, slots=True)
class Machine:
    """A state machine by its ARN."""

    client: Any
    arn: str

    @classmethod
    def connect(cls, arn: str) -> Self:
        """Reach a state machine; nothing is asked of AWS yet."""
        return cls(aws.client("stepfunctions"), arn)

    def start(self, name: str, values: Mapping[str, object]) -> None:
        """Start an execution, unless one of this name was started in the last 90 days.

        Args:
            name: up to 80 letters, digits, `-` and `_`; the same for the same work.
            values: what the execution begins with.

        """
        try:
            self.client.start_execution(
                stateMachineArn=self.arn, name=name, input=json.dumps(values, sort_keys=True)
            )
        except self.client.exceptions.ExecutionAlreadyExists:
            return
