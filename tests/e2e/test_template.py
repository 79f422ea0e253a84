"""What CloudFormation makes of the template, where LocalStack would not tell the difference."""

import json
from graphlib import TopologicalSorter
from http import HTTPStatus
from typing import Any

import pytest

from .translated import Change, default, of_type, permissions, references, text, translated

FUNCTION, ROLE = "AWS::Lambda::Function", "AWS::IAM::Role"
NEW_ACCOUNT_MEGABYTES = 3008

MODELS = {
    "ModelBucket": {"s3:ListBucket"},
    "ModelBucket/models/*": {"s3:GetObject"},
    "ModelBucket/promotions/*": {"s3:GetObject"},
}
EVENTS = {"events:event-bus/default": {"events:PutEvents"}}
FAILURES = {"FailureQueue": {"sqs:SendMessage"}}
ONLY_THE_LOG = '{"StringLike": {"s3:prefix": "inference/*"}}'
WRITE = {"s3:GetObject", "s3:PutObject"}
ABORT, DELETE = {"s3:AbortMultipartUpload"}, {"s3:DeleteObject"}

ALLOWED: dict[str, dict[str, set[str]]] = {
    "PredictFunctionRole": MODELS | {"InferenceStream": {"firehose:PutRecordBatch"}},
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
        "states:stateMachine:${AWS::StackName}-score": {"states:StartExecution"},
    },
    "DriftFunctionRole": MODELS
    | EVENTS
    | FAILURES
    | {
        f"LogBucket{ONLY_THE_LOG}": {"s3:ListBucket"},
        "LogBucket/inference/*": {"s3:GetObject"},
        "LogBucket/drift/*": {"s3:PutObject"},
    },
    "RetrainFunctionRole": EVENTS
    | FAILURES
    | {
        "DataBucket": {"s3:ListBucket"},
        "DataBucket/training/*": {"s3:GetObject"},
        "DataBucket/rejected/training/*": WRITE,
        "ModelBucket": {"s3:ListBucket"},
        **{
            f"ModelBucket/{folder}/*": WRITE
            for folder in ("models", "promotions", "set-aside", "waiting", "locks")
        },
    },
    "ScoreMachineRole": {
        "lambda:function:${ScoreFunction}*": {"lambda:InvokeFunction"},
        "sqs:${FailureQueue.QueueName}": {"sqs:SendMessage*"},
        "DataBucket/scoring/*": {"s3:GetObject"},
        "states:stateMachine:${AWS::StackName}-score": {"states:StartExecution"},
        "states:execution:${AWS::StackName}-score:*": {
            *("states:DescribeExecution", "states:StopExecution")
        },
        "states:execution:${AWS::StackName}-score/*": {
            *("states:DescribeExecution", "states:StopExecution")
        },
    },
    "DeploymentRole": {},
    "InferenceStreamRole": {
        "LogBucket": {"s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"},
        "LogBucket/inference/*": {"s3:PutObject"} | ABORT,
        "LogBucket/undelivered/*": {"s3:PutObject"} | ABORT,
    },
}
"""All that anybody may do. Who needs more writes it here, and why beside the statement."""

MANAGED = {  # AWS's own, which name no resource: a function's log, X-Ray, and alarms with aliases
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
    "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited",
}


NEW = "s3://deployments/new"
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
    "retention": Change(parameters={"LogRetentionDays": "90", "OldVersionDays": "7"}),
    "access logs": Change(parameters={"AccessLogs": "true"}),
    "waits for the next version, as it says": Change(parameters={"ModelRefreshSeconds": "30"}),
}
TAGGED = Change({"PredictFunction": {"Tags": {"team": "growth"}}})
CANARY = Change(parameters={"CanaryDeployments": "true"})


@pytest.fixture(scope="module")
def deployments() -> dict[str, dict[str, Any]]:
    changes = {"none": Change(), "tags": TAGGED, "canary": CANARY} | PUBLISHES | PUBLISHES_NOT
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
    assert len(memory) == 4
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
    wants_key = {path: [m.get("security") for m in on.values()] for path, on in paths.items()}
    assert {path for path, wants in wants_key.items() if wants != [[{"api_key": []}]]} == {
        *("/health", "/docs", "/docs/{asset}", "/openapi.json")
    }


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
    assert ours.keys() == {"ScoreFunctionFirstModel", "RetrainFunctionDriftDetected"}
    for rule in ours.values():
        assert rule["EventPattern"]["detail"] == {"stack": [{"Ref": "AWS::StackName"}]}
    for function in of_type(resources, FUNCTION).values():
        assert function["Environment"]["Variables"]["EVERGREEN_STACK"] == {"Ref": "AWS::StackName"}


def test_no_event_is_lost(resources: dict[str, Any]) -> None:
    rules = of_type(resources, "AWS::Events::Rule")
    assert len(rules) == 6
    queue = {"Arn": {"Fn::GetAtt": ["FailureQueue", "Arn"]}}
    for rule in rules.values():
        assert [target["DeadLetterConfig"] for target in rule["Targets"]] == [queue]
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
