"""Somebody is told: from a fault in the deployed template to the message on the topic.

LocalStack looks at an alarm when it is put, and then once in its periods, which may be an hour. So
each is put again, as it is, once its fault is there. It keeps no metrics of API Gateway, Firehose
and Step Functions, nor those in a function's log; there a number takes the fault's place. What it
can't work out at all is set by hand, which only proves whom it tells.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from local.demo.stack import STACK

from .conftest import Deployed

PUT = (
    *("AlarmName", "AlarmDescription", "ActionsEnabled", "AlarmActions", "MetricName", "Namespace"),
    *("Statistic", "Dimensions", "Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold"),
    *("ComparisonOperator", "TreatMissingData"),
)
WITHOUT_METRICS = (
    *("api-errors", "delivery-late", "undelivered-records", "score-machine-failed"),
    *(
        "labels-wanted",
        "sources-set-aside",
        "sources-refused",
        "promotions-wanted",
        "predict-errors",
        "measure-errors",
        "performance-decayed",
    ),
)
BY_HAND = ("predict-slow", "throttles", "no-model")
PROVED = ("score-errors", "failure-queue", "drift-errors", "drift-overdue", "retrain-errors")


@dataclass(frozen=True)
class Told:
    """The alarms, and what comes out of their topic."""

    deployed: Deployed
    topic: str
    queue: str

    def client(self, service: str) -> Any:
        return self.deployed.emulator.client(service)

    def alarms(self) -> dict[str, dict[str, Any]]:
        found = self.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{STACK}-")
        return {a["AlarmName"].removeprefix(f"{STACK}-"): a for a in found["MetricAlarms"]}

    def measure(self, name: str, value: float) -> None:
        """Put a number where an alarm looks."""
        alarm = self.alarms()[name]
        datum = {
            "MetricName": alarm["MetricName"],
            "Dimensions": alarm["Dimensions"],
            "Timestamp": datetime.now(UTC),
            "Value": value,
        }
        self.client("cloudwatch").put_metric_data(Namespace=alarm["Namespace"], MetricData=[datum])

    def look(self, name: str, **changed: Any) -> None:
        """Let the emulator look at an alarm now."""
        alarm = self.alarms()[name]
        kept = {key: alarm[key] for key in PUT if key in alarm}
        self.client("cloudwatch").put_metric_alarm(**kept | changed)

    def reach(self, name: str, state: str, seconds: float = 30, **changed: Any) -> None:
        """Let the emulator look at an alarm again and again, until it is in a state."""
        deadline = time.monotonic() + seconds
        while self.alarms()[name]["StateValue"] != state:
            assert time.monotonic() < deadline, f"{name} is {self.alarms()[name]}, not {state}"
            self.look(name, **changed)
            time.sleep(1)

    def message(self, name: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for the message that an alarm sends."""
        sqs = self.client("sqs")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = sqs.receive_message(
                QueueUrl=self.queue, WaitTimeSeconds=2, MaxNumberOfMessages=10
            )
            for received in answer.get("Messages", ()):
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=received["ReceiptHandle"])
                told: dict[str, Any] = json.loads(json.loads(received["Body"])["Message"])
                if told["AlarmName"] == f"{STACK}-{name}" and told["NewStateValue"] == "ALARM":
                    return told
        pytest.fail(f"{name} told nobody: {self.alarms()[name]}")

    def fired(self, name: str, seconds: float = 30) -> None:
        """Assert that a fault that is there gets through, with the text that helps."""
        self.reach(name, "ALARM", seconds)
        assert self.message(name)["AlarmDescription"] == self.alarms()[name]["AlarmDescription"]


@pytest.fixture(scope="module")
def told_topic(deployed: Deployed) -> Iterator[Told]:
    """A queue that is subscribed to the topic, as a person would be by e-mail."""
    (stack,) = deployed.emulator.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    topic = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}["AlarmTopic"]
    sqs, sns = deployed.emulator.client("sqs"), deployed.emulator.client("sns")
    queue = sqs.create_queue(QueueName="somebody")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"], ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    yield Told(deployed, topic, queue)
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)


