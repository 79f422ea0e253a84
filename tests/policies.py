"""What each role may do, and whether that covers a call.

The table is asserted to be what the deployed policies say, and the calls of the scenarios in which
everything goes wrong are held against it.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple

MODELS = {
    "ModelBucket": {"s3:ListBucket"},
    "ModelBucket/models/*": {"s3:GetObject"},
    "ModelBucket/promotions/*": {"s3:GetObject"},
}
EVENTS = {"events:event-bus/default": {"events:PutEvents"}}
FAILURES = {"FailureQueue": {"sqs:SendMessage"}}
WRITE = {"s3:GetObject", "s3:PutObject"}
ABORT, DELETE = {"s3:AbortMultipartUpload"}, {"s3:DeleteObject"}


def _machine(name: str, function: str, parts: str) -> dict[str, set[str]]:
    """What a state machine may do that has a function work in parts."""
    arn = f"${{AWS::StackName}}-{name}"
    watched = {"states:DescribeExecution", "states:StopExecution"}
    return {
        f"lambda:function:${{{function}}}*": {"lambda:InvokeFunction"},
        "sqs:${FailureQueue.QueueName}": {"sqs:SendMessage*"},
        parts: {"s3:GetObject"},
        f"states:stateMachine:{arn}": {"states:StartExecution"},
        f"states:execution:{arn}:*": watched,
        f"states:execution:{arn}/*": watched,
    }


ALLOWED: dict[str, dict[str, set[str]]] = {
    "PredictFunctionRole": MODELS
    | {
        "InferenceStream": {"firehose:PutRecordBatch"},
        "LogBucket": {"s3:ListBucket"},
        "LogBucket/outcomes/*": {"s3:PutObject"},
        "LogBucket/performance/latest.json": {"s3:GetObject"},
        "LogBucket/drift/latest.*": {"s3:GetObject"},
    },
    "ScoreFunctionRole": MODELS
    | EVENTS
    | FAILURES
    | {
        "DataBucket": {"s3:ListBucket"},
        "DataBucket/incoming/*": {"s3:GetObject", "s3:GetObjectVersion"},
        "DataBucket/scored/*": WRITE | ABORT | DELETE,
        "DataBucket/rejected/*": WRITE | ABORT | DELETE,
        "DataBucket/scoring/*": WRITE | ABORT,
        "DataBucket/waiting/*": WRITE | DELETE,
        "LogBucket/inference/*": {"s3:PutObject"},
        "LogBucket/campaigns/*": {"s3:PutObject"},
        "states:stateMachine:${AWS::StackName}-score": {"states:StartExecution"},
    },
    "DriftFunctionRole": MODELS
    | EVENTS
    | FAILURES
    | {
        "LogBucket": {"s3:ListBucket"},
        "LogBucket/inference/*": {"s3:GetObject"},
        "LogBucket/performance/latest.json": {"s3:GetObject"},
        "LogBucket/drift/*": WRITE,
        "states:stateMachine:${AWS::StackName}-drift": {"states:StartExecution"},
    },
    "MeasureFunctionRole": MODELS
    | EVENTS
    | FAILURES
    | {
        "DataBucket": {"s3:ListBucket"},
        "DataBucket/outcomes/*": {"s3:GetObject", "s3:GetObjectVersion"},
        "DataBucket/received/*": WRITE,
        "DataBucket/rejected/outcomes/*": WRITE | ABORT | DELETE,
        "DataBucket/training/schema.json": {"s3:GetObject"},
        "DataBucket/training/outcomes-*": WRITE,
        "LogBucket": {"s3:ListBucket"},
        "LogBucket/inference/*": {"s3:GetObject"},
        "LogBucket/campaigns/*": {"s3:GetObject"},
        "LogBucket/outcomes/*": WRITE | DELETE,
        "LogBucket/index/*": WRITE,
        "LogBucket/performance/*": WRITE,
    },
    "RetrainFunctionRole": EVENTS
    | FAILURES
    | {
        "DataBucket": {"s3:ListBucket"},
        "DataBucket/training/*": {"s3:GetObject"},
        "DataBucket/rejected/training/*": WRITE | DELETE,
        "UploadQueue": {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
        "ModelBucket": {"s3:ListBucket"},
        **{
            f"ModelBucket/{folder}/*": WRITE
            for folder in ("models", "promotions", "set-aside", "waiting", "locks")
        },
    },
    "ScoreMachineRole": _machine("score", "ScoreFunction", "DataBucket/scoring/*"),
    "DriftMachineRole": _machine("drift", "DriftFunction", "LogBucket/drift/work/*"),
    "DeploymentRole": {},
    "InferenceStreamRole": {
        "LogBucket": {"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"},
        "LogBucket/inference/*": {"s3:PutObject"} | ABORT,
        "LogBucket/undelivered/*": {"s3:PutObject"} | ABORT,
    },
}
"""All that anybody may do. Who needs more writes it here, and why beside the statement."""

LISTED = {
    "evergreen-data": "DataBucket",
    "evergreen-models": "ModelBucket",
    "evergreen-logs": "LogBucket",
    "evergreen-inference": "InferenceStream",
    "default": "events:event-bus/default",
    "evergreen-score": "states:stateMachine:${AWS::StackName}-score",
    "evergreen-drift": "states:stateMachine:${AWS::StackName}-drift",
}
"""What the table calls the buckets, the stream, the bus and the machine of a stack `evergreen`."""

_ACTIONS = {
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
"""The action that allows an operation of S3, where it is called otherwise."""


class Need(NamedTuple):
    """An action on a resource, as the table calls it."""

    action: str
    resource: str


def needs(service: str, operation: str, given: Mapping[str, Any]) -> Iterator[Need]:
    """Name all that a call must be allowed, given its parameters."""
    match service:
        case "s3":
            yield from _needs_of_s3(operation, given)
        case "firehose":
            yield Need(f"firehose:{operation}", LISTED[given["DeliveryStreamName"]])
        case "events":
            for entry in given["Entries"]:
                yield Need(f"events:{operation}", LISTED[entry.get("EventBusName", "default")])
        case "stepfunctions":
            machine = given["stateMachineArn"].rpartition(":")[2]
            yield Need(f"states:{operation}", LISTED[machine])
        case _:
            raise AssertionError(f"what does {service} {operation} need?")


def _needs_of_s3(operation: str, given: Mapping[str, Any]) -> Iterator[Need]:
    bucket = LISTED[given["Bucket"]]
    action = f"s3:{_ACTIONS.get(operation, operation)}"
    if action == "s3:ListBucket":
        yield Need(action, bucket)
        return
    place = f"{bucket}/{given['Key']}"
    yield Need(f"{action}Version" if "VersionId" in given else action, place)
    if "IfMatch" in given:  # whether it changes anything tells what is there
        yield Need("s3:GetObject", place)
    if source := given.get("CopySource"):
        yield Need("s3:GetObject", f"{LISTED[source['Bucket']]}/{source['Key']}")


def needs_if_not_there(given: Mapping[str, Any]) -> Need:
    """Name what S3 asks for before it says that there is no such object, rather than forbids it."""
    return Need("s3:ListBucket", LISTED[given["Bucket"]])


@cache
def granting(role: str, need: Need) -> str | None:
    """Return the statement of a role that covers a need, as `granted` tells it; None: none does."""
    for resource, actions in ALLOWED[role].items():
        if need.action in actions and fnmatchcase(need.resource, resource):
            return _told(need.action, resource)
    return None


def granted(role: str) -> set[str]:
    """Tell all that a role may do, one action on one resource each."""
    return {_told(action, place) for place, actions in ALLOWED[role].items() for action in actions}


def _told(action: str, resource: str) -> str:
    return f"{action} on {resource}"
