"""Outcomes in the buckets: kept, read back, and taken in from files of all kinds."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from evergreen.customers.outcomes import Reader
from evergreen.customers.schema import Schema
from evergreen.errors import NotFoundError
from evergreen.jobs.files.upload import Upload
from evergreen.jobs.outcomes import intake as jobs
from evergreen.jobs.outcomes import rows as outcome_rows
from evergreen.jobs.outcomes.intake import Received, take_in
from evergreen.store import keys
from evergreen.store.outcomes import Outcome, read, withdraw, write
from evergreen.store.s3 import Bucket

DAY = datetime(2026, 5, 31, 12, tzinfo=UTC)
ONE = "01890a5d-ac96-774b-bcce-b302099a8057"
FILE = "outcomes/north/may.csv"


def outcome(customer: str, *, churned: bool = True) -> Outcome:
    moment = "2026-05-31T12:00:00.000000+00:00"
    return {
        "received_at": moment,
        "observed_at": moment,
        "churned": churned,
        "key": {"customer_id": customer},
    }


def everything(logs: Bucket) -> list[Outcome]:
    today = datetime.now(UTC)
    return [each for some in read(logs, today - timedelta(days=1), today) for each in some]


def told(logs: Bucket) -> list[tuple[str, bool]]:
    """Who left and who did not."""
    return sorted(
        (each.get("prediction_id") or each["key"]["customer_id"], each["churned"])
        for each in everything(logs)
    )


def take(data: Bucket, logs: Bucket, schema: Schema, key: str = FILE) -> Received:
    found = take_in(data, logs, schema, key, lambda: 900)
    assert found
    return found


# ------------------------------------------------------------ the store


def test_what_is_written_is_read_by_the_day_it_was_received(logs: Bucket) -> None:
    for days in range(4):
        write(logs, DAY + timedelta(days=days), "a", [outcome(str(days))])
    write(logs, DAY, "b", [outcome("5"), outcome("6")])
    found = read(logs, DAY, DAY + timedelta(days=2, hours=-12))
    told = [each["key"]["customer_id"] for some in found for each in some]
    assert told == ["0", "5", "6", "1", "2"]


def test_the_day_is_that_of_utc(logs: Bucket) -> None:
    late = datetime.fromisoformat("2026-05-31T23:30:00-02:00")
    assert write(logs, late, "a", []) == "outcomes/2026/06/01/a.jsonl.gz"


def test_the_same_name_on_the_same_day_is_the_same_object(logs: Bucket) -> None:
    first = write(logs, DAY, "a", [outcome("1")])
    content, etag = logs.get(first)
    assert write(logs, DAY + timedelta(hours=1), "a", [outcome("2")]) == first
    assert logs.get(first) == (content, etag)
    assert content[4:8] == b"\0\0\0\0"  # no time of day in it: equal outcomes, equal bytes


def test_what_is_no_outcome_is_passed_over_without_a_word_of_it(
    logs: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    good = json.dumps(outcome("1"))
    wrong = ["{", "[]", good.replace("true", "3"), good.replace("+00:00", ""), '{"secret": 1}']
    logs.put(keys.outcomes(DAY, "a"), gzip.compress("\n".join([*wrong, good]).encode()))
    logs.put(keys.outcomes(DAY, "b"), b"secret")
    logs.put(keys.outcomes(DAY, "c"), gzip.compress(good.encode())[:-9])
    assert [*read(logs, DAY, DAY)] == [[outcome("1")]]
    assert caplog.text.count("passed over") == 7
    assert "secret" not in caplog.text


def test_outcomes_are_withdrawn_by_their_name(logs: Bucket) -> None:
    for name in ("a-1", "a-2", "b-1"):
        write(logs, DAY, name, [])
    withdraw(logs, DAY, "a-")
    assert [entry.key for entry in logs.list("")] == ["outcomes/2026/05/31/b-1.jsonl.gz"]


# ------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "customer_id,churned\n1,yes\n2,no\n"),
        ("a.csv", "CUSTOMER_ID;Churned\r\n 1 ;TRUE\r\n2;false\r\n"),
        ("a.csv", "name,customer_id,churned,region\n,1,true,x\n,2,no,y\n"),
        ("a.tsv", "customer_id\tchurned\tobserved_at\n1\tyes\t\n2\tno\t2026-05-30\n"),
        ("a.csv.gz", "customer_id|churned\n1|yes\n2|no\n"),
        ("a.CSV", "sep=;\n\ufeffcustomer_id;churned\n1;yes\n;\n2;no"),
        ("a.jsonl", '{"customer_id": 1, "churned": true}\n{"key": {"customer_id": "2"}, '
                    '"churned": "no"}\n'),
        ("a.jsonl.gz", '{"customer_id": "1", "churned": "yes"}\n\n{"customer_id": 2, "x": 1, '
                       '"churned": false}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_files_are_read_as_other_uploads_are(
    data: Bucket, logs: Bucket, schema: Schema, name: str, content: str, encoding: str
) -> None:
    if "jsonl" in name and encoding != "utf-8":
        encoding = "utf-8-sig"
    content = content.replace("sep=;\n\ufeff", "sep=;\n")
    encoded = content.encode(encoding)
    data.put(f"outcomes/{name}", gzip.compress(encoded) if name.endswith("gz") else encoded)
    found = take(data, logs, schema, f"outcomes/{name}")
    assert (found.status, found.accepted, found.rejected) == ("received", 2, 0)
    assert told(logs) == [("1", True), ("2", False)]
    assert Received.parse(data.get(keys.outcomes_summary(found.source))[0]) == found
    with pytest.raises(NotFoundError):
        data.head(keys.outcomes_rejected(found.source))


def test_a_summary_says_how_a_file_was_read(data: Bucket, logs: Bucket, schema: Schema) -> None:
    data.put(FILE, f"Prediction_ID;churned;note\n;;\n{ONE};yes;x\n".encode())
    found = take(data, logs, schema)
    assert found.read_as["delimiter"] == "semicolon"
    assert found.matched_columns == {"Prediction_ID": "prediction_id"}
    assert found.ignored_columns == ["note"]
    assert found.blank_lines == 1
    (kept,) = everything(logs)
    assert kept["received_at"] == kept["observed_at"]
    assert datetime.fromisoformat(kept["received_at"]) == Upload.find(data, FILE).modified


def test_rows_that_are_none_are_given_back_with_reasons(
    data: Bucket, logs: Bucket, schema: Schema
) -> None:
    table = "customer_id;churned;observed_at;=x\n1;yes;;a\n2;perhaps;;b\n;no;;c\n4;no;31.5.2026;d\n"
    data.put(FILE, f"{table}5;no\n6;yes;2026-05-30;=1+1\n".encode())
    found = take(data, logs, schema)
    assert (found.accepted, found.rejected) == (2, 4)
    assert told(logs) == [("1", True), ("6", True)]
    header, *rows = data.get("rejected/outcomes/north/may.csv")[0].decode().splitlines()
    assert header == "customer_id;churned;observed_at;'=x;line;reason"
    assert [row.split(";")[4] for row in rows] == ["3", "4", "5", "6"]
    assert rows[0].startswith("2;perhaps;;b;3;churned: expected true, false or one of")
    assert "prediction_id: is missing" in rows[1]
    assert "observed_at: expected a date" in rows[2]
    assert rows[3].startswith("5;no;;;6;the row has 2 cells")


def test_rejected_rows_that_were_mended_can_be_put_in_as_they_are(
    data: Bucket, logs: Bucket, schema: Schema
) -> None:
    data.put(FILE, b"customer_id,churned,observed_at\n1,yes,\n2,perhaps,\n,no,\n")
    take(data, logs, schema)
    mended = data.get("rejected/outcomes/north/may.csv")[0].replace(b"perhaps", b"no")
    data.put("outcomes/mended.csv", mended)
    found = take(data, logs, schema, "outcomes/mended.csv")
    assert (found.accepted, found.rejected, found.ignored_columns) == (1, 1, [])
    assert told(logs) == [("1", True), ("2", False)]
    header = data.get("rejected/outcomes/mended.csv")[0].splitlines()[0]
    assert header == b"customer_id,churned,observed_at,line,reason"


def test_objects_that_are_none_are_given_back_with_reasons(
    data: Bucket, logs: Bucket, schema: Schema
) -> None:
    good = '{"customer_id": 2, "churned": true}'
    lines = ['{"customer_id": "1", "churned": 7}', "nonsense", good]
    data.put("outcomes/a.jsonl", "\n".join(lines).encode())
    found = take(data, logs, schema, "outcomes/a.jsonl")
    assert (found.accepted, found.rejected) == (1, 2)
    rejected = data.get("rejected/outcomes/a.jsonl")[0].splitlines()
    first, second = map(json.loads, rejected)
    assert (first["customer_id"], first["line"]) == ("1", 1)
    assert (second["text"], second["line"]) == ("nonsense", 2)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "the file is empty"),
        ("customer_id\n1\n", "the header lacks churned: who left"),
        ("who,churned\n1,yes\n", "the header lacks prediction_id or customer_id: of whom it is"),
        ("customer_id,churned,observedAt\n1,yes,\n", "'observedAt' looks like 'observed_at'"),
    ],
)
def test_a_file_that_holds_no_outcomes_is_refused_and_says_why(
    data: Bucket, logs: Bucket, schema: Schema, content: str, error: str
) -> None:
    data.put(FILE, b"customer_id,churned\n1,yes\n")
    take(data, logs, schema)
    data.put(FILE, content.encode())
    found = take(data, logs, schema)
    assert found.status == "refused"
    assert error in str(found.error)
    assert error in data.get(keys.outcomes_rejected(FILE))[0].decode()
    assert not everything(logs)  # what the upload before said is no longer what that name says


def test_a_foreign_file_is_explained(data: Bucket, logs: Bucket, schema: Schema) -> None:
    data.put("outcomes/may.xlsx", b"PK")
    assert take(data, logs, schema, "outcomes/may.xlsx").status == "refused"
    explained = data.get("rejected/outcomes/may.xlsx.reason.txt")[0]
    assert b"an Excel workbook: save the sheet as CSV UTF-8" in explained


def test_what_is_gone_and_the_name_of_a_folder_are_nothing(
    data: Bucket, logs: Bucket, schema: Schema
) -> None:
    data.put("outcomes/north/", b"")
    for key in ("outcomes/north/", "outcomes/gone.csv"):
        assert take_in(data, logs, schema, key, lambda: 900) is None


def test_an_event_that_comes_twice_changes_nothing(
    data: Bucket, logs: Bucket, schema: Schema
) -> None:
    data.put(FILE, b"customer_id,churned\n1,yes\n?")
    first = take(data, logs, schema)
    before = [(e.key, e.etag, e.modified) for e in [*logs.list(""), *data.list("")]]
    assert take(data, logs, schema) == first
    assert [(e.key, e.etag, e.modified) for e in [*logs.list(""), *data.list("")]] == before


def test_the_newest_upload_of_a_name_is_what_the_name_says(
    data: Bucket, logs: Bucket, schema: Schema
) -> None:
    data.put(FILE, b"customer_id,churned\n1,yes\n2,yes\n?,?")
    take(data, logs, schema)
    data.put("outcomes/other.csv", b"customer_id,churned\n9,no\n")
    take(data, logs, schema, "outcomes/other.csv")
    data.put(FILE, b"customer_id,churned\n1,no\n")
    take(data, logs, schema)
    assert told(logs) == [("1", False), ("9", False)]
    with pytest.raises(NotFoundError):
        data.head(keys.outcomes_rejected(FILE))


def test_an_upload_that_is_replaced_while_it_is_read_says_nothing(
    data: Bucket, logs: Bucket, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PART", 2)
    data.put(FILE, b"customer_id,churned\n" + b"".join(b"%d,yes\n" % i for i in range(5)))

    def replaced() -> float:
        data.put(FILE, b"customer_id,churned\n7,no\n")
        return 900

    found = take_in(data, logs, schema, FILE, replaced)
    assert found
    assert found.status == "superseded"
    assert not everything(logs)
    take(data, logs, schema)
    assert told(logs) == [("7", False)]


class Killed(BaseException):
    """The process ends."""


@contextmanager
def killed_at(bucket: Bucket, number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the process end with the n-th write of outcomes."""
    whole, count = Bucket.put_once, 0

    def put_once(self: Bucket, key: str, content: bytes, content_type: str) -> bool:
        nonlocal count
        count += 1
        if count > number:
            raise Killed
        return whole(self, key, content, content_type)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put_once", put_once)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_that_was_killed_half_way_is_taken_whole_by_the_next(
    data: Bucket, logs: Bucket, schema: Schema, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(jobs, "PART", 2)
    data.put(FILE, b"customer_id,churned\n" + b"".join(b"%d,yes\n" % i for i in range(5)))
    with killed_at(logs, number, monkeypatch):
        take(data, logs, schema)
    assert len([*logs.list("")]) == number
    assert take(data, logs, schema).accepted == 5
    assert told(logs) == [(str(i), True) for i in range(5)]


