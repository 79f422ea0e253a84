"""What a function may do is what its role's policies allow."""

import json
import timeit
from collections.abc import Mapping
from typing import Any

import pytest

from evergreen_emulator.needs import Call
from evergreen_emulator.policies import Need, UnknownError, decisive, rules

from .conftest import Deploy, Emulator

READ = "s3:GetObject"
BUCKET = "arn:aws:s3:::data"


def policy(
    action: Any = READ,
    resource: Any = f"{BUCKET}/in/*",
    effect: str = "Allow",
    **more: Any,
) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allowed(need: Need, *policies: str) -> bool:
    rule = decisive(rules(policies), need)
    return rule is not None and rule.allows


@pytest.mark.parametrize(
    ("action", "resource", "allows"),
    [
        (READ, f"{BUCKET}/in/*", True),
        (READ, f"{BUCKET}/*", True),
        (READ, "*", True),
        (READ, f"{BUCKET}/in/?", True),
        (READ, f"{BUCKET}/in/a", True),
        (READ, "arn:*:s3:*:*:data/in/a", True),
        ("s3:getobject", f"{BUCKET}/in/*", True),
        ("s3:Get*", f"{BUCKET}/in/*", True),
        ("s3:*", f"{BUCKET}/in/*", True),
        ("*", f"{BUCKET}/in/*", True),
        (["s3:PutObject", READ], [BUCKET, f"{BUCKET}/in/*"], True),
        ("s3:GetObjectVersion", f"{BUCKET}/in/*", False),
        ("s3:Get", f"{BUCKET}/in/*", False),
        (READ, f"{BUCKET}/IN/*", False),
        (READ, f"{BUCKET}/in/", False),
        (READ, f"{BUCKET}/[i]n/*", False),
        (READ, f"{BUCKET}/in", False),
        (READ, f"{BUCKET}/in/a*b", False),
        (READ, "arn:aws:s3*:data/in/a:*:*:a", False),
        (READ, BUCKET, False),
        ([], f"{BUCKET}/in/*", False),
    ],
)
def test_a_statement_allows_its_actions_on_its_resources(
    action: Any, resource: Any, allows: bool
) -> None:
    assert allowed(Need(READ, f"{BUCKET}/in/a"), policy(action, resource)) is allows


def test_nothing_is_allowed_by_itself() -> None:
    assert not allowed(Need(READ, f"{BUCKET}/in/a"))


def test_what_is_denied_is_denied_whatever_else_allows_it() -> None:
    deny = policy("s3:*", f"{BUCKET}/in/secret*", "Deny")
    for policies in ((policy(), deny), (deny, policy())):
        assert not allowed(Need(READ, f"{BUCKET}/in/secrets"), *policies)
        assert allowed(Need(READ, f"{BUCKET}/in/a"), *policies)


@pytest.mark.parametrize(
    ("condition", "prefix", "allows"),
    [
        ({"StringLike": {"s3:prefix": "in/*"}}, "in/2026/", True),
        ({"StringLike": {"s3:prefix": ["a", "in/*"]}}, "in/", True),
        ({"StringLike": {"s3:prefix": "in/*"}}, "inn/", False),
        ({"StringLike": {"s3:prefix": "in/*"}}, "", False),
        ({"StringLike": {"s3:prefix": "*"}}, None, False),
        ({"StringEquals": {"s3:prefix": ["", "in/"]}}, "", True),
        ({"StringEquals": {"s3:prefix": "in/*"}}, "in/a", False),
        ({"StringEquals": {"s3:prefix": "a"}, "StringLike": {"s3:prefix": "*"}}, "a", True),
        ({"StringEquals": {"s3:prefix": "a"}, "StringLike": {"s3:prefix": "b"}}, "a", False),
    ],
)
def test_a_condition_is_on_what_is_asked_for(
    condition: Any, prefix: str | None, allows: bool
) -> None:
    context = {} if prefix is None else {"s3:prefix": prefix}
    document = policy("s3:ListBucket", BUCKET, Condition=condition)
    assert allowed(Need("s3:ListBucket", BUCKET, context), document) is allows


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ({"Condition": {"StringNotLike": {"s3:prefix": "a"}}}, "StringNotLike"),
        ({"Condition": {"StringLikeIfExists": {"s3:prefix": "a"}}}, "StringLikeIfExists"),
        ({"Condition": {"StringEquals": {"aws:PrincipalArn": "a"}}}, "aws:PrincipalArn"),
        ({"NotAction": "s3:*"}, "NotAction"),
        ({"NotResource": "*"}, "NotResource"),
        ({"resource": f"{BUCKET}/${{aws:username}}/*"}, r"\$\{aws:username\}"),
        ({"resource": "arn:aws:s3"}, "arn:aws:s3"),
    ],
)
def test_what_the_emulator_does_not_know_allows_nothing(
    statement: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnknownError, match=named):
        rules((policy(), policy(**statement)))


