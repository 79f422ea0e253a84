"""Whether S3, the functions' logs and the failure queue agree with the ledger, one to one."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from evergreen.errors import NotFoundError
from evergreen.jobs.files.summary import Summary
from evergreen.jobs.outcomes.intake import Received
from evergreen.store import inference_log, keys, metrics, outcomes
from evergreen.store.registry import Move, Registry
from evergreen.store.s3 import Bucket
from local.demo.doors import Doors, StoryError
from tests.soak.ledger import Answered, Ledger, Put
from tests.soak.outcomes import Filed, Told, judge, judge_measured

STALE = timedelta(seconds=3)
"""So long after another version was promoted the one before may be what answers. A predictor of the
local deployment looks at the pointer each second; a look that is not answered within another one
is given up, and the next is due a second later."""

_HOUR = timedelta(hours=1)

Records = Mapping[str, Sequence[Mapping[str, Any]]]
"""What the inference log holds, by prediction_id."""


@dataclass(slots=True)
class Log:
    """What a function has logged."""

    errors: list[str] = field(default_factory=list)
    """Invocations that failed, and whatever was logged as an error that nothing below is."""
    undelivered: list[str] = field(default_factory=list)
    """The ids of predictions that Firehose did not take, and that are kept here instead."""
    given_up: int = 0
    """How many looks at the pointer were not answered in time, so that the model served on."""

    def read(self, line: str) -> None:
        """Take in one line."""
        failed = line.startswith("REPORT ") and "\tStatus: " in line
        if failed or line.startswith("[ERROR]"):
            self.errors.append(line)
        if not line.startswith("{"):
            return
        entry = json.loads(line)
        message = str(entry.get("message"))
        if message == metrics.UNDELIVERED:
            self.undelivered.append(json.loads(entry["record"])["prediction_id"])
        elif message.startswith("the pointer could not be read"):
            self.given_up += 1
        elif entry.get("level") in ("ERROR", "CRITICAL"):
            self.errors.append(line)


class Reigns:
    """Who served from when to when."""

    def __init__(self, moves: Iterable[Move]) -> None:
        """Read the moves of the pointer, in any order."""
        begins = sorted((datetime.fromisoformat(move.moved_at), move.version) for move in moves)
        ends = [*begins, (datetime.max.replace(tzinfo=UTC), "")]
        self._reigns = [(version, start, end) for (start, version), (end, _) in pairwise(ends)]

    def staleness(self, version: str, begin: datetime, end: datetime) -> timedelta | None:
        """How long before `begin` a version served last; None if it had not served until `end`."""
        ends = [last for name, first, last in self._reigns if name == version and first <= end]
        return max(timedelta(), begin - max(ends)) if ends else None


@dataclass(slots=True)
class Books:
    """The evidence, as it was last read."""

    doors: Doors
    since: datetime
    records: Records = field(default_factory=dict)
    logs: dict[str, Log] = field(default_factory=dict)
    """By function."""
    stalest: timedelta = timedelta()
    """How long at most a version answered that served no more."""
    told: Sequence[Told] = ()
    """The outcomes in S3."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    """What a measurement at the end counts of outcomes."""

    def read(self) -> None:
        """Read the inference log, the outcomes and what the functions have logged."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        until = datetime.now(UTC) + _HOUR
        for arrived in inference_log.arrivals(self._bucket("log"), self.since - _HOUR, until):
            for record in arrived:
                found.setdefault(record["prediction_id"], []).append(record)
        self.records = found
        kept = outcomes.read(self._bucket("log"), self.since - _HOUR, until)
        self.told = [Told.of(outcome) for some in kept for outcome in some]
        for function in ("predict", "score", "drift", "retrain", "measure"):
            self.logs[function] = log = Log()
            for message in self._messages(getattr(self.doors.stack, f"{function}_function")):
                for line in message.splitlines():
                    log.read(line)

    @property
    def uncertain(self) -> int:
        """How many predictions are in the function's log though Firehose had taken them."""
        return len(self.records.keys() & set(self.logs["predict"].undelivered))

    def complete(self, ledger: Ledger) -> bool:
        """Whether answers have records and files were dealt with: maybe not all is well."""
        there = self.records.keys() | set(self.logs["predict"].undelivered)
        return (
            all(one.probabilities.keys() <= there for one in ledger.answered)
            and all(self._is_scored(put) for put in ledger.winners)
            and all(self._is_taken(file) for file in ledger.last_filed)
        )

    def faults(self, ledger: Ledger) -> Iterator[str]:
        """Tell all that is wrong."""
        for function, log in self.logs.items():
            yield from (f"{function}: {error}" for error in log.errors)
        yield from self._queued()
        yield from self._judge_records(ledger)
        reigns = Reigns(Registry(self._bucket("model")).history())
        for one in ledger.answered:
            yield from self._judge_version(one, reigns)
        for put in ledger.winners:
            yield from self._judge_upload(put)
        yield from judge(ledger.outcomes, self.told)
        for file in ledger.last_filed:
            yield from self._judge_file(file)
        yield from self._judge_measurement(ledger)

    def _judge_records(self, ledger: Ledger) -> Iterator[str]:
        """Hold answers and records against each other.

        Firehose may have taken what it did not say in time that it took. So a record may be in S3
        and in the function's log as well, but twice in neither.
        """
        kept, known = Counter(self.logs["predict"].undelivered), set[str]()
        wrong: dict[str, list[str]] = {}
        for one in ledger.answered:
            known.update(one.probabilities)
            for name, probability in one.probabilities.items():
                records = self.records.get(name, ())
                if not records and not kept[name]:
                    wrong.setdefault("answered and never logged", []).append(name)
                if len(records) > 1 or kept[name] > 1:
                    wrong.setdefault("answered once and logged twice", []).append(name)
                said = [(r["model_version"], r["churn_probability"]) for r in records]
                if any(each != (one.version, probability) for each in said):
                    wrong.setdefault("logged otherwise than answered", []).append(name)
        for put in ledger.puts:  # also those that were written over
            known.update(put.record_ids)
            twice = [name for name in put.record_ids if len(self.records.get(name, ())) > 1]
            if twice:
                wrong.setdefault("uploaded once and logged twice", []).extend(twice)
        if strangers := [*(self.records.keys() - known)]:
            wrong["logged, and neither answered nor uploaded"] = strangers
        for how, names in wrong.items():
            yield f"{len(names):,} predictions were {how}, such as {names[0]}"

    def _judge_version(self, one: Answered, reigns: Reigns) -> Iterator[str]:
        stale = reigns.staleness(one.version, one.asked, one.answered)
        if stale is None:
            yield f"{one.version} answered at {one.answered} before it served"
            return
        self.stalest = max(self.stalest, stale)
        if stale > STALE:
            late = f"{stale.total_seconds():.1f} s after it had ceased to serve"
            yield f"{one.version} answered what was asked at {one.asked}, {late}"

    def _judge_upload(self, put: Put) -> Iterator[str]:
        """Tell what is wrong with the results of the last upload of a name."""
        key, data = put.upload.key, self._bucket("data")
        summary = self._summary(put)
        if summary is None:
            yield f"{key} was not scored in its last version"
            return
        if (summary.scored, summary.rejected) != (len(put.good), len(put.bad)):
            yield f"{key}: {summary.scored} scored, {summary.rejected} rejected"
        for where, customers in (
            (keys.scored(key), put.good.values()),
            (keys.rejected(key), put.bad),
        ):
            if _customers(data, where) != Counter(customers):
                yield f"{where} does not hold each of {len(customers)} rows once"
        versions = [r["model_version"] for n in put.record_ids for r in self.records.get(n, ())]
        if versions != [summary.model_version] * len(put.good):
            yield f"{key}: {len(versions)} records for {len(put.good)} rows, or of other versions"

    def _judge_file(self, file: Filed) -> Iterator[str]:
        """Tell what is wrong with how the last file of outcomes of a name was taken in."""
        received = self._received(file)
        if received is None:
            yield f"{file.upload.key} was not taken in in its last version"
        elif (received.accepted, received.rejected) != (len(file.told), file.bad):
            counts = f"{received.accepted} accepted, {received.rejected} rejected"
            yield f"{file.upload.key} was {received.status}: {counts}"

    def _judge_measurement(self, ledger: Ledger) -> Iterator[str]:
        """Measure, and tell what is wrong with what is counted.

        It comes last: customers whose outcome is known are a file under training/ by then.
        """

        def measure() -> Mapping[str, Any] | None:
            found = self.doors.measure()
            return found["outcomes"] if found["status"] == "measured" else None

        try:
            self.measured = self.doors.until(measure, "a measurement")
        except StoryError as error:
            yield str(error)
            return
        unlogged = {
            name: customer
            for one in ledger.answered
            for name, customer in zip(one.probabilities, one.customers, strict=True)
            if name not in self.records
        }
        yield from judge_measured(ledger.outcomes, self.measured, unlogged)

    def _received(self, file: Filed) -> Received | None:
        """What is told of exactly this file of outcomes."""
        try:
            content, _ = self._bucket("data").get(keys.outcomes_summary(file.upload.key))
        except NotFoundError:
            return None
        received = Received.parse(content)
        return received if received.upload == file.upload.version else None

    def _is_taken(self, file: Filed) -> bool:
        received = self._received(file)
        return received is not None and received.status != "reading"

    def _summary(self, put: Put) -> Summary | None:
        """The summary of exactly this upload."""
        try:
            content, _ = self._bucket("data").get(keys.score_summary(put.upload.key))
        except NotFoundError:
            return None
        summary = Summary.parse(content)
        return summary if summary.upload == put.upload.version else None

    def _is_scored(self, put: Put) -> bool:
        summary = self._summary(put)
        return summary is not None and summary.final

    def _queued(self) -> Iterator[str]:
        """Tell what no retry could handle."""
        sqs = self.doors.emulator.client("sqs")
        while messages := sqs.receive_message(
            QueueUrl=self.doors.stack.failure_queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=600,
        ).get("Messages"):
            yield from (f"in the failure queue: {message['Body']}" for message in messages)

    def _messages(self, function: str) -> Iterator[str]:
        logs = self.doors.emulator.client("logs")
        pages = logs.get_paginator("filter_log_events")
        try:
            # the emulator does not know of LoggingConfig
            for page in pages.paginate(logGroupName=f"/aws/lambda/{function}"):
                yield from (event["message"] for event in page["events"])
        except logs.exceptions.ResourceNotFoundException:
            return  # it was never invoked

    def _bucket(self, name: str) -> Bucket:
        client = self.doors.emulator.client("s3")
        return Bucket(client, getattr(self.doors.stack, f"{name}_bucket"))


def _customers(data: Bucket, key: str) -> Counter[str]:
    try:
        text = data.get(key)[0].decode()
    except NotFoundError:
        return Counter()
    return Counter(row["customer_id"] for row in csv.DictReader(io.StringIO(text)))
