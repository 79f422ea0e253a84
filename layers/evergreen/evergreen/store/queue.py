"""A queue as somebody sees it who takes nothing from it."""

from evergreen.store import aws


def depth(url: str) -> int:
    """Say about how many messages wait."""
    answer = aws.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])