def needs(service: str, operation: str, parameters: Mapping[str, Any]) -> list[tuple[str, ...]]:
    call = Call(service, operation, parameters, "aws", "eu-west-1", "123456789012")
    return [(need.action, need.resource, *need.context.values()) for need in call.needs]


KEY = {"Bucket": "data", "Key": "a/b c"}
OBJECT = f"{BUCKET}/a/b c"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:score"
COPY = {**KEY, "CopySource": "other/%C3%BC%3F/x"}


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("GetObject", KEY, [(READ, OBJECT)]),
        ("GetObject", {**KEY, "IfMatch": '"1"'}, [(READ, OBJECT)]),
        ("GetObject", {**KEY, "VersionId": "1"}, [("s3:GetObjectVersion", OBJECT)]),
        ("HeadObject", KEY, [(READ, OBJECT)]),
        ("HeadObject", {**KEY, "VersionId": "1"}, [("s3:GetObjectVersion", OBJECT)]),
        ("PutObject", KEY, [("s3:PutObject", OBJECT)]),
        ("PutObject", {**KEY, "IfNoneMatch": "*"}, [("s3:PutObject", OBJECT)]),
        ("PutObject", {**KEY, "IfMatch": '"1"'}, [("s3:PutObject", OBJECT), (READ, OBJECT)]),
        ("CreateMultipartUpload", KEY, [("s3:PutObject", OBJECT)]),
        ("UploadPart", KEY, [("s3:PutObject", OBJECT)]),
        ("CompleteMultipartUpload", KEY, [("s3:PutObject", OBJECT)]),
        ("AbortMultipartUpload", KEY, [("s3:AbortMultipartUpload", OBJECT)]),
        ("UploadPartCopy", COPY, [("s3:PutObject", OBJECT), (READ, "arn:aws:s3:::other/ü?/x")]),
        (
            "UploadPartCopy",
            {**KEY, "CopySource": "/other/x?versionId=1"},
            [("s3:PutObject", OBJECT), ("s3:GetObjectVersion", "arn:aws:s3:::other/x")],
        ),
        ("DeleteObject", KEY, [("s3:DeleteObject", OBJECT)]),
        ("DeleteObject", {**KEY, "IfMatch": "*"}, [("s3:DeleteObject", OBJECT)]),
        ("DeleteObject", {**KEY, "IfMatch": '"1"'}, [("s3:DeleteObject", OBJECT), (READ, OBJECT)]),
        ("DeleteObject", {**KEY, "VersionId": "1"}, [("s3:DeleteObjectVersion", OBJECT)]),
        ("ListObjectsV2", {"Bucket": "data"}, [("s3:ListBucket", BUCKET)]),
        ("ListObjectsV2", {"Bucket": "data", "Prefix": "a"}, [("s3:ListBucket", BUCKET, "a")]),
    ],
)
def test_a_call_of_s3_takes_these_permissions(
    operation: str, parameters: Mapping[str, Any], expected: list[tuple[str, ...]]
) -> None:
    assert needs("s3", operation, parameters) == expected


def test_calls_of_other_services_take_these_permissions() -> None:
    ours = "eu-west-1:123456789012"
    assert needs("firehose", "PutRecordBatch", {"DeliveryStreamName": "log"}) == [
        ("firehose:PutRecordBatch", f"arn:aws:firehose:{ours}:deliverystream/log")
    ]
    other = f"arn:aws:events:{ours}:event-bus/other"
    assert needs("events", "PutEvents", {"Entries": [{}, {"EventBusName": other}, {}]}) == [
        ("events:PutEvents", other),
        ("events:PutEvents", f"arn:aws:events:{ours}:event-bus/default"),
    ]
    assert needs("stepfunctions", "StartExecution", {"stateMachineArn": MACHINE}) == [
        ("states:StartExecution", MACHINE)
    ]
    assert needs("sts", "GetCallerIdentity", {}) == []


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("s3", "DeleteObjects", {"Bucket": "data"}),
        ("s3", "PutObject", {**KEY, "Tagging": "a=b"}),
        ("sqs", "SendMessage", {"QueueUrl": "a"}),
        ("sts", "AssumeRole", {"RoleArn": "a"}),
    ],
)
def test_a_call_whose_permissions_the_emulator_does_not_know_is_refused(
    service: str, operation: str, parameters: Mapping[str, Any]
) -> None:
    with pytest.raises(UnknownError, match=next(iter(parameters.keys() & {"Tagging"}), operation)):
        needs(service, operation, parameters)


