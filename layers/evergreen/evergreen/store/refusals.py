"""The refusals of S3 that callers reckon with, as our own errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from evergreen.errors import ConflictError, NotFoundError

FAULTS = (BotoCoreError, ClientError)
"""What any call of AWS may raise."""


@contextmanager
def explained(bucket: str, key: str) -> Iterator[None]:
    """Raise NotFoundError where an object is not there, ConflictError where it has changed.

    Any other refusal gets a note that names the object, which S3 itself does not.
    """
    try:
        yield
    except ClientError as error:
        if status(error) == 404 and error.response["Error"]["Code"] != "NoSuchBucket":
            raise NotFoundError(f"s3://{bucket}/{key} does not exist") from error
        if status(error) in (409, 412):
            raise ConflictError(f"s3://{bucket}/{key} was written by somebody else") from error
        error.add_note(f"s3://{bucket}/{key}")
        raise


@contextmanager
def unchanged(bucket: str, key: str) -> Iterator[None]:
    """Raise ConflictError where an object is no longer what it was, or no longer there."""
    try:
        with explained(bucket, key):
            yield
    except NotFoundError as error:
        raise ConflictError(f"s3://{bucket}/{key} was removed by somebody else") from error


def status(error: ClientError) -> int:
    """Return the HTTP status of an answer, 0 where there is none."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