@pytest.fixture
def calm(told_topic: Told) -> Callable[[str], None]:
    """Bring an alarm into OK, whatever happened before, so that its next word is news."""

    def bring(name: str) -> None:
        told_topic.client("cloudwatch").set_alarm_state(
            AlarmName=f"{STACK}-{name}", StateValue="OK", StateReason="before the fault"
        )

    return bring


Calm = Callable[[str], None]


def test_every_alarm_is_deployed_and_tells_the_encrypted_topic(told_topic: Told) -> None:
    alarms = told_topic.alarms()
    assert sorted(alarms) == sorted((*WITHOUT_METRICS, *BY_HAND, *PROVED))
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == [told_topic.topic]
        assert alarm["ActionsEnabled"]
    sns = told_topic.client("sns")
    topic = sns.get_topic_attributes(TopicArn=told_topic.topic)["Attributes"]
    key = told_topic.client("kms").describe_key(KeyId=topic["KmsMasterKeyId"])["KeyMetadata"]
    assert key["KeyManager"] == "CUSTOMER"  # CloudWatch may not use the one of AWS


def test_without_an_address_nobody_is_subscribed(told_topic: Told) -> None:
    sns = told_topic.client("sns")
    listed = sns.list_subscriptions_by_topic(TopicArn=told_topic.topic)["Subscriptions"]
    assert [entry["Protocol"] for entry in listed] == ["sqs"]


def test_an_upload_that_crashes_its_function_is_told_twice(told_topic: Told, calm: Calm) -> None:
    calm("score-errors")
    calm("failure-queue")
    deployed = told_topic.deployed
    queue = deployed.outputs.failure_queue_url
    deployed.emulator.client("lambda").invoke(
        FunctionName=deployed.outputs.score_function,
        InvocationType="Event",
        Payload=json.dumps({"detail": "poison"}).encode(),
    )
    told_topic.fired("score-errors", seconds=60)
    told_topic.fired("failure-queue", seconds=150)  # queues are counted once a minute
    told_topic.client("sqs").purge_queue(QueueUrl=queue)


@pytest.mark.parametrize(
    ("function", "poison"),
    [("drift", {"time": "poison"}), ("retrain", {"detail-type": ["poison"]})],
)
def test_a_run_that_crashes_is_told(
    told_topic: Told, calm: Calm, function: str, poison: dict[str, Any]
) -> None:
    calm(f"{function}-errors")
    name = getattr(told_topic.deployed.outputs, f"{function}_function")
    answer = told_topic.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps(poison).encode()
    )
    assert "FunctionError" in answer
    told_topic.fired(f"{function}-errors")


def test_a_drift_check_that_does_not_come_is_told(told_topic: Told) -> None:
    told_topic.deployed.invoke("drift", {})
    told_topic.reach("drift-overdue", "OK")
    hourly = told_topic.alarms()["drift-overdue"]
    told_topic.look("drift-overdue", Period=10)  # in place of an hour; the check is not repeated
    try:
        overdue = told_topic.message("drift-overdue", seconds=120)
        assert "no datapoints" in overdue["NewStateReason"]
    finally:
        told_topic.look("drift-overdue", Period=hourly["Period"])


@pytest.mark.parametrize("name", WITHOUT_METRICS)
def test_a_number_over_the_threshold_is_told(told_topic: Told, calm: Calm, name: str) -> None:
    calm(name)
    threshold = told_topic.alarms()[name]["Threshold"]
    told_topic.measure(name, threshold)
    told_topic.look(name)
    time.sleep(1)
    assert told_topic.alarms()[name]["StateValue"] == "OK"
    told_topic.measure(name, threshold + 1)
    told_topic.fired(name)


@pytest.mark.parametrize("name", BY_HAND)
def test_what_is_set_by_hand_is_told(told_topic: Told, calm: Calm, name: str) -> None:
    calm(name)
    told_topic.client("cloudwatch").set_alarm_state(
        AlarmName=f"{STACK}-{name}", StateValue="ALARM", StateReason="set by hand"
    )
    assert told_topic.message(name)["NewStateReason"] == "set by hand"
