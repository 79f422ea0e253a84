"""What CloudFormation makes of the template, where LocalStack would not tell the difference."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.demo.stack import ROOT, TOOLS

from .conftest import require

PARTS = (
    *("PredictFunction", "ScoreFunction", "DriftFunction", "RetrainFunction"),
    *("EvergreenLayer", "ServingLayer", "TrainingLayer", "ScoreMachine"),
)


def transformed(changed: str | None = None) -> dict[str, Any]:
    """Return the resources of a deployment in which one part's content has changed."""
    python = TOOLS / "sam/bin/python"
    require(python.exists(), f"{python} is missing: run make test, which installs it")
    parts = [f"{p}=s3://deployments/{p}-{'new' if p == changed else 'old'}" for p in PARTS]
    done = subprocess.run(
        [python, Path(__file__).with_name("transform.py"), ROOT / "template.yaml", *parts],
        env=os.environ | {"AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(done.stdout)["Resources"])


def published(resources: dict[str, Any]) -> str:
    """Return the version of the predictor that the alias serves, by its logical id."""
    alias = resources["PredictFunctionAliaslive"]["Properties"]["FunctionVersion"]
    return str(alias["Fn::GetAtt"][0])


@pytest.mark.parametrize("part", ["PredictFunction", "EvergreenLayer", "ServingLayer"])
def test_whatever_the_predictor_is_made_of_a_change_of_it_is_served(part: str) -> None:
    assert published(transformed(changed=part)) != published(transformed())


def test_what_it_is_not_made_of_publishes_no_version() -> None:
    assert published(transformed(changed="TrainingLayer")) == published(transformed())
