"""What a deployed stack says of itself."""

from collections.abc import Mapping

from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from evergreen.errors import InputError
from evergreen.store import aws


def outputs(stack: str) -> Mapping[str, str]:
    """Read a stack's outputs; raises InputError where there is no such stack, or no way to it."""
    try:
        client = aws.client("cloudformation")
        answer = client.describe_stacks(StackName=stack)
    except NoRegionError:
        raise InputError("no region is known: set AWS_DEFAULT_REGION") from None
    except NoCredentialsError:
        raise InputError("no credentials are known: set AWS_PROFILE, or run aws login") from None
    except ClientError as error:
        where = client.meta.region_name
        advice = f"name one of {where}'s with --stack or EVERGREEN_STACK"
        raise InputError(f"the stack {stack!r} can't be read: {error}; {advice}") from error
    found = answer["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in found}
