"""Give an empty LocalStack what the template would: buckets, a stream, customers, a first model.

Run with the environment of the functions: `python -m local.containers.setup`. What is there
already stays as it is.
"""

import io
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from evergreen.errors import NoModelError
from evergreen.jobs.learning.retraining import Retraining
from evergreen.settings import Settings
from evergreen.store import aws, keys
from evergreen.store.buckets import Buckets
from evergreen.store.s3 import Bucket
from local.demo.customers import customers

SCHEMA = Path(__file__).resolve().parents[1] / "schemas/customers.json"


def main() -> int:
    """Set up, and say what was made."""
    settings = Settings.read(os.environ)
    buckets = Buckets.of(settings)
    data, registry = buckets.data, buckets.registry
    for bucket in (data, registry.bucket, buckets.logs):
        bucket.s3.create_bucket(Bucket=bucket.name)
    make_stream(settings)
    try:
        print(f"the champion is {registry.pointer().version}")
    except NoModelError:
        put_customers(data)
        outcome = Retraining(data, registry, settings.retrain_cooldown).run(
            "upload", datetime.now(UTC)
        )
        print(f"{outcome.status}: {outcome.reason}")
        print(f"the champion is {registry.pointer().version}")
    return 0


def make_stream(settings: Settings) -> None:
    """Make the stream that carries the inference log into its bucket."""
    firehose = aws.client("firehose")
    with suppress(firehose.exceptions.ResourceInUseException):
        firehose.create_delivery_stream(
            DeliveryStreamName=settings.log_stream,
            ExtendedS3DestinationConfiguration={
                "RoleARN": "arn:aws:iam::000000000000:role/evergreen",
                "BucketARN": f"arn:aws:s3:::{settings.log_bucket}",
                "Prefix": keys.INFERENCE,
            },
        )


def put_customers(data: Bucket) -> None:
    """Put the files there that local/events names: labelled history, and customers to score."""
    history, upload = io.StringIO(), io.StringIO()
    customers(7_000, seed=1).to_csv(history, index=False)
    customers(500, seed=2).to_csv(upload, index=False)
    data.put(keys.TRAINING_SCHEMA, SCHEMA.read_bytes())
    data.put(f"{keys.INCOMING}customers.csv", upload.getvalue().encode(), "text/csv")
    data.put(f"{keys.TRAINING}history.csv", history.getvalue().encode(), "text/csv")


if __name__ == "__main__":
    sys.exit(main())
