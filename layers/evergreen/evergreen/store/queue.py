"""A queue as somebody sees it who takes nothing from it."""

import boto3


def depth(url: str) -> int:
    """Say about how many messages wait."""
    answer = boto3.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])
