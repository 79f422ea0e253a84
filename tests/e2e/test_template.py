"""What CloudFormation makes of the template, where LocalStack would not tell the difference."""

import json
from graphlib import TopologicalSorter
from http import HTTPStatus
from typing import Any

import pytest

from tests.policies import ALLOWED

from .translated import Change, default, of_type, permissions, references, text, translated

FUNCTION, ROLE = "AWS::Lambda::Function", "AWS::IAM::Role"
NEW_ACCOUNT_MEGABYTES = 3008

MANAGED = {  # AWS's own, which name no resource: a function's log, X-Ray, and alarms with aliases
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
    "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited",
}


NEW = "s3://deployments/new"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"
PUBLISHES = {  # what a version is made of
    "code": Change({"PredictFunction": {"CodeUri": NEW}}),
    "package": Change({"EvergreenLayer": {"ContentUri": NEW}}),
    "libraries": Change({"ServingLayer": {"ContentUri": NEW}}),
    "memory": Change({"PredictFunction": {"MemorySize": 3008}}),
    "timeout": Change({"PredictFunction": {"Timeout": 25}}),
    "description": Change({"PredictFunction": {"Description": "says more"}}),
    "environment": Change(
        {"PredictFunction": {"Environment": {"Variables": {"EVERGREEN_A": "1"}}}}
    ),
}
PUBLISHES_NOT = {  # Lambda would refuse a version in which nothing has changed
    "other libraries": Change({"TrainingLayer": {"ContentUri": NEW}}),
    "other code": Change({"RetrainFunction": {"CodeUri": NEW}}),
    "reserved concurrency": Change(parameters={"PredictConcurrency": "50"}),
    "boundary": Change(parameters={"PermissionsBoundary": "arn:aws:iam::123456789012:policy/a"}),
    "throttling": Change(parameters={"RequestRate": "500", "RequestBurst": "900"}),
    "other memory": Change(parameters={"RetrainMemory": "10240"}),
    "encryption": Change(parameters={"EncryptionKey": KEY}),
    "retention": Change(parameters={"LogRetentionDays": "90", "OldVersionDays": "7"}),
    "access logs": Change(parameters={"AccessLogs": "true"}),
    "waits for the next version, as it says": Change(parameters={"ModelRefreshSeconds": "30"}),
}
SERVICE = "s3.${AWS::Region}.${AWS::URLSuffix}"
SIGNED = Change(parameters={"Authorizer": "AWS_IAM"})
TAGGED = Change({"PredictFunction": {"Tags": {"team": "growth"}}})
CANARY = Change(parameters={"CanaryDeployments": "true"})


@pytest.fixture(scope="module")
def deployments() -> dict[str, dict[str, Any]]:
    changes = (
        {"none": Change(), "tags": TAGGED, "canary": CANARY, "signed": SIGNED}
        | PUBLISHES
        | PUBLISHES_NOT
    )
    return dict(zip(changes, translated([*changes.values()]), strict=True))


