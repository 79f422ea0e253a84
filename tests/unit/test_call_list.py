"""Who is on a call list, in which order, and who of them is not to be contacted."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers import files
from evergreen.customers.schema import Matrix, Schema
from evergreen.jobs.answering.explaining import Explanation, explain
from evergreen.jobs.files.call_list import Call, CallList
from evergreen.jobs.files.scoring import score as score_file
from evergreen.jobs.files.streaming import Results
from evergreen.jobs.files.summary import Summary
from evergreen.models.model import Model
from local.demo.source import to_json

AMOUNTS: dict[str, Any] = {"worth": 200, "offer": 10, "contact": 1, "acceptance": 0.3}
AT = "2026-01-02T03:00:00+00:00"
CALLS = ["churn_probability", "expected_value", "reason", "contact"]


def valued(model: Model, limit: int = 1_000, control: float = 0.1, **amounts: Any) -> Model:
    document = json.loads(json.dumps(model.schema.document))
    document["target"]["value"] = AMOUNTS | amounts
    document["target"]["call_list"] = {"limit": limit, "control": control}
    return replace(model, schema=Schema(document))


def begun(model: Model, at: str = AT) -> CallList:
    calls = CallList.of(model, at)
    assert calls
    return calls


def add(calls: CallList, expected: Sequence[float], who: Sequence[int | None], first: int) -> None:
    """Add customers of whom each row is its number; None is one without a key."""
    model = calls.model

    def identify(places: npt.NDArray[np.intp]) -> Any:
        some = [who[place] for place in places.tolist()]
        return np.array([s or 0 for s in some], np.uint64), np.array([s is not None for s in some])

    calls.add(
        np.array(expected),
        np.full(len(expected), 0.5),
        np.tile(model.typical, (len(expected), 1)),
        [str(first + place).encode() for place in range(len(expected))],
        identify,
    )


def listed(calls: CallList) -> list[int]:
    return [int(call.row) for call in calls.calls()]


def chosen(expected: Sequence[float], who: Sequence[int | None], limit: int) -> list[int]:
    """Choose as one would by hand."""
    found: list[int] = []
    for place in sorted(range(len(expected)), key=lambda place: -expected[place]):
        known = {who[other] for other in found} - {None}
        if expected[place] > 0 and who[place] not in known:
            found.append(place)
    return found[:limit]


cents = st.sampled_from([-1.0, 0.0, 0.01, 1.0, 2.0, 3.0, 4.5])


@given(
    customers=st.lists(st.tuples(cents, st.none() | st.integers(1, 6)), max_size=25),
    limit=st.integers(1, 8),
    cuts=st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=5),
)
def test_it_is_the_best_however_the_file_is_cut(
    model: Model,
    customers: list[tuple[float, int | None]],
    limit: int,
    cuts: list[tuple[int, bool]],
) -> None:
    of = valued(model, limit)
    whole, part = begun(of), begun(of)
    start = 0
    for end, seam in [*sorted(cuts), (25, True)]:
        expected, who = [c[0] for c in customers[start:end]], [c[1] for c in customers[start:end]]
        add(part, expected, who, start)
        if seam:
            content = part.to_bytes()
            if content:
                whole.merge(content)
            part = begun(of)
        start = end
    assert listed(whole) == chosen([c[0] for c in customers], [c[1] for c in customers], limit)


def test_it_keeps_few_of_many(model: Model) -> None:
    calls = begun(valued(model, limit=10))
    rng = np.random.default_rng(0)
    expected = np.round(rng.normal(size=20_000), 3)
    asked = 0
    for start in range(0, 20_000, 100):
        add(calls, expected[start : start + 100].tolist(), [None] * 100, start)
        asked = max(asked, sum(map(len, calls._pending)))
    assert asked <= 110
    assert listed(calls) == np.argsort(-expected, kind="stable")[:10].tolist()


def test_without_money_there_is_none(model: Model) -> None:
    assert CallList.of(model, AT) is None


def test_nobody_may_be_worth_a_contact(model: Model) -> None:
    calls = begun(valued(model))
    add(calls, [0.0, -1.0], [1, 2], 0)
    assert (list(calls.calls()), calls.to_bytes()) == ([], b"")
    assert calls.told() == {"customers": 0, "to_contact": 0, "control": 0, "quarter": "2026Q1"}


# ------------------------------------------------------------ the control group


@pytest.fixture
def unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do without reasons, which take long for so many."""

    def explain(model: Model, matrix: Matrix, **_: int) -> list[Explanation]:
        return [Explanation(0.0, (), 0.0)] * len(matrix)

    monkeypatch.setattr("evergreen.jobs.files.call_list.explain", explain)


