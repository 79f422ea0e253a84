"""The account in memory answers as moto does, which others hold against S3 itself."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws

from .memory import Memory

Script = list[tuple[str, dict[str, Any]]]

ONE, TWO = ({"ContentType": "text/plain", "Body": body} for body in (b"one", b"two"))
ETAG_ONE, ETAG_TWO = '"f97c5d29941bfb1b2fdab0874906ab82"', '"b8a9f715dbb64fd5c56e7783c6820a61"'

SCRIPT: Script = [
    ("get_object", {"Key": "k"}),
    ("head_object", {"Key": "k"}),
    ("delete_object", {"Key": "k"}),
    ("put_object", {"Key": "k", "IfMatch": ETAG_ONE, **ONE}),
    ("put_object", {"Key": "k", "IfNoneMatch": "*", **ONE}),
    ("put_object", {"Key": "k", "IfNoneMatch": "*", **TWO}),
    ("put_object", {"Key": "k", "IfMatch": ETAG_TWO, **TWO}),
    ("head_object", {"Key": "k"}),
    ("get_object", {"Key": "k"}),
    ("get_object", {"Key": "k", "Range": "bytes=1-"}),
    ("get_object", {"Key": "k", "Range": "bytes=0-1"}),
    ("get_object", {"Key": "k", "IfNoneMatch": ETAG_ONE}),
    ("get_object", {"Key": "k", "IfNoneMatch": ETAG_TWO}),
    ("get_object", {"Key": "k", "IfMatch": ETAG_TWO}),
    ("put_object", {"Key": "k", "IfMatch": ETAG_ONE, **TWO}),
    ("get_object", {"Key": "k"}),
    ("put_object", {"Key": "a/b/c", **ONE}),
    ("put_object", {"Key": "a/d", **ONE}),
    ("list_objects_v2", {"Prefix": ""}),
    ("list_objects_v2", {"Prefix": "a/"}),
    ("list_objects_v2", {"Prefix": "a/", "Delimiter": "/"}),
    ("list_objects_v2", {"Prefix": "z"}),
    ("delete_object", {"Key": "k", "IfMatch": ETAG_ONE}),
    ("delete_object", {"Key": "a/d"}),
    ("head_object", {"Key": "a/d"}),
    ("put_object", {"Key": "a/d", "IfNoneMatch": "*", **TWO}),
    ("list_objects_v2", {"Prefix": ""}),
]

WHAT_COUNTS = ("ETag", "ContentLength", "ContentType", "Contents", "CommonPrefixes", "IsTruncated")


@pytest.fixture(params=[True, False], ids=["versioned", "unversioned"])
def versioned(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_it_answers_as_moto_does(monkeypatch: pytest.MonkeyPatch, versioned: bool) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="bucket")
        if versioned:
            on = {"Status": "Enabled"}
            s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration=on)
        theirs = [answer(s3, *step) for step in SCRIPT]
    memory = Memory({"bucket": {}}, unversioned=set() if versioned else {"bucket"})
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *call: memory.answer(*call))
    ours = [answer(s3, *step) for step in SCRIPT]
    for step, one, other in zip(SCRIPT, ours, theirs, strict=True):
        assert (step, one) == (step, other)


def answer(s3: Any, operation: str, given: dict[str, Any]) -> Any:
    """What is answered, without what is never the same."""
    call: Callable[..., Any] = getattr(s3, operation)
    try:
        found = call(Bucket="bucket", **given)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status, error.response["Error"]["Code"]
    if operation == "delete_object":
        return None
    told = {name: found[name] for name in WHAT_COUNTS if name in found}
    for entry in told.get("Contents", ()):
        for name in entry.keys() - {"Key", "ETag", "Size"}:
            del entry[name]
    body = found["Body"].read() if "Body" in found else None
    return told, body, found.get("VersionId", "null") == "null"
