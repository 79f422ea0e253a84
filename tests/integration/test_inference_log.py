import gzip
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import orjson
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from evergreen.store import inference_log, keys
from evergreen.store.inference_log import Record, Shipper
from evergreen.store.s3 import Bucket

NOW = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)


def record(number: int, at: datetime = NOW, size: int = 0) -> Record:
    return {
        "prediction_id": str(number),
        "predicted_at": at.isoformat(),
        "model_version": "v",
        "churn_probability": 0.5,
        "customer": {"note": "x" * size},
    }


class FakeFirehose:
    """Takes what it likes of each call, and remembers it."""

    def __init__(self, taken: Sequence[int | Exception]) -> None:
        self.plan = list(taken)
        self.lines: list[bytes] = []
        self.calls: list[int] = []

    def put_record_batch(self, DeliveryStreamName: str, Records: list[Any]) -> dict[str, Any]:
        plan = self.plan.pop(0) if self.plan else len(Records)
        self.calls.append(len(Records))
        if isinstance(plan, Exception):
            raise plan
        self.lines += [line for r in Records[:plan] for line in r["Data"].splitlines(True)]
        responses = [{"RecordId": "1"}] * len(Records[:plan])
        responses += [{"ErrorCode": "ServiceUnavailableException"}] * len(Records[plan:])
        return {"FailedPutCount": len(Records[plan:]), "RequestResponses": responses}


def ship(firehose: FakeFirehose, records: list[Record], patience: float = 60) -> list[bytes]:
    """Ship records and return those that were not delivered."""
    undelivered: list[bytes] = []
    shipper = Shipper(firehose, "s", undelivered.extend, patience, pause=0)  # type: ignore[arg-type]
    shipper.ship(records)
    return undelivered


AWAY = EndpointConnectionError(endpoint_url="firehose")
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "PutRecordBatch")


def test_a_stream_takes_each_record_as_one_line(logs: Bucket) -> None:
    iam = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    boto3.client("firehose").create_delivery_stream(
        DeliveryStreamName="s",
        ExtendedS3DestinationConfiguration={
            "RoleARN": iam["Role"]["Arn"],
            "BucketARN": f"arn:aws:s3:::{logs.name}",
            "Prefix": keys.INFERENCE,
        },
    )
    records = [record(1), record(2)]
    Shipper(inference_log.client(), "s", lambda lines: pytest.fail(str(lines))).ship(records)
    (entry,) = logs.list(keys.INFERENCE)
    assert [orjson.loads(line) for line in logs.get(entry.key)[0].splitlines()] == records


def test_what_is_shipped_together_is_one_record_as_far_as_that_may_go() -> None:
    firehose = FakeFirehose([])
    assert ship(firehose, [record(n) for n in range(1_201)]) == []
    assert firehose.calls == [1]
    assert len(firehose.lines) == 1_201
    wide = FakeFirehose([])
    ship(wide, [record(n, size=900_000) for n in range(9)])
    assert wide.calls == [4, 4, 1]
    nothing = FakeFirehose([])
    ship(nothing, [])
    assert nothing.calls == []


def test_records_that_were_refused_are_sent_once_more() -> None:
    firehose = FakeFirehose([1])
    assert ship(firehose, [record(n, size=900_000) for n in range(3)]) == []
    assert firehose.calls == [3, 2]


@pytest.mark.parametrize("fault", [AWAY, THROTTLED])
def test_where_firehose_is_down_every_record_is_handed_on(fault: Exception) -> None:
    undelivered = ship(FakeFirehose([fault, fault]), [record(n) for n in range(3)])
    assert [orjson.loads(line)["prediction_id"] for line in undelivered] == ["0", "1", "2"]


@given(
    st.lists(st.sampled_from([0, 1, 20_000, 500_000, 1_100_000]), max_size=30),
    st.lists(st.one_of(st.integers(0, 4), st.sampled_from([AWAY, THROTTLED])), max_size=8),
    st.sampled_from([0.0, 0.001, 60.0]),
)
def test_every_record_ends_in_one_place(
    sizes: list[int], plan: list[int | Exception], patience: float
) -> None:
    firehose = FakeFirehose(plan)
    undelivered = ship(firehose, [record(n, size=s) for n, s in enumerate(sizes)], patience)
    count = len(sizes)
    ended = Counter(orjson.loads(line)["prediction_id"] for line in [*firehose.lines, *undelivered])
    assert ended == Counter(str(n) for n in range(count))


SEAM = '},{"prediction_id":'
"""What is between two records while they are one list."""
TRICKY = st.text('{}[],:"\\ \nprediction_id', max_size=30) | st.lists(
    st.sampled_from([SEAM, SEAM[:3], SEAM[3:], "\\", '"', "x"]), max_size=6
).map("".join)


@given(st.lists(st.dictionaries(TRICKY, TRICKY | st.none() | st.floats(0, 1), max_size=3)))
def test_whatever_customers_hold_each_record_is_a_line(customers: list[dict[str, Any]]) -> None:
    records = [record(n) | {"customer": customer} for n, customer in enumerate(customers)]
    firehose = FakeFirehose([])
    assert ship(firehose, records) == []
    assert [orjson.loads(line) for line in firehose.lines] == records
    assert all(line.endswith(b"}\n") for line in firehose.lines)