def control(model: Model, who: Sequence[int], at: str = AT, share: float = 0.1) -> set[int]:
    calls = begun(valued(model, limit=100_000, control=share), at)
    add(calls, [1.0] * len(who), who, 0)
    return {who[int(call.row)] for call in calls.calls() if not call.contact}


@pytest.mark.usefixtures("unexplained")
def test_the_control_group_is_a_random_share(model: Model) -> None:
    who = range(1, 20_001)
    for share in (0.1, 0.5):
        group = control(model, who, share=share)
        spread = (share * (1 - share) / 20_000) ** 0.5
        assert len(group) / 20_000 == pytest.approx(share, abs=4 * spread)
        tenths = np.bincount(np.array([*group]) * 10 // 20_001, minlength=10)
        expected = len(group) / 10
        assert ((tenths - expected) ** 2 / expected).sum() < 27.9  # chi-squared, 9 df, 0.1 %
    assert not control(model, who, share=0)


@pytest.mark.usefixtures("unexplained")
def test_a_customer_stays_on_a_side_for_a_quarter_and_no_longer(model: Model) -> None:
    who = range(1, 10_001)
    january, march, april = (
        control(model, who, f"2026-{month}-28T00:00:00+00:00") for month in ("01", "03", "04")
    )
    assert january == march
    assert control(model, [*who][::-1][:500]) == january & {*[*who][-500:]}
    assert len(january & april) / 10_000 == pytest.approx(0.01, abs=0.004)


# ------------------------------------------------------------ files


def score(model: Model, content: bytes, name: str = "a.csv") -> tuple[bytes, Summary]:
    kind = files.kind(name)
    assert kind
    called = io.BytesIO()
    results = Results(io.BytesIO(), io.BytesIO(), lambda _: None, called)
    file = files.unpacked(io.BytesIO(content), kind)
    summary = Summary("incoming/a.csv", "1", "v")
    summary = score_file(model, file, kind, results, summary, calls=CallList.of(model, AT))
    return called.getvalue(), summary


def rows(content: bytes, delimiter: str = ",", encoding: str = "utf-8") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(encoding)), delimiter=delimiter))


@pytest.fixture
def table(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="churned").head(200)


def text(frame: pd.DataFrame, **form: Any) -> bytes:
    return str(frame.to_csv(index=False, **form)).encode()


def test_a_list_has_the_users_columns_the_worth_the_reason_and_the_side(
    model: Model, table: pd.DataFrame, schema: Schema
) -> None:
    of = valued(model, limit=30, control=0.3)
    content, summary = score(of, text(table.assign(note="=1")))
    found = rows(content)
    assert [*found[0]] == [*table.columns, "note", *CALLS]
    assert [row["note"] for row in found] == ["'=1"] * 30
    worth = [float(row["expected_value"]) for row in found]
    assert worth == sorted(worth, reverse=True)
    assert worth[-1] > 0
    told = summary.call_list
    assert told is not None
    contact = [row["contact"] == "true" for row in found]
    assert (told["customers"], told["to_contact"], told["control"]) == (
        *(30, sum(contact), 30 - sum(contact)),
    )
    assert 0 < told["control"] < 30
    called = sum(w for w, c in zip(worth, contact, strict=True) if c)
    assert told["expected_value"] == pytest.approx(called, abs=0.2)
    assert told["low"] < told["expected_value"] < told["high"]
    by_id = table.set_index("customer_id").loc[[row["customer_id"] for row in found]].reset_index()
    explained = explain(of, schema.encode_rows(to_json(by_id, schema))[0], strongest=99)
    assert [row["reason"] for row in found] == [
        next(r.sentence for r in each.reasons if r.change > 0) for each in explained
    ]


