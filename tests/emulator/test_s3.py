"""S3 as Evergreen leans on it: the keys in its events, and writes that depend on what is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from evergreen.errors import ConflictError, NotFoundError
from evergreen.store import ranges, s3
from evergreen.store.s3 import Bucket

from .conftest import Emulator, eventually

CSV = "text/csv"
LARGE = b"0123456789abcdef" * (ranges.SMALLEST_PART // 8)  # two parts, or a part to copy


@pytest.fixture
def store(emulator: Emulator, request: pytest.FixtureRequest) -> Bucket:
    client = emulator.client("s3")
    name = request.node.name.partition("[")[0].replace("_", "-")[:60].strip("-")
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return Bucket(client, name)


@pytest.fixture
def events(emulator: Emulator, store: Bucket) -> Any:
    """Return what the event bus hears of the bucket, one event at a time."""
    sqs, bus = emulator.client("sqs"), emulator.client("events")
    url = sqs.create_queue(QueueName="of-the-bucket")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [store.name]}}}
    bus.put_rule(Name="of-the-bucket", EventPattern=json.dumps(pattern))
    bus.put_targets(Rule="of-the-bucket", Targets=[{"Id": "1", "Arn": arn["QueueArn"]}])
    store.s3.put_bucket_notification_configuration(
        Bucket=store.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )

    def receive() -> Any:
        (message,) = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    return receive


def test_the_event_bus_hears_of_an_object_by_its_own_key(store: Bucket, events: Any) -> None:
    key = "incoming/May report (1) 100%25 ü+b.csv"
    store.put(key, b"a\n1\n")
    created = events()
    assert (created["detail-type"], created["detail"]["object"]["key"]) == ("Object Created", key)
    store.delete(key)
    deleted = events()
    assert (deleted["detail-type"], deleted["detail"]["object"]["key"]) == ("Object Deleted", key)


def test_an_object_is_removed_if_it_is_still_what_it_was(store: Bucket) -> None:
    first = store.put("a", b"first")
    theirs = store.put("a", b"theirs")
    with pytest.raises(ConflictError):
        store.delete_if("a", first)
    assert store.get("a") == (b"theirs", theirs)
    store.delete_if("a", theirs)
    with pytest.raises(NotFoundError):
        store.get("a")
    store.delete_if("a", theirs)


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
def test_files_are_written_where_nobody_was_faster(
    store: Bucket, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_AT_ONCE", ranges.SMALLEST_PART)
    monkeypatch.setattr(s3, "_PART", ranges.SMALLEST_PART)
    file = tmp_path / "file"
    file.write_bytes(content)
    key = f"a/{len(content)}"
    first = store.upload_if(key, file, CSV, None)
    second = store.upload_if(key, file, CSV, first)
    assert store.get(key) == (content, second)
    theirs = store.put(key, b"theirs")
    for etag in (None, first):
        with pytest.raises(ConflictError):
            store.upload_if(key, file, CSV, etag)
    assert store.get(key) == (b"theirs", theirs)
    store.delete(key)
    with pytest.raises(ConflictError):
        store.upload_if(key, file, CSV, theirs)
    store.upload_if(key, file, CSV, None)
    assert store.get(key)[0] == content
    assert not store.s3.list_multipart_uploads(Bucket=store.name).get("Uploads")


def test_pieces_are_put_together_where_nobody_was_faster(store: Bucket) -> None:
    pieces = {"header": b"x\n", "0 ü+": LARGE, "1": b"small", "2": b"", "3": LARGE + b"!", "4": b""}
    for key, content in pieces.items():
        store.put(key, content)
    first = store.concatenate("whole", list(pieces), CSV, None)
    assert store.get("whole") == (b"".join(pieces.values()), first)
    second = store.concatenate("whole", ["header", "0 ü+"], CSV, first)
    for etag in (None, first):
        with pytest.raises(ConflictError):
            store.concatenate("whole", list(pieces), CSV, etag)
    assert store.get("whole") == (b"x\n" + LARGE, second)
    assert not store.s3.list_multipart_uploads(Bucket=store.name).get("Uploads")
