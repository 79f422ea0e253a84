"""The deployed functions do all they do with what their roles allow, and with nothing else."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.demo.stack import STACK
from local.demo.story import Story

from .conftest import Deployed

Rights = dict[str, dict[str, set[str]]]
"""By role and resource: actions."""

BY_LAMBDA = "sqs:"
"""What Lambda does itself in the name of the role: it takes events from queues and leaves some."""

DENIED = ("DriftFunctionRole", "s3:PutObject")
"""What the last test takes from a role for a while."""

FALLBACK = {"ModelBucket/promotions/*": {"s3:GetObject"}}  # where the champion can't be used
NOT_IN_THE_STORY: Rights = {
    "ScoreFunctionRole": {
        **FALLBACK,
        # results in parts, given up; and those of an upload that was put in again
        "DataBucket/scored/*": {"s3:AbortMultipartUpload", "s3:DeleteObject"},
        "DataBucket/rejected/*": {"s3:AbortMultipartUpload", "s3:DeleteObject"},
        "LogBucket/campaigns/*": {"s3:PutObject"},  # the demo states no value
        # large uploads
        "DataBucket/scoring/*": {"s3:AbortMultipartUpload", "s3:GetObject"},
        "states:stateMachine:evergreen-score": {"states:StartExecution"},
    },
    "PredictFunctionRole": {
        "LogBucket": {"s3:ListBucket"},  # there is a report, and a measurement
    },
    "MeasureFunctionRole": {
        **FALLBACK,
        # rows of outcomes that can't be taken, and a file that was put in again
        "DataBucket/rejected/outcomes/*": {
            *("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject")
        },
        "DataBucket/training/outcomes-*": {"s3:GetObject"},
        "LogBucket/outcomes/*": {"s3:DeleteObject"},
        "LogBucket/campaigns/*": {"s3:GetObject"},  # the demo states no value
        "ModelBucket": {"s3:ListBucket"},
        "events:event-bus/default": {"events:PutEvents"},
    },
    "DriftFunctionRole": {
        **FALLBACK,
        "ModelBucket": {"s3:ListBucket"},  # there is a champion
        "states:stateMachine:evergreen-drift": {"states:StartExecution"},  # large logs
    },
    "RetrainFunctionRole": {
        **FALLBACK,
        # files that can't be read, that are wrong, or that somebody has taken back
        "DataBucket/rejected/training/*": {"s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
        "ModelBucket/set-aside/*": {"s3:GetObject", "s3:PutObject"},
        "ModelBucket/waiting/*": {"s3:PutObject"},
    },
}
"""All that stands in a policy and may go unused, each for a reason; what else does is too much."""


@dataclass(frozen=True)
class Stack:
    """The functions' roles, and what is known of them."""

    deployed: Deployed
    names: dict[str, str]
    """Logical ids by the names that the parts have got."""

    @property
    def roles(self) -> dict[str, str]:
        """Logical ids by names."""
        return {n: logical for n, logical in self.names.items() if logical.endswith("FunctionRole")}

    @property
    def granted(self) -> Rights:
        """What the roles' own policies allow, as deployed."""
        iam = self.deployed.emulator.client("iam")
        found: Rights = {}
        for role, logical in self.roles.items():
            of = found[logical] = defaultdict(set)
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                for statement in policy["Statement"]:
                    for resource in _list(statement["Resource"]):
                        of[self.short(resource)] |= set(_list(statement["Action"]))
        return found

    @property
    def recorded(self) -> Iterator[tuple[str, dict[str, str]]]:
        """What the emulator has noted of these roles: what was used and what was refused."""
        file = self.deployed.emulator.state / "data/permissions.jsonl"
        for line in map(json.loads, file.read_text().splitlines()):
            if role := self.roles.get(line["role"].rpartition("/")[2]):
                yield role, line

    def short(self, arn: str) -> str:
        """Write an ARN as the template's own test does."""
        *_, service, _, _, resource = arn.split(":", 5)
        name, slash, key = resource.partition("/")
        return f"{self.names[name]}{slash}{key}" if name in self.names else f"{service}:{resource}"


@pytest.fixture(scope="module")
def stack(deployed: Deployed, told: Story) -> Stack:
    client = deployed.emulator.client("cloudformation")
    pages = client.get_paginator("list_stack_resources").paginate(StackName=STACK)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return Stack(
        deployed,
        {r["PhysicalResourceId"].rpartition("/")[2]: r["LogicalResourceId"] for r in resources},
    )


def test_no_function_is_refused_anything(stack: Stack) -> None:
    """Nothing but what another test here denies."""
    assert {*stack.roles.values()} == stack.granted.keys() >= NOT_IN_THE_STORY.keys()
    refused = [(role, line) for role, line in stack.recorded if "refused" in line]
    assert [line for role, line in refused if (role, line["action"]) != DENIED] == []


def test_no_role_allows_what_its_function_does_not_do(stack: Stack) -> None:
    unused = stack.granted
    for role, line in stack.recorded:
        if "refused" not in line:
            unused[role][stack.short(line["statement"])].discard(line["action"])
    assert not [
        f"{role}: {action} on {resource}"
        for role, resources in unused.items()
        for resource, actions in resources.items()
        for action in actions - NOT_IN_THE_STORY.get(role, {}).get(resource, set())
        if not action.startswith(BY_LAMBDA)
    ]


def test_only_what_is_allowed_is_excused_for_being_unused(stack: Stack) -> None:
    granted = stack.granted
    for role, resources in NOT_IN_THE_STORY.items():
        for resource, actions in resources.items():
            assert actions <= granted[role].get(resource, set())


def test_a_function_can_do_no_more_than_its_role_allows(stack: Stack) -> None:
    iam, functions = (stack.deployed.emulator.client(service) for service in ("iam", "lambda"))
    denied, action = DENIED
    role = next(name for name, logical in stack.roles.items() if logical == denied)
    name, function = "no-reports", stack.deployed.outputs.drift_function
    statement = {"Effect": "Deny", "Action": action, "Resource": "arn:aws:s3:::*/drift/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)
    try:
        answer = functions.invoke(FunctionName=function, Payload=b"{}")
        assert answer["FunctionError"]
        assert "AccessDenied" in answer["Payload"].read().decode()
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    assert stack.deployed.invoke("drift", {})["verdict"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
