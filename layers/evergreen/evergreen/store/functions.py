"""The deployed functions: how they are set, and asking one to run."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.config import Config

from evergreen.errors import FunctionError
from evergreen.store import aws

_LONGEST = 900  # seconds that a function may run


def environment(function: str) -> Mapping[str, str]:
    """Return a function's environment variables."""
    found = aws.client("lambda").get_function_configuration(FunctionName=function)
    variables: Mapping[str, str] = found.get("Environment", {}).get("Variables", {})
    return variables


def ask(function: str, event: Mapping[str, Any]) -> None:
    """Have a function run soon, as often as it takes; what comes of it is not waited for."""
    aws.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps(event)
    )


def run(function: str, event: Mapping[str, Any]) -> Any:
    """Run a function once and return its answer.

    Raises:
        FunctionError: it failed; the message says with what.

    """
    # a second try would be a second run
    config = Config(read_timeout=_LONGEST + 10, retries={"total_max_attempts": 1})
    answer = aws.client("lambda", config=config).invoke(
        FunctionName=function, Payload=json.dumps(event)
    )
    told = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer:
        kind, why = told.get("errorType", "an error"), told.get("errorMessage", "nothing is told")
        raise FunctionError(f"{function} failed with {kind}: {why}")
    return told
