"""Everything that goes on at once while the system soaks, each thing in a loop of its own.

The loops are daemons: where the soak is interrupted, they end with it.
"""

import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from threading import Event, Thread
from typing import Any

import boto3
import httpx2 as httpx
from botocore.config import Config

from evergreen.customers.names import PREDICTION_ID
from evergreen.errors import ConflictError
from evergreen.jobs.files.upload import Upload
from evergreen.jobs.learning.stewardship import Stewardship
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket
from local.demo.doors import Doors, as_csv, expect
from local.demo.source import Generated, to_json
from local.demo.stack import REGION, Emulator
from tests.soak.ledger import Answered, Ledger, Put
from tests.soak.outcomes import CUSTOMER_ID, Filed, Told, table

BATCH = (50, 200)
"""The fewest and the most customers of a batch."""
FILE, BAD = 400, 4
"""The rows of an upload, and how many of them can't be scored."""
LABELLED = 300
TOLD, TOLD_FILE, UNREADABLE = (1, 40), 200, 3
"""The fewest and the most outcomes of a request, those of a file, and its rows that are none."""
REPEATED, LATE = 0.1, 0.2
"""The shares of requests that are sent twice, and of outcomes that are told long after they are
seen."""
_ANSWER, _END = 60.0, 180.0
"""Seconds that an answer may take, and that the loops have to come to their end."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Does one thing again and again."""

    name: str
    pause: float
    """Seconds between the end of one time and the begin of the next."""
    act: Callable[[], None]

    def run(self, stop: Event, ledger: Ledger) -> None:
        """Go on until it is told to stop; what fails is noted, and the loop goes on."""
        while not stop.wait(self.pause):
            started = time.perf_counter()
            try:
                self.act()
            except Exception as error:
                ledger.faults.append(f"{self.name}: {type(error).__name__}: {error}")
            ledger.seconds[self.name].append(time.perf_counter() - started)