def test_a_list_is_in_the_dialect_of_its_file(model: Model, table: pd.DataFrame) -> None:
    commas = table.assign(monthly_fee=table["monthly_fee"].str.replace(".", ","), name="Müller")
    content = text(commas, sep=";", lineterminator="\r\n").decode().encode("cp1252")
    found, _ = score(valued(model), content)
    assert found.endswith(b"\r\n")
    first, *_ = rows(found, ";", "cp1252")
    assert first["name"] == "Müller"
    assert "," in first["churn_probability"]
    assert "," in first["expected_value"]
    utf_16, _ = score(
        valued(model), b"\xff\xfe" + text(table, sep="\t").decode().encode("utf-16-le")
    )
    assert [*rows(utf_16, "\t", "utf-16")[0]] == [*table.columns, *CALLS]


def test_of_json_lines_it_is_json_lines(model: Model, table: pd.DataFrame, schema: Schema) -> None:
    objects = [each | {"line": 5, "reason": "mine"} for each in to_json(table, schema)]
    content = b"".join(orjson.dumps(each) + b"\n" for each in objects)
    found, summary = score(valued(model), gzip.compress(content), "a.jsonl.gz")
    told = [orjson.loads(line) for line in found.splitlines()]
    plain, same = score(valued(model), text(table))
    assert summary.call_list == same.call_list
    assert [(t["customer_id"], t["reason"], t["evergreen_reason"], t["contact"]) for t in told] == [
        (r["customer_id"], "mine", r["reason"], r["contact"] == "true") for r in rows(plain)
    ]
    assert [t["expected_value"] for t in told] == [float(r["expected_value"]) for r in rows(plain)]
    again, _ = score(valued(model), found, "a.jsonl")
    assert [orjson.loads(line) for line in again.splitlines()] == told


def test_a_list_can_be_put_in_as_a_file(model: Model, table: pd.DataFrame) -> None:
    content, _ = score(valued(model), text(table.assign(contact="by phone")))
    assert [*rows(content)[0]][-5:] == ["contact", *CALLS[:-1], "evergreen_contact"]
    assert score(valued(model), content)[0] == content


def test_a_customer_who_is_there_twice_is_called_once(model: Model, table: pd.DataFrame) -> None:
    once, _ = score(valued(model), text(table))
    assert score(valued(model), text(pd.concat([table, table, table.head(5)])))[0] == once


def test_customers_without_keys_are_all_called(model: Model, table: pd.DataFrame) -> None:
    nameless = table.drop(columns="customer_id")
    once, _ = score(valued(model, limit=1_000), text(nameless))
    twice, _ = score(valued(model, limit=1_000), text(pd.concat([nameless, nameless])))
    assert len(rows(twice)) == 2 * len(rows(once)) > 0


def test_who_has_nothing_that_raises_the_risk_has_the_strongest_reason(
    model: Model, table: pd.DataFrame, schema: Schema
) -> None:
    of = valued(model, worth=100_000, acceptance=1)  # all are worth a call
    found = rows(score(of, text(table))[0])
    assert len(found) == 200
    lowered = [row["reason"] for row in found if ": lowers the risk" in row["reason"]]
    by_id = table.set_index("customer_id").loc[[row["customer_id"] for row in found]].reset_index()
    explained = explain(of, schema.encode_rows(to_json(by_id, schema))[0], strongest=99)
    assert lowered == [
        each.reasons[0].sentence for each in explained if all(r.change < 0 for r in each.reasons)
    ]


def test_a_typical_customer_needs_no_reason(model: Model) -> None:
    calls = begun(valued(model))
    add(calls, [1.0], [1], 0)
    (call,) = calls.calls()
    assert call == Call(b"0", "0.5", 1.0, "", call.contact)
