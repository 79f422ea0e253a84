"""`evergreen log tail|replay`: the inference log from its end, and what it lacks."""

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evergreen.cli import logs as commands
from evergreen.jobs.steering import replaying
from evergreen.jobs.steering.replaying import replay
from evergreen.store import inference_log, keys
from evergreen.store.s3 import Bucket
from local.demo.stack import ROOT

from .commands import Predictor, Shell, ShellOn, kept, predictor, record, shell_on

__all__ = ["predictor", "shell_on"]

HOUR = timedelta(hours=1)


@pytest.fixture
def shell(shell_on: ShellOn, logs: Bucket) -> Shell:
    return shell_on(LogBucket=logs.name)


def in_the_log(logs: Bucket, since: datetime, until: datetime) -> list[str]:
    """Name the predictions that a reader of the log finds."""
    found = inference_log.arrivals(logs, since, until + HOUR)
    return sorted(str(record["prediction_id"]) for some in found for record in some)


NOW = datetime.now(UTC).replace(microsecond=0)


def test_the_predictor_writes_what_replay_looks_for() -> None:
    said = (ROOT / "functions/predict/wiring.py").read_text()
    assert 'UNDELIVERED, extra={"record": ' in said


def test_what_firehose_did_not_take_is_put_into_the_log_once(
    shell: Shell, logs: Bucket, predictor: Predictor
) -> None:
    times = [NOW - HOUR * back for back in (1, 1, 3)]
    predictor.writes((NOW - HOUR, "START RequestId: 1"), (NOW - HOUR, '{"message": "other"}'))
    predictor.keeps(*(record(number, at) for number, at in enumerate(times)))
    dry = shell.json("log", "replay", "--since", "6h", "--dry-run")
    assert (dry["found"], dry["written"], dry["dry_run"]) == (3, 3, True)
    assert not [*logs.list("")]
    told = shell.json("log", "replay", "--since", "6h")
    assert told == {**dry, "dry_run": False}
    assert [entry.key for entry in logs.list("")] == sorted(told["objects"])
    assert in_the_log(logs, NOW - 6 * HOUR, NOW) == ["p000", "p001", "p002"]
    before = {entry.key: entry.etag for entry in logs.list("")}
    again = shell.json("log", "replay", "--since", "6h")
    assert (again["found"], again["written"], again["present"]) == (3, 0, 3)
    assert {entry.key: entry.etag for entry in logs.list("")} == before


def test_windows_that_overlap_write_no_record_twice(
    shell: Shell, logs: Bucket, predictor: Predictor
) -> None:
    hour = NOW.replace(minute=0, second=0) - 2 * HOUR
    predictor.keeps(record(1, hour), record(2, hour + HOUR / 2))
    first = ("log", "replay", "--since", (hour + HOUR / 4).isoformat())
    assert "1 found: 1 written, 0 were there already" in shell(*first)
    assert "2 found: 1 written, 1 were there already" in shell("log", "replay", "--since", "6h")
    assert in_the_log(logs, NOW - 6 * HOUR, NOW) == ["p001", "p002"]


def test_a_replayed_record_is_the_one_that_was_kept(
    shell: Shell, logs: Bucket, predictor: Predictor
) -> None:
    predictor.keeps(record(1, NOW - HOUR))
    (key,) = shell.json("log", "replay", "--since", "6h")["objects"]
    assert key.startswith(keys.inference_hour(NOW - HOUR) + "replayed-")
    assert json.loads(gzip.decompress(logs.get(key)[0])) == record(1, NOW - HOUR)


def test_a_record_that_was_cut_off_is_told_and_the_others_are_saved(
    shell: Shell, logs: Bucket, predictor: Predictor
) -> None:
    whole = kept(record(1, NOW - HOUR))
    predictor.keeps(record(2, NOW - HOUR))
    predictor.writes((NOW - HOUR, whole[:100]), (NOW - HOUR, kept({"predicted_at": "noon"})))
    told = shell.json("log", "replay", "--since", "6h", code=1)
    assert (told["found"], told["written"], told["spoilt"]) == (1, 1, 2)
    assert "2 can't be read" in shell.error


def test_a_replay_that_is_interrupted_is_completed_by_the_next(
    logs: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "TOGETHER", 2)
    found = [json.dumps(record(number, NOW - HOUR)) for number in range(5)]

    def find(since: datetime, until: datetime) -> list[str | None]:
        return [*found]

    put, puts = Bucket.put, []

    def interrupted(bucket: Bucket, key: str, *more: Any) -> str:
        puts.append(key)
        if len(puts) == 2:
            raise KeyboardInterrupt
        return put(bucket, key, *more)

    monkeypatch.setattr(Bucket, "put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replay(logs, find, NOW - HOUR, NOW)
    told = replay(logs, find, NOW - HOUR, NOW)
    assert (told.found, told.present, told.written) == (5, 2, 3)
    assert in_the_log(logs, NOW - 2 * HOUR, NOW) == [f"p{number:03}" for number in range(5)]


@pytest.mark.parametrize("since", ["yesterday", "5x", "0m"])
def test_a_time_that_is_none_is_wrong_usage(shell: Shell, since: str) -> None:
    shell("log", "replay", "--since", since, code=2)


def test_a_log_group_that_is_not_there_is_told(shell: Shell, logs: Bucket) -> None:
    shell("log", "replay", "--since", "1h", code=1)
    assert len(shell.error.strip().splitlines()) == 1


def put(logs: Bucket, name: str, at: datetime, *numbers: int) -> None:
    lines = "".join(json.dumps(record(n, at + timedelta(seconds=n))) + "\n" for n in numbers)
    logs.put(f"{keys.inference_hour(at)}{name}", gzip.compress(lines.encode()))


def test_the_newest_predictions_are_told_the_latest_last(shell: Shell, logs: Bucket) -> None:
    put(logs, "b", NOW - HOUR, 3, 4)
    put(logs, "a", NOW - 5 * HOUR, 1, 2)
    said = shell("log", "tail", "-n", "3")
    assert [line.split()[1] for line in said.splitlines()] == ["p002", "p003", "p004"]
    assert "Zoë" not in said
    whole = [json.loads(line) for line in shell("log", "tail", "-n", "1", "--json").splitlines()]
    assert whole == [record(4, NOW - HOUR + timedelta(seconds=4))]


def test_an_empty_log_has_no_end(shell: Shell, logs: Bucket) -> None:
    assert shell("log", "tail") == ""


def test_what_comes_is_followed_until_ctrl_c(
    shell: Shell, logs: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    put(logs, "a", now, 1)
    waits = iter(range(3))

    def sleep(seconds: float) -> None:
        assert seconds == commands._PAUSE
        if next(waits) == 2:
            raise KeyboardInterrupt
        put(logs, "b", now, 2)

    monkeypatch.setattr(time, "sleep", sleep)
    said = shell("log", "tail", "--follow", code=130)
    assert [line.split()[1] for line in said.splitlines()] == ["p001", "p002"]
    assert shell.error == ""


def test_a_foreign_object_does_not_stop_it(shell: Shell, logs: Bucket) -> None:
    put(logs, "a", NOW - HOUR, 1)
    logs.put(f"{keys.inference_hour(NOW - HOUR)}b", b"no record\n")
    said = shell("log", "tail").splitlines()
    assert [line.split()[1] for line in said if line.endswith(" v 0.5")] == ["p001"]
