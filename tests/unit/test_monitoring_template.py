"""infra/monitoring.yaml: whoever is told of something is told all of it, and of what exists."""

import importlib.util
import itertools
import json
import re
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import yaml

from evergreen.store.metrics import NAMESPACE, UNITS
from local.demo.stack import ROOT

AWS_METRICS = {
    "AWS/ApiGateway": {"Count", "4XXError", "5XXError", "Latency"},
    "AWS/Lambda": {"ConcurrentExecutions", "Duration", "Errors", "Invocations", "Throttles"},
    "AWS/Firehose": {"DeliveryToS3.DataFreshness", "DeliveryToS3.Records", "IncomingRecords"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
    "AWS/States": {"ExecutionsFailed", "ExecutionsStarted"},
}
DIMENSIONS = {  # what AWS publishes those metrics under, and what of ours is meant
    "AWS/ApiGateway": {"ApiName": {"ApiName"}, "Stage": {"ApiStage"}},
    "AWS/Lambda": {
        "FunctionName": {
            *("PredictFunction", "ScoreFunction", "DriftFunction", "MeasureFunction"),
            "RetrainFunction",
        }
    },
    "AWS/Firehose": {"DeliveryStreamName": {"InferenceStream"}},
    "AWS/SQS": {"QueueName": {"FailureQueue"}},
    "AWS/States": {"StateMachineArn": {"ScoreMachine", "DriftMachine"}},
}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what they stand for."""


def long_form(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", long_form)


def read(path: str) -> dict[str, Any]:
    return dict(yaml.load((ROOT / path).read_text(), Loader))


MONITORING = read("infra/monitoring.yaml")
TEMPLATE = read("template.yaml")
RESOURCES: dict[str, Any] = MONITORING["Resources"]


def of_type(kind: str) -> dict[str, Any]:
    return {k: r["Properties"] for k, r in RESOURCES.items() if r["Type"] == kind}


def module(path: str) -> ModuleType:
    """Import a module of a function."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), ROOT / path)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@cache
def published() -> list[tuple[str, dict[str, str]]]:
    """Return the names of all our metrics, with the dimensions."""
    stack = "Stack"  # the name of the parameter that takes its place in monitoring
    return [
        (name, {"service": service, "stack": stack})
        for service, units in UNITS.items()
        for name in units
    ]


ALARMS = of_type("AWS::CloudWatch::Alarm")
DASHBOARDS = of_type("AWS::CloudWatch::Dashboard")


def single_metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an alarm looks at: its own metric, or those of its expression."""
    stats = [entry["MetricStat"] for entry in alarm.get("Metrics", ()) if "MetricStat" in entry]
    return [stat["Metric"] for stat in stats] or [alarm]


def widgets(dashboard: str) -> list[dict[str, Any]]:
    """Return a dashboard's widgets; `${Name}` stands where CloudFormation puts a value."""
    return list(json.loads(DASHBOARDS[dashboard]["DashboardBody"]["Fn::Sub"])["widgets"])


def series(dashboard: str) -> list[tuple[str, str, dict[str, str]]]:
    """Return the namespace, the name and the dimensions of each line that is drawn."""
    rows = [row for w in widgets(dashboard) for row in w["properties"].get("metrics", ())]
    found = []
    for namespace, name, *rest in rows:
        pairs = [part for part in rest if isinstance(part, str)]
        found.append((namespace, name, dict(itertools.batched(pairs, 2, strict=True))))
    return found


def check_metric(namespace: str, name: str, dimensions: dict[str, Any]) -> None:
    """Hold a metric against what AWS publishes, and against what our functions do."""
    if namespace == NAMESPACE:
        assert (name, dimensions) in published()
        return
    assert name in AWS_METRICS[namespace]
    assert set(dimensions) == set(DIMENSIONS[namespace])
    for key, meant in DIMENSIONS[namespace].items():
        assert dimensions[key] in meant


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_somebody_what_it_means(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["AlarmActions"] == [{"Ref": "Topic"}]
    assert alarm.get("ActionsEnabled", True)
    assert alarm["AlarmName"]["Fn::Sub"].startswith("${Stack}-")
    said = alarm["AlarmDescription"]
    assert len(said) <= 1024  # more is refused
    assert len(re.findall(r"\.(?: |$)", said)) >= 2, "what it means, and the way out"


@pytest.mark.parametrize("name", ALARMS)
def test_the_page_for_production_has_a_way_out_of_each_alarm(name: str) -> None:
    page = (ROOT / "infra/production.md").read_text()
    called = ALARMS[name]["AlarmName"]["Fn::Sub"].removeprefix("${Stack}-")
    assert f"| `{called}` |" in page


def test_what_the_texts_name_exists() -> None:
    said = " ".join(alarm["AlarmDescription"] for alarm in ALARMS.values())
    cli = (ROOT / "layers/evergreen/evergreen/cli").rglob("*.py")
    code = "".join(path.read_text() for path in cli)
    commands = re.findall(r'"evergreen (\w+) (\w+)"', said)
    assert {word for command in commands for word in command} >= {"models", "rollback", "release"}
    for _, verb in commands:
        assert re.search(rf'command\("{verb}"|def {verb}\(|name="{verb}"', code), verb
    parameters = set(re.findall(r"\b(?:Drift[A-Z]\w+|Score[A-Z]\w+)\b", said))
    named = TEMPLATE["Parameters"].keys() | TEMPLATE["Resources"].keys()
    assert parameters
    assert parameters <= named


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_no_data_means(name: str) -> None:
    absent = {"DriftOverdue", "NoModel"}  # these wait for something that must happen
    expected = "breaching" if name in absent else "notBreaching"
    assert ALARMS[name]["TreatMissingData"] == expected


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_looks_at_a_metric_that_exists(name: str) -> None:
    for metric in single_metrics(ALARMS[name]):
        values = {d["Name"]: d["Value"] for d in metric["Dimensions"]}
        plain = {k: v["Ref"] if isinstance(v, dict) else v for k, v in values.items()}
        check_metric(metric["Namespace"], metric["MetricName"], plain)


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_is_watched(metric: str) -> None:
    functions = {
        name
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    watched = {
        dimension["Value"]["Ref"]
        for alarm in ALARMS.values()
        for looked_at in single_metrics(alarm)
        if looked_at["MetricName"] == metric
        for dimension in looked_at["Dimensions"]
    }
    assert watched == functions


def test_an_expression_is_of_all_the_metrics_that_it_lists() -> None:
    entries = ALARMS["Throttles"]["Metrics"]
    (expression,) = [entry["Expression"] for entry in entries if "Expression" in entry]
    assert set(re.findall(r"FILL\((\w+), 0\)", expression)) == {
        entry["Id"] for entry in entries if "MetricStat" in entry
    }


def test_an_alarm_looks_back_no_further_than_cloudwatch_can() -> None:
    hours = TEMPLATE["Parameters"]["DriftOverdueHours"]["MaxValue"]
    for alarm in ALARMS.values():
        periods = alarm["EvaluationPeriods"]
        period = alarm.get("Period", 300)
        count = periods if isinstance(periods, int) else hours
        assert count * period <= (7 * 86_400 if period >= 3_600 else 86_400)


def test_cloudwatch_may_use_the_key_of_the_topic() -> None:
    assert RESOURCES["Topic"]["Properties"]["KmsMasterKeyId"] == {"Ref": "TopicKey"}
    statements = RESOURCES["TopicKey"]["Properties"]["KeyPolicy"]["Statement"]
    (alarms,) = [s for s in statements if s["Principal"].get("Service")]
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_template_gives_what_monitoring_takes() -> None:
    given = TEMPLATE["Resources"]["Monitoring"]["Properties"]["Parameters"]
    assert set(given) == set(MONITORING["Parameters"])
    text = (ROOT / "infra/monitoring.yaml").read_text()
    for name in MONITORING["Parameters"]:
        assert re.search(rf"!Ref {name}\b|\$\{{{name}\}}", text), f"{name} is not used"


def test_monitoring_waits_for_nothing_that_a_deployment_of_the_predictor_waits_for() -> None:
    # the alias waits for its alarms, and the API for the alias
    given = json.dumps(TEMPLATE["Resources"]["Monitoring"]["Properties"]["Parameters"])
    assert '"Api"' not in given
    assert "Alias" not in given


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_draws_metrics_that_exist(name: str) -> None:
    drawn = series(name)
    assert drawn
    for namespace, metric, dimensions in drawn:
        plain = {key: value.strip("${}") for key, value in dimensions.items()}
        check_metric(namespace, metric, plain)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_names_what_the_template_knows(name: str) -> None:
    named = set(re.findall(r"\$\{([\w:.]+)\}", DASHBOARDS[name]["DashboardBody"]["Fn::Sub"]))
    known = MONITORING["Parameters"].keys() | {"AWS::Region"} | {f"{a}.Arn" for a in ALARMS}
    assert named <= known


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_widget_lies_on_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets(name):
        columns = range(widget["x"], widget["x"] + widget["width"])
        rows = range(widget["y"], widget["y"] + widget["height"])
        assert columns.stop <= 24
        cells = set(itertools.product(columns, rows))
        assert not cells & taken
        taken |= cells


def test_the_dashboard_shows_every_alarm() -> None:
    (alarms,) = [w for w in widgets("Operations") if w["type"] == "alarm"]
    assert sorted(alarms["properties"]["alarms"]) == sorted(f"${{{name}.Arn}}" for name in ALARMS)


def test_every_metric_of_ours_is_shown() -> None:
    drawn = [
        (name, d) for board in DASHBOARDS for space, name, d in series(board) if space == NAMESPACE
    ]
    shown = [(name, {k: v.strip("${}") for k, v in d.items()}) for name, d in drawn]
    assert all(metric in shown for metric in published())


def test_the_costs_are_of_these_alarms_dashboards_and_metrics() -> None:
    cost = module("infra/cost.py")
    assert sum(len(single_metrics(alarm)) for alarm in ALARMS.values()) == cost.ALARM_METRICS
    assert len(DASHBOARDS) == cost.DASHBOARDS
    steady = (
        {"Predictions", "Latency", "ColdStarts"} | UNITS["drift"].keys() | UNITS["measure"].keys()
    )
    assert steady <= {name for name, _ in published()}
    assert len(steady) == cost.METRICS
