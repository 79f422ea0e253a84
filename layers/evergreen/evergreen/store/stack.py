"""What a deployed stack says of itself."""

from collections.abc import Mapping

import boto3
from botocore.exceptions import ClientError

from evergreen.errors import InputError


def outputs(stack: str) -> Mapping[str, str]:
    """Read a stack's outputs; raises InputError where there is no such stack."""
    try:
        answer = boto3.client("cloudformation").describe_stacks(StackName=stack)
    except ClientError as error:
        raise InputError(f"the stack {stack!r} can't be read: {error}") from error
    found = answer["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in found}