def test_a_check_takes_no_time() -> None:
    folders = [policy(["s3:GetObject", "s3:PutObject"], f"{BUCKET}/{i}/*") for i in range(20)]
    call = Call("s3", "GetObject", {"Bucket": "data", "Key": "19/a"}, "aws", "a", "1")

    def check() -> None:
        for need in call.needs:
            assert decisive(rules(tuple(folders)), need)

    assert min(timeit.repeat(check, number=100)) / 100 < 0.000_5


SOURCE = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    client = boto3.client(event["service"])
    try:
        getattr(client, event["call"])(**event["with"])
    except ClientError as error:
        return [error.response["ResponseMetadata"]["HTTPStatusCode"], str(error)]
    return [200, ""]
"""


def ask(deploy: Deploy, role: str) -> Any:
    function = deploy(SOURCE, Role=role)

    def call(service: str, name: str, **parameters: Any) -> Any:
        result = function(service=service, call=name, **{"with": parameters})
        assert result.error is None, result
        return result.payload

    return call


@pytest.fixture(scope="module")
def bucket(emulator: Emulator) -> str:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="permissions")
    s3.put_object(Bucket="permissions", Key="in/a", Body=b"a")
    return "permissions"


def test_a_function_does_what_its_role_allows_and_nothing_else(
    emulator: Emulator, deploy: Deploy, bucket: str
) -> None:
    role = emulator.role(
        {"Effect": "Allow", "Action": READ, "Resource": f"arn:aws:s3:::{bucket}/in/*"}
    )
    call = ask(deploy, role)
    assert call("s3", "get_object", Bucket=bucket, Key="in/a") == [200, ""]
    assert call("s3", "head_object", Bucket=bucket, Key="in/a") == [200, ""]
    assert call("sts", "get_caller_identity") == [200, ""]
    status, message = call("s3", "put_object", Bucket=bucket, Key="in/a", Body="b")
    assert (status, "AccessDenied" in message) == (403, True)
    assert f"perform: s3:PutObject on resource: arn:aws:s3:::{bucket}/in/a" in message
    status, message = call("events", "put_events", Entries=[{"Source": "a"}])
    assert (status, "AccessDeniedException" in message) == (400, True)
    status, message = call("sqs", "list_queues")
    assert "the emulator does not know the permissions that sqs:ListQueues takes" in message
    assert emulator.client("s3").get_object(Bucket=bucket, Key="in/a")["Body"].read() == b"a"

    ours = [line for line in emulator.permissions if line["role"] == role]
    assert [line["statement"] for line in ours if "refused" not in line] == [
        f"arn:aws:s3:::{bucket}/in/*"
    ]
    assert [line["action"] for line in ours if "refused" in line] == [
        *("s3:PutObject", "events:PutEvents", "sqs:ListQueues")
    ]


def test_only_who_may_list_a_bucket_is_told_what_it_lacks(
    emulator: Emulator, deploy: Deploy, bucket: str
) -> None:
    read = {"Effect": "Allow", "Action": READ, "Resource": f"arn:aws:s3:::{bucket}/in/*"}
    lists = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
    within = {**lists, "Condition": {"StringLike": {"s3:prefix": "in/*"}}}
    for statements, expected in (([read], 403), ([read, within], 403), ([read, lists], 404)):
        call = ask(deploy, emulator.role(*statements))
        for name in ("get_object", "head_object"):
            assert call("s3", name, Bucket=bucket, Key="in/b")[0] == expected
        lists_prefix = call("s3", "list_objects_v2", Bucket=bucket, Prefix="in/")[0]
        assert lists_prefix == (403 if statements == [read] else 200)


def test_a_role_may_from_now_on_what_its_policies_say_from_now_on(
    emulator: Emulator, deploy: Deploy, bucket: str
) -> None:
    role, iam = emulator.role(), emulator.client("iam")
    call = ask(deploy, role)
    wanted = {"Bucket": bucket, "Key": "in/a"}
    assert call("s3", "get_object", **wanted)[0] == 403
    name = role.rpartition("/")[2]
    document = policy("s3:Get*", "*")
    arn = iam.create_policy(PolicyName=f"{name}-reads", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    assert call("s3", "get_object", **wanted)[0] == 200
    iam.put_role_policy(RoleName=name, PolicyName="no", PolicyDocument=policy("*", "*", "Deny"))
    status, message = call("s3", "get_object", **wanted)
    assert (status, "explicit deny" in message) == (403, True)


def test_a_role_that_is_not_there_allows_nothing(deploy: Deploy, bucket: str) -> None:
    call = ask(deploy, "arn:aws:iam::000000000000:role/nobody")
    status, message = call("s3", "get_object", Bucket=bucket, Key="in/a")
    assert status == 403
    assert "does not know the role arn:aws:iam::000000000000:role/nobody" in message