class Load:
    """The loops, on one deployed stack that has two versions to swap."""

    def __init__(self, doors: Doors, source: Generated, versions: Iterable[str]) -> None:
        """Prepare, with clients of our own: boto3's default session is not for threads."""
        self.ledger = Ledger()
        self._doors, self._source = doors, source
        s3 = doors.emulator.client("s3")
        self._data = Bucket(s3, doors.stack.data_bucket)
        registry = Registry(Bucket(doors.emulator.client("s3"), doors.stack.model_bucket))
        self._steward = Stewardship(registry)
        self._versions = cycle(versions)
        self._lambda = _waiting(doors.emulator)
        frame, schema = source.ordinary(5_000, seed=100), source.schema
        self._customers = to_json(frame, schema)
        left = frame[schema.target] == schema.positive
        self._left = dict(zip(frame[CUSTOMER_ID], left.tolist(), strict=True))
        self._files = count()
        self._labelled = count()
        self._told = count()
        self._outcomes_told = set[Told]()
        self._random = random.Random(7)
        self._stop = Event()
        self.loops = [
            Loop("single", 0.2, self._asking(self._one)),
            Loop("batch", 1.0, self._asking(self._batch)),
            Loop("upload", 12, self._upload),
            Loop("outcomes", 1.0, self._asking(self._tell)),
            Loop("file of outcomes", 20, self._tell_by_file),
            Loop("swap", 5, self._swap),
            Loop("drift check", 10, self._check),
            Loop("labelled file", 60, self._label),
        ]
        self.ledger.seconds.update({loop.name: [] for loop in self.loops})
        self._threads = [
            Thread(target=loop.run, args=(self._stop, self.ledger), daemon=True)
            for loop in self.loops
        ]

    def start(self) -> None:
        """Let all loops run."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each loop end what it is at."""
        self._stop.set()
        deadline = time.monotonic() + _END
        for loop, thread in zip(self.loops, self._threads, strict=True):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.ledger.faults.append(f"{loop.name}: it did not come to its end")

    def _asking(self, ask: Callable[[httpx.Client], None]) -> Callable[[], None]:
        """Give a loop a connection of its own."""
        stack = self._doors.stack
        headers = {"x-api-key": stack.api_key}
        client = httpx.Client(headers=headers, timeout=_ANSWER)
        return lambda: ask(client)

    def _one(self, client: httpx.Client) -> None:
        customer = self._random.choice(self._customers)
        self._predict(client, "/predict", [customer], customer, lambda body: [body])

    def _batch(self, client: httpx.Client) -> None:
        first = self._random.randrange(len(self._customers) - max(BATCH))
        customers = self._customers[first : first + self._random.randint(*BATCH)]
        self._predict(
            client, "/predict/batch", customers, customers, lambda body: body["predictions"]
        )

    def _predict(
        self,
        client: httpx.Client,
        path: str,
        customers: Sequence[dict[str, Any]],
        body: object,
        read: Callable[[Any], list[dict[str, Any]]],
    ) -> None:
        asked = datetime.now(UTC)
        answer = client.post(self._doors.stack.api_url + path, json=body)
        answered = datetime.now(UTC)
        expect(answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}")
        predictions = read(answer.json())
        wanted = len(customers)
        expect(len(predictions) == wanted, f"{len(predictions)} answers for {wanted} customers")
        version, *others = {one["model_version"] for one in predictions}
        expect(not others, f"one request was answered by {version} and {others}")
        probabilities = {one["prediction_id"]: one["churn_probability"] for one in predictions}
        who = [customer[CUSTOMER_ID] for customer in customers]
        self.ledger.answered.append(Answered(asked, answered, version, probabilities, who))

    def _tell(self, client: httpx.Client) -> None:
        """Tell what became of some, now and then twice, as who has missed the answer does."""
        if not self.ledger.answered:
            return
        told = self._outcomes(self._random.randint(*TOLD))
        body = [one.sent() for one in told]
        for _ in range(2 if self._random.random() < REPEATED else 1):
            answer = client.post(f"{self._doors.stack.api_url}/outcomes", json=body)
            said = f"/outcomes: {answer.status_code} {answer.text[:300]}"
            expect(answer.status_code == 202, said)
            expect(answer.json() == {"accepted": len(told), "contradictions": []}, said)
        self.ledger.told += told

    def _tell_by_file(self) -> None:
        """Put a file under outcomes/; each third time another one of the same name right after."""
        if not self.ledger.answered:
            return
        number = next(self._told)
        self._put_outcomes(f"{keys.OUTCOMES}soak-{number}.csv")
        if number % 3 == 2:
            time.sleep(self._random.uniform(0, 1.5))
            self._put_outcomes(f"{keys.OUTCOMES}soak-{number}.csv")

    def _put_outcomes(self, key: str) -> None:
        told = self._outcomes(TOLD_FILE)
        self._data.put(key, table(told, UNREADABLE), "text/csv")
        upload = Upload.find(self._data, key)  # nobody else puts files of this name
        self.ledger.filed.append(Filed(upload, tuple(told), UNREADABLE))

    def _outcomes(self, wanted: int) -> list[Told]:
        """Tell the truth of past predictions, half by their ids and half by their customers.

        No two are the same, so that each can be found again.
        """
        now, told = datetime.now(UTC), list[Told]()
        while len(told) < wanted:
            one = self._random.choice(self.ledger.answered)
            pairs = [*zip(one.probabilities, one.customers, strict=True)]
            prediction, customer = self._random.choice(pairs)
            seen = now + timedelta(microseconds=len(told))
            if self._random.random() < LATE:
                seen = one.answered + (now - one.answered) * self._random.random()
            by_id = self._random.random() < 0.5
            by, who = (PREDICTION_ID, prediction) if by_id else (CUSTOMER_ID, customer)
            moment = seen.isoformat(timespec="microseconds")
            outcome = Told(by, who, self._left[customer], moment)
            if outcome not in self._outcomes_told:
                self._outcomes_told.add(outcome)
                told.append(outcome)
        return told

    def _upload(self) -> None:
        """Put a file under incoming/; each third time another one of the same name right after."""
        number = next(self._files)
        self._put_incoming(f"{keys.INCOMING}soak-{number}.csv", seed=1_000 + 2 * number)
        if number % 3 == 2:
            time.sleep(self._random.uniform(0, 1.5))
            self._put_incoming(f"{keys.INCOMING}soak-{number}.csv", seed=1_001 + 2 * number)

    def _put_incoming(self, key: str, seed: int) -> None:
        rows = self._source.ordinary(FILE, seed=seed).drop(columns=self._source.schema.target)
        bad = sorted(self._random.sample(range(FILE), BAD))
        rows.loc[rows.index[bad], self._source.schema.feature_names[0]] = "?"
        customers = rows["customer_id"].tolist()
        # line 1 is the header
        good = {row + 2: customers[row] for row in range(FILE) if row not in bad}
        self._data.put(key, as_csv(rows), "text/csv")
        upload = Upload.find(self._data, key)  # nobody else puts files of this name
        self.ledger.puts.append(Put(upload, good, tuple(customers[row] for row in bad)))

    def _swap(self) -> None:
        """Let the other version serve, as a person does; the older one by a rollback."""
        serving = self._steward.registry.pointer().version
        target = next(v for v in self._versions if v != serving)
        try:
            if target < serving:
                self._steward.roll_back("a soak goes back", target)
            else:
                self._steward.promote(target, "a soak goes on")
        except ConflictError as error:
            self.ledger.raced.append(str(error))

    def _check(self) -> None:
        answer = self._lambda.invoke(
            FunctionName=self._doors.stack.drift_function, Payload=json.dumps({}).encode()
        )
        report = json.loads(answer["Payload"].read())
        expect("FunctionError" not in answer, f"it failed: {report}")
        self.ledger.verdicts.append(report["verdict"])

    def _label(self) -> None:
        number = next(self._labelled)
        frame = self._source.ordinary(LABELLED, seed=9_000 + number)
        key = f"{keys.TRAINING}soak-{number}.csv"
        self._data.put(key, as_csv(frame), "text/csv")
        self.ledger.labelled.append(key)


def _waiting(emulator: Emulator) -> Any:
    """Make a client that waits for a function's end, and does not invoke it again meanwhile."""
    session = boto3.Session("test", "test", region_name=REGION)
    config = Config(read_timeout=900, retries={"total_max_attempts": 1})
    return session.client("lambda", endpoint_url=emulator.endpoint, config=config)