def test_what_one_left_that_was_killed_goes_with_the_next_upload(
    data: Bucket, logs: Bucket, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PART", 2)
    data.put(FILE, b"customer_id,churned\n" + b"".join(b"%d,yes\n" % i for i in range(5)))
    with killed_at(logs, 2, monkeypatch):
        take(data, logs, schema)
    data.put(FILE, b"customer_id,churned\n1,no\n")
    take(data, logs, schema)
    assert told(logs) == [("1", False)]


def test_a_file_for_which_there_is_no_time_is_refused_whole(
    data: Bucket, logs: Bucket, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PART", 2)
    data.put(FILE, b"customer_id,churned\n" + b"".join(b"%d,yes\n" % i for i in range(5)))
    found = take_in(data, logs, schema, FILE, lambda: 59)
    assert found
    assert (found.status, found.accepted) == ("refused", 0)
    assert "put it in in pieces" in str(found.error)
    assert not everything(logs)


def test_an_s3_that_fails_is_told_to_whoever_asked(
    data: Bucket, logs: Bucket, schema: Schema
) -> None:
    data.put(FILE, b"customer_id,churned\n1,yes\n")
    gone = Bucket(logs.s3, "no-such-bucket")
    with pytest.raises(ClientError):
        take(data, gone, schema)
    assert take(data, logs, schema).accepted == 1


def test_a_file_is_kept_while_it_is_read(
    data: Bucket, logs: Bucket, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PART", 20)
    monkeypatch.setattr(outcome_rows, "_CHUNK", 30)
    columns, waiting, most = Reader.columns, 0, 0

    def noted(self: Reader, given: Mapping[str, Sequence[object]], rows: int) -> Any:
        nonlocal waiting, most
        waiting += rows
        most = max(most, waiting)
        return columns(self, given, rows)

    def put_once(self: Bucket, key: str, content: bytes, content_type: str) -> bool:
        nonlocal waiting
        waiting -= len(gzip.decompress(content).splitlines())
        return True

    monkeypatch.setattr(Reader, "columns", noted)
    monkeypatch.setattr(Bucket, "put_once", put_once)
    lines = [b'{"customer_id": %d, "churned": true}' % i for i in range(1_000)]
    data.put("outcomes/a.jsonl", b"\n".join(lines))
    assert take(data, logs, schema, "outcomes/a.jsonl").accepted == 1_000
    assert waiting == 0
    assert most < 20 + 30
