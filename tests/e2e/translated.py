"""The template as CloudFormation gets it from SAM's own translator, and what can be read in it."""

import json
import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.demo.stack import ROOT, TOOLS

from .conftest import require

CONTENTS = {
    **dict.fromkeys(
        ("PredictFunction", "ScoreFunction", "DriftFunction", "MeasureFunction", "RetrainFunction"),
        "CodeUri",
    ),
    **dict.fromkeys(("EvergreenLayer", "ServingLayer", "TrainingLayer"), "ContentUri"),
    **dict.fromkeys(("ScoreMachine", "DriftMachine"), "DefinitionUri"),
}
"""The property of each part that `sam deploy` fills in with where it has put the content."""

Resources = dict[str, Any]

_OURS = r"^arn:\$\{AWS::Partition\}:(\w+):\$\{AWS::Region\}:\$\{AWS::AccountId\}:"


@dataclass(frozen=True)
class Change:
    """What a deployment has that is not as the template says."""

    properties: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By the part's logical id."""
    parameters: Mapping[str, str] = field(default_factory=dict)


def translated(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return the templates of some deployments."""
    python = TOOLS / "sam/bin/python"
    require(python.exists(), f"{python} is missing: run make test, which installs it")
    deployed = {part: {kind: f"s3://deployments/{part}"} for part, kind in CONTENTS.items()}
    wanted = [
        [{**deployed, **{n: {**deployed[n], **of} for n, of in c.properties.items()}}, c.parameters]
        for c in changes
    ]
    done = subprocess.run(
        [python, Path(__file__).with_name("transform.py"), ROOT / "template.yaml"],
        env=os.environ | {"AWS_DEFAULT_REGION": "us-east-1"},
        input=json.dumps(wanted).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return list(json.loads(done.stdout))


def of_type(resources: Resources, kind: str) -> Resources:
    """Return the properties of all resources of a type, by logical id."""
    return {n: r.get("Properties", {}) for n, r in resources.items() if r["Type"] == kind}


def default(template: Mapping[str, Any], value: Any) -> Any:
    """Return a value, or the default of the parameter that it refers to."""
    if isinstance(value, dict) and value.get("Ref") in template["Parameters"]:
        return template["Parameters"][value["Ref"]]["Default"]
    return value


def permissions(role: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return what a role's own policies allow: actions by resource, as `short` has it."""
    found = defaultdict[str, set[str]](set)
    for policy in role.get("Policies", ()):
        for statement in _list(policy["PolicyDocument"]["Statement"]):
            assert statement["Effect"] == "Allow"
            condition = json.dumps(statement["Condition"]) if "Condition" in statement else ""
            for resource in _list(statement["Resource"]):
                found[short(resource) + condition] |= set(_list(statement["Action"]))
    return dict(found)


def short(arn: Any) -> str:
    """Write an ARN without what all of this deployment's have in common."""
    return re.sub(r"\$\{(\w+)\.Arn\}", r"\1", re.sub(_OURS, r"\1:", text(arn)))


def text(value: Any) -> str:
    """Write a value that refers to others as Fn::Sub would take it."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(template)}:
            return template
        case {"Fn::Sub": [template, names]}:
            return re.sub(r"\$\{(\w+)\}", lambda found: text(names[found[1]]), template)
    raise AssertionError(f"what is {value}?")


def references(value: Any) -> Iterator[str]:
    """Name what a value refers to: parameters, resources and AWS's own."""
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "Ref":
                yield each
            elif key == "Fn::GetAtt":
                yield (each if isinstance(each, list) else each.split("."))[0]
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{([\w:]+)", each if isinstance(each, str) else each[0])
                yield from references([] if isinstance(each, str) else each[1])
            elif key == "DependsOn":
                yield from _list(each)
            else:
                yield from references(each)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
