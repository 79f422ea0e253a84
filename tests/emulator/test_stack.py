"""What CloudFormation does to our functions."""

import json
import time
from typing import Any

from .conftest import Emulator, archive

SOURCE = "def handler(event, context):\n    return {!r}\n"


def template(key: str) -> str:
    return json.dumps(
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {
                "Function": {
                    "Type": "AWS::Serverless::Function",
                    "Properties": {
                        "Runtime": "python3.13",
                        "Handler": "app.handler",
                        "CodeUri": {"Bucket": "code", "Key": key},
                        "AutoPublishAlias": "live",
                    },
                }
            },
            "Outputs": {"Alias": {"Value": {"Ref": "Function.Alias"}}},
        }
    )


def deploy(cloudformation: Any, kind: str, key: str) -> dict[str, Any]:
    names = {"StackName": "stack", "ChangeSetName": key}
    cloudformation.create_change_set(
        **names,
        ChangeSetType=kind,
        TemplateBody=template(key),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    created = cloudformation.get_waiter("change_set_create_complete")
    created.wait(**names, WaiterConfig={"Delay": 1})
    cloudformation.execute_change_set(**names)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        stack: dict[str, Any]
        (stack,) = cloudformation.describe_stacks(StackName="stack")["Stacks"]
        if not stack["StackStatus"].endswith("PROGRESS"):
            break
        time.sleep(0.2)
    return stack


def test_an_update_moves_the_alias_to_the_new_version(emulator: Emulator) -> None:
    s3, functions = emulator.client("s3"), emulator.client("lambda")
    cloudformation = emulator.client("cloudformation")
    s3.create_bucket(Bucket="code")
    for key in ("one", "two"):
        s3.put_object(Bucket="code", Key=key, Body=archive(app=SOURCE.format(key)))

    for kind, key in (("CREATE", "one"), ("UPDATE", "two")):
        stack = deploy(cloudformation, kind, key)

        assert stack["StackStatus"] == f"{kind}_COMPLETE"
        (output,) = stack["Outputs"]
        answer = functions.invoke(FunctionName=output["OutputValue"])
        assert json.load(answer["Payload"]) == key