@pytest.fixture(scope="module")
def template(deployments: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return deployments["none"]


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    return dict(template["Resources"])


def published(template: dict[str, Any]) -> str:
    """Return the version of the predictor that the alias serves, by its logical id."""
    alias = template["Resources"]["PredictFunctionAliaslive"]["Properties"]["FunctionVersion"]
    return str(alias["Fn::GetAtt"][0])


@pytest.mark.parametrize("change", PUBLISHES)
def test_a_change_of_what_the_predictor_is_made_of_is_served(
    deployments: dict[str, dict[str, Any]], change: str
) -> None:
    assert published(deployments[change]) != published(deployments["none"])


@pytest.mark.parametrize("change", PUBLISHES_NOT)
def test_a_change_of_anything_else_publishes_no_version(
    deployments: dict[str, dict[str, Any]], change: str
) -> None:
    assert published(deployments[change]) == published(deployments["none"])


def test_the_template_has_no_tags_for_they_alone_would_publish_a_version(
    deployments: dict[str, dict[str, Any]], resources: dict[str, Any]
) -> None:
    (by_sam,) = resources["PredictFunction"]["Properties"]["Tags"]
    assert by_sam == {"Key": "lambda:createdBy", "Value": "SAM"}
    assert published(deployments["tags"]) != published(deployments["none"])


def test_a_new_account_has_the_memory_and_the_concurrency(template: dict[str, Any]) -> None:
    functions = of_type(template["Resources"], FUNCTION)
    memory = {name: default(template, of["MemorySize"]) for name, of in functions.items()}
    assert len(memory) == 5
    assert max(memory.values()) <= NEW_ACCOUNT_MEGABYTES
    reserved = {name: of.get("ReservedConcurrentExecutions") for name, of in functions.items()}
    assert reserved.pop("PredictFunction") == {
        "Fn::If": ["ReservesConcurrency", {"Ref": "PredictConcurrency"}, {"Ref": "AWS::NoValue"}]
    }
    assert {*reserved.values()} == {None}
    assert template["Parameters"]["PredictConcurrency"]["Default"] == 0


def test_one_stage_throttles_every_route(resources: dict[str, Any]) -> None:
    ((_, stage),) = of_type(resources, "AWS::ApiGateway::Stage").items()
    assert stage["StageName"] == {"Ref": "Stage"}
    ((_, deployment),) = of_type(resources, "AWS::ApiGateway::Deployment").items()
    assert "StageName" not in deployment
    (settings,) = stage["MethodSettings"]
    assert settings == {
        "ResourcePath": "/*",
        "HttpMethod": "*",
        "ThrottlingRateLimit": {"Ref": "RequestRate"},
        "ThrottlingBurstLimit": {"Ref": "RequestBurst"},
    }


def test_only_health_and_documentation_are_open(resources: dict[str, Any]) -> None:
    paths = resources["Api"]["Properties"]["Body"]["paths"]
    routes = {
        (p, name): method["security"] for p, on in paths.items() for name, method in on.items()
    }
    assert {*map(str, routes.values())} == {"[]", "[{'api_key': []}]"}
    assert {route for route, wants in routes.items() if not wants} == {
        *(("/health", "get"), ("/health", "head")),
        *(("/docs", "get"), ("/docs/{asset}", "get"), ("/openapi.json", "get")),
    }


def test_where_requests_are_to_be_signed_all_are_and_keys_are_asked_for_as_before(
    deployments: dict[str, dict[str, Any]], resources: dict[str, Any]
) -> None:
    signed = deployments["signed"]["Resources"]["Api"]["Properties"]["Body"]["paths"]
    for path, methods in resources["Api"]["Properties"]["Body"]["paths"].items():
        for name, method in methods.items():
            integration = signed[path][name]["x-amazon-apigateway-integration"]
            assert signed[path][name]["security"] == [{"AWS_IAM": []}, *method["security"]]
            assert "credentials" not in integration  # else who calls needs a right on the function


def test_many_labelled_files_leave_the_concurrency_to_others(resources: dict[str, Any]) -> None:
    buffer, queue = (resources[name]["Properties"] for name in ("UploadBuffer", "UploadQueue"))
    assert buffer["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert buffer["BatchSize"] == 1000
    assert buffer["MaximumBatchingWindowInSeconds"] > 0  # without, a batch has ten at the most
    assert queue["VisibilityTimeout"] > resources["RetrainFunction"]["Properties"]["Timeout"]
    (target,) = resources["RetrainFunctionLabelsUploaded"]["Properties"]["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["RetrainFunction", "Arn"]}


def test_all_who_read_or_write_what_is_encrypted_may_use_the_key(
    resources: dict[str, Any],
) -> None:
    through_s3 = {"StringEquals": {"kms:ViaService": {"Fn::Sub": SERVICE}}}
    users: dict[str, set[str]] = {}
    for name in ("ReadWithKey", "WriteWithKey"):
        assert resources[name]["Condition"] == "HasKey"
        policy = resources[name]["Properties"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Resource"] == {"Ref": "EncryptionKey"}
        assert statement["Condition"] == through_s3
        actions = statement["Action"]
        for role in policy["Roles"]:
            users[role["Ref"]] = {actions} if isinstance(actions, str) else {*actions}
    buckets = {"DataBucket", "ModelBucket", "LogBucket"}
    writes = {"s3:PutObject", "s3:DeleteObject"}
    for role, allowed in ALLOWED.items():
        at_buckets = {a for r, of in allowed.items() if r.split("/")[0] in buckets for a in of}
        needs = {"kms:Decrypt"} if at_buckets else set()
        needs |= {"kms:GenerateDataKey"} if at_buckets & writes else set()
        assert users.get(role, set()) == needs
    for bucket in buckets:
        (rule,) = resources[bucket]["Properties"]["BucketEncryption"][
            "ServerSideEncryptionConfiguration"
        ]
        condition, with_key, without = rule["ServerSideEncryptionByDefault"]["Fn::If"]
        assert (condition, without) == ("HasKey", {"SSEAlgorithm": "AES256"})
        assert with_key == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "EncryptionKey"}}
    for name, group in of_type(resources, "AWS::Logs::LogGroup").items():
        if name != "ApiLogs":  # which has nothing of customers
            assert group["KmsKeyId"]["Fn::If"][:2] == ["HasKey", {"Ref": "EncryptionKey"}]


def test_the_gateway_tells_its_own_errors_as_the_predictor_does(resources: dict[str, Any]) -> None:
    responses = resources["Api"]["Properties"]["Body"]["x-amazon-apigateway-gateway-responses"]
    assert {
        *("MISSING_AUTHENTICATION_TOKEN", "INVALID_API_KEY", "ACCESS_DENIED", "UNAUTHORIZED"),
        *("THROTTLED", "QUOTA_EXCEEDED", "REQUEST_TOO_LARGE"),
        *("INTEGRATION_TIMEOUT", "INTEGRATION_FAILURE", "DEFAULT_4XX", "DEFAULT_5XX"),
    } == responses.keys()
    for response in responses.values():
        assert response["responseParameters"] == {
            "gatewayresponse.header.Content-Type": "'application/problem+json'"
        }
        problem = json.loads(response["responseTemplates"]["application/json"])
        assert problem.keys() == {"type", "title", "status", "detail"}
        assert str(problem["status"]) == response["statusCode"]
        assert problem["title"] == HTTPStatus(problem["status"]).phrase


def test_the_access_log_knows_the_request_and_not_the_customer(resources: dict[str, Any]) -> None:
    _, logged, _ = resources["ApiStage"]["Properties"]["AccessLogSetting"]["Fn::If"]
    assert {*json.loads(logged["Format"]).values()} == {
        *("$context.requestId", "$context.xrayTraceId", "$context.requestTime"),
        *("$context.httpMethod", "$context.resourcePath", "$context.status"),
        *("$context.error.responseType", "$context.identity.apiKeyId"),
        *("$context.responseLatency", "$context.integration.status"),
        "$context.integration.latency",
    }


@pytest.mark.parametrize("role", sorted(ALLOWED))
def test_a_role_may_do_what_it_needs_and_nothing_else(resources: dict[str, Any], role: str) -> None:
    assert permissions(resources[role]["Properties"]) == ALLOWED[role]


def test_there_is_no_other_role_and_every_one_can_be_bounded(resources: dict[str, Any]) -> None:
    roles = of_type(resources, ROLE)
    assert roles.keys() == ALLOWED.keys()
    managed = (arn for role in roles.values() for arn in role.get("ManagedPolicyArns", ()))
    assert {text(arn) for arn in managed} == MANAGED
    bound = {
        "Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}],
    }
    assert all(role["PermissionsBoundary"] == bound for role in roles.values())


def test_nothing_is_allowed_everywhere() -> None:
    for allowed in ALLOWED.values():
        for resource, actions in allowed.items():
            assert not resource.startswith("*")
            assert all(len(action.partition(":")[2].rstrip("*")) > 3 for action in actions)
            assert "s3:PutObjectAcl" not in actions


def test_firehose_acts_for_this_account_only(resources: dict[str, Any]) -> None:
    trust = resources["InferenceStreamRole"]["Properties"]["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {"sts:ExternalId": {"Ref": "AWS::AccountId"}},
    }


def test_a_stack_hears_its_own_events_only(resources: dict[str, Any]) -> None:
    rules = of_type(resources, "AWS::Events::Rule")
    ours = {
        n: r for n, r in rules.items() if "evergreen" in r.get("EventPattern", {}).get("source", ())
    }
    assert ours.keys() == {
        *("ScoreFunctionFirstModel", "RetrainFunctionDriftDetected"),
        "RetrainFunctionLabelsUploaded",
    }
    for rule in ours.values():
        assert rule["EventPattern"]["detail"] == {"stack": [{"Ref": "AWS::StackName"}]}
    for function in of_type(resources, FUNCTION).values():
        assert function["Environment"]["Variables"]["EVERGREEN_STACK"] == {"Ref": "AWS::StackName"}


def test_no_event_is_lost(resources: dict[str, Any]) -> None:
    rules = of_type(resources, "AWS::Events::Rule")
    assert len(rules) == 9
    queue = {"Arn": {"Fn::GetAtt": ["FailureQueue", "Arn"]}}
    for rule in rules.values():
        assert [target["DeadLetterConfig"] for target in rule["Targets"]] == [queue]
    assert rules.pop("UploadRule")["Targets"][0]["Arn"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    assert resources["UploadQueue"]["Properties"]["RedrivePolicy"] == {
        "deadLetterTargetArn": queue["Arn"],
        "maxReceiveCount": 3,
    }
    heard = {rule["Targets"][0]["Arn"]["Fn::GetAtt"][0] for rule in rules.values()}
    kept = of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
    assert heard == {config["FunctionName"]["Ref"] for config in kept}
    for config in kept:
        assert config["DestinationConfig"]["OnFailure"]["Destination"] == queue["Arn"]


def test_no_log_is_kept_for_ever(resources: dict[str, Any]) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())
    for function in of_type(resources, FUNCTION).values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_buckets_outlive_the_stack_and_shed_what_nobody_sees(resources: dict[str, Any]) -> None:
    buckets = of_type(resources, "AWS::S3::Bucket")
    assert len(buckets) == 3
    for name, bucket in buckets.items():
        assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
        rules = bucket["LifecycleConfiguration"]["Rules"]
        (rule,) = (r for r in rules if "Prefix" not in r)  # S3 applies it to the whole bucket
        assert rule["Status"] == "Enabled"
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}
        if "VersioningConfiguration" in bucket:
            assert rule["NoncurrentVersionExpiration"] == {
                "NoncurrentDays": {"Ref": "OldVersionDays"}
            }
            assert rule["ExpiredObjectDeleteMarker"] is True
        else:
            assert rule["ExpirationInDays"] == {"Ref": "InferenceRetentionDays"}


@pytest.mark.parametrize("deployment", ["none", "canary"])
def test_nothing_refers_to_itself_in_a_circle(
    deployments: dict[str, dict[str, Any]], deployment: str
) -> None:
    resources = deployments[deployment]["Resources"]
    graph = {name: {*references(of)} & resources.keys() for name, of in resources.items()}
    order = [*TopologicalSorter(graph).static_order()]  # raises CycleError
    assert len(order) == len(resources)


def test_a_canary_gives_way_where_there_is_an_alarm(
    deployments: dict[str, dict[str, Any]], resources: dict[str, Any]
) -> None:
    assert "UpdatePolicy" not in resources["PredictFunctionAliaslive"]
    canary = deployments["canary"]["Resources"]
    update = canary["PredictFunctionAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert update["DeploymentGroupName"] == {"Ref": "PredictFunctionDeploymentGroup"}
    group = canary["PredictFunctionDeploymentGroup"]["Properties"]
    assert [alarm["Name"]["Fn::GetAtt"] for alarm in group["AlarmConfiguration"]["Alarms"]] == [
        ["Monitoring", "Outputs.ApiErrors"],
        ["Monitoring", "Outputs.PredictErrors"],
    ]
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    _, role, _ = group["ServiceRoleArn"]["Fn::If"]
    assert role == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}