def test_a_record_beyond_the_limit_is_handed_on_alone() -> None:
    firehose = FakeFirehose([])
    (line,) = ship(firehose, [record(0), record(1, size=1_024_000), record(2)])
    assert orjson.loads(line)["prediction_id"] == "1"
    assert [orjson.loads(line)["prediction_id"] for line in firehose.lines] == ["0", "2"]


def test_a_record_at_the_limit_is_sent() -> None:
    room = 1_024_000 - len(orjson.dumps(record(0)) + b"\n")
    firehose = FakeFirehose([])
    assert ship(firehose, [record(0, size=room)]) == []
    assert [len(line) for line in firehose.lines] == [1_024_000]
    assert len(ship(FakeFirehose([]), [record(0, size=room + 1)])) == 1


class SlowFirehose(FakeFirehose):
    """Takes two seconds for each call, of a clock of its own."""

    now = 0.0

    def put_record_batch(self, **call: Any) -> dict[str, Any]:
        self.now += 2
        return super().put_record_batch(**call)


@pytest.mark.parametrize(("first", "delivered"), [(4, 4), (2, 2), (AWAY, 0)])
def test_when_its_time_is_over_no_other_call_is_begun(
    first: int | Exception, delivered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    firehose = SlowFirehose([first])
    monkeypatch.setattr(inference_log, "time", SimpleNamespace(monotonic=lambda: firehose.now))
    undelivered = ship(firehose, [record(n, size=900_000) for n in range(9)], patience=2)
    assert firehose.calls == [4]
    assert (len(firehose.lines), len(undelivered)) == (delivered, 9 - delivered)


def test_why_firehose_took_nothing_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    ship(FakeFirehose([AWAY, THROTTLED]), [record(1)])
    assert [r.levelno for r in caplog.records] == [logging.WARNING] * 2
    assert "ThrottlingException" in caplog.text


def put(logs: Bucket, at: datetime, content: bytes, name: str = "o") -> None:
    logs.put(f"{keys.inference_hour(at)}{name}", content, "application/octet-stream")


def lines(*records: Record) -> bytes:
    return b"".join(orjson.dumps(r) + b"\n" for r in records)


def read(logs: Bucket, hours: float = 24) -> list[str]:
    window = timedelta(hours=hours)
    found = inference_log.read(logs, window, NOW)
    return sorted(r["prediction_id"] for records in found for r in records)


def test_objects_are_read_compressed_or_not(logs: Bucket) -> None:
    put(logs, NOW, lines(record(1), record(2)))
    put(logs, NOW, gzip.compress(lines(record(3))), "o.gz")
    assert read(logs) == ["1", "2", "3"]


def test_only_the_window_is_read(logs: Bucket) -> None:
    for number, hours in enumerate((0, 1.9, 2.1, 30)):
        at = NOW - timedelta(hours=hours)
        put(logs, at, lines(record(number, at)), f"{number}")
    assert read(logs, hours=2) == ["0", "1"]
    assert read(logs, hours=24) == ["0", "1", "2"]


def test_a_record_that_arrived_late_counts_by_when_it_was_predicted(logs: Bucket) -> None:
    put(logs, NOW, lines(record(1, NOW - timedelta(hours=3)), record(2)))
    assert read(logs, hours=2) == ["2"]


def test_an_object_is_named_by_the_hour_in_which_its_first_record_arrived(logs: Bucket) -> None:
    first = record(1, NOW - timedelta(hours=1, minutes=31))
    put(logs, NOW - timedelta(hours=2), lines(first, record(2, NOW - timedelta(minutes=59))))
    assert read(logs, hours=1) == ["2"]


@pytest.mark.parametrize("text", ["2026-01-02T03:30:00Z", "2026-01-02T05:30:00+02:00"])
def test_a_time_may_be_written_in_any_zone(logs: Bucket, text: str) -> None:
    put(logs, NOW, lines(record(1) | {"predicted_at": text}))
    assert read(logs, hours=1) == ["1"]


def test_what_arrived_is_read_hour_by_hour_over_the_end_of_a_day(logs: Bucket) -> None:
    hours = [NOW.replace(minute=5) - timedelta(hours=n) for n in range(30)]
    for number, hour in enumerate(hours):
        put(logs, hour, lines(record(number)))
    found = inference_log.arrivals(logs, hours[27], hours[2])
    assert [int(r["prediction_id"]) for records in found for r in records] == [*range(27, 2, -1)]


def test_a_line_that_was_cut_short_is_told_and_costs_no_other(
    logs: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    put(logs, NOW, lines(record(1)) + b'{"prediction_id": "2", "predi\n[]\n' + lines(record(3)))
    with caplog.at_level(logging.WARNING):
        assert read(logs) == ["1", "3"]
    assert len(caplog.records) == 2


def test_many_small_objects_are_all_read(logs: Bucket) -> None:
    for number in range(50):
        put(logs, NOW, lines(record(number)), f"{number:03}")
    assert len(read(logs)) == 50
