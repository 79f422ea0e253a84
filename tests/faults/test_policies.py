"""Which right a call takes, and which statements give it."""

from typing import Any

import pytest

from tests.policies import ALLOWED, Need, granted, granting, needs, needs_if_not_there

DATA = {"Bucket": "evergreen-data", "Key": "scored/a.csv"}
PLACE = "DataBucket/scored/a.csv"


@pytest.mark.parametrize(
    ("operation", "given", "actions"),
    [
        ("GetObject", {}, {"GetObject"}),
        ("GetObject", {"VersionId": "1"}, {"GetObjectVersion"}),
        ("HeadObject", {}, {"GetObject"}),
        ("PutObject", {}, {"PutObject"}),
        ("PutObject", {"IfNoneMatch": "*"}, {"PutObject"}),
        ("PutObject", {"IfMatch": "1"}, {"PutObject", "GetObject"}),
        ("DeleteObject", {}, {"DeleteObject"}),
        ("DeleteObject", {"IfMatch": "1"}, {"DeleteObject", "GetObject"}),
        ("CreateMultipartUpload", {}, {"PutObject"}),
        ("UploadPart", {}, {"PutObject"}),
        ("CompleteMultipartUpload", {"IfMatch": "1"}, {"PutObject", "GetObject"}),
        ("AbortMultipartUpload", {}, {"AbortMultipartUpload"}),
    ],
)
def test_an_operation_on_an_object_needs_its_actions(
    operation: str, given: dict[str, Any], actions: set[str]
) -> None:
    found = [*needs("s3", operation, {**DATA, **given})]
    assert found == [Need(need.action, PLACE) for need in found]
    assert {need.action for need in found} == {f"s3:{action}" for action in actions}


def test_a_copy_needs_its_source() -> None:
    source = {"Bucket": "evergreen-data", "Key": "scoring/1/answered/0"}
    assert {*needs("s3", "UploadPartCopy", {**DATA, "CopySource": source})} == {
        Need("s3:PutObject", PLACE),
        Need("s3:GetObject", "DataBucket/scoring/1/answered/0"),
    }


@pytest.mark.parametrize(
    ("service", "operation", "given", "statement"),
    [
        (
            *("firehose", "PutRecordBatch", {"DeliveryStreamName": "evergreen-inference"}),
            "firehose:PutRecordBatch on InferenceStream",
        ),
        (
            *("events", "PutEvents", {"Entries": [{}]}),
            "events:PutEvents on events:event-bus/default",
        ),
        (
            *("stepfunctions", "StartExecution", {"stateMachineArn": "a:b:evergreen-score"}),
            "states:StartExecution on states:stateMachine:${AWS::StackName}-score",
        ),
    ],
)
def test_other_services_are_allowed_by_name(
    service: str, operation: str, given: dict[str, Any], statement: str
) -> None:
    (need,) = needs(service, operation, given)
    assert [role for role in ALLOWED if granting(role, need) == statement]


def test_a_statement_covers_its_actions_and_folder_and_no_others() -> None:
    role = "ScoreFunctionRole"
    statement = "s3:GetObjectVersion on DataBucket/incoming/*"
    assert granting(role, Need("s3:GetObjectVersion", "DataBucket/incoming/a/b.csv")) == statement
    assert statement in granted(role)
    for need in (
        Need("s3:GetObjectVersion", "DataBucket/scored/a.csv"),
        Need("s3:GetObjectVersion", "ModelBucket/incoming/a.csv"),
        Need("s3:PutObject", "DataBucket/incoming/a.csv"),
    ):
        assert granting(role, need) is None


def test_a_listing_takes_a_right_on_its_bucket_as_does_to_learn_that_nothing_is_there() -> None:
    given = {"Bucket": "evergreen-logs", "Prefix": "inference/2026/"}
    (listing,) = needs("s3", "ListObjectsV2", given)
    gone = needs_if_not_there({"Bucket": "evergreen-logs", "Key": "inference/gone"})
    for need in (listing, gone):
        assert granting("DriftFunctionRole", need) == "s3:ListBucket on LogBucket"
        assert granting("ScoreFunctionRole", need) is None
