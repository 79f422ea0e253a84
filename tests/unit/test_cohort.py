"""From rows to customers: whose row counts, who is held out, who is fresh, who is recent."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergreen.customers.schema import Schema
from evergreen.errors import InputError
from evergreen.jobs.learning.cohort import HELD_OUT_OF, RECENT, Cohort, recency
from evergreen.jobs.learning.history import History
from evergreen.models.known import Known

FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "string"},
    {"name": "plan", "type": "string", "constraints": {"enum": ["basic", "pro"]}},
    {"name": "months", "type": "integer"},
    {"name": "left", "type": "string", "constraints": {"enum": ["yes", "no"]}},
]
TARGET = {"field": "left", "positive": "yes"}
KEYED = Schema({"fields": FIELDS, "primaryKey": "id", "target": TARGET})
NAMELESS = Schema({"fields": FIELDS[1:], "target": TARGET})

Row = tuple[str, int, str]  # id, months, left


def table(rows: Sequence[Row]) -> pd.DataFrame:
    ids, months, left = zip(*rows, strict=True) if rows else ((), (), ())
    texts = {"id": ids, "plan": ["pro"] * len(ids), "months": map(str, months), "left": left}
    return pd.DataFrame({name: list(cells) for name, cells in texts.items()}, dtype=str)


def cohort(
    files: Mapping[str, Sequence[Row]], known: Known | None = None, schema: Schema = KEYED
) -> Cohort:
    return History.of({name: table(rows) for name, rows in files.items()}).cohort(schema, known)


def of(numbers: range, months: int = 1, left: str = "no") -> list[Row]:
    """As many customers, by their numbers."""
    return [(f"C{number}", months, left) for number in numbers]


def months(found: Cohort) -> list[int]:
    return [int(months) for months in found.labelled.matrix[:, -1]]


def held_out(frames: Mapping[str, pd.DataFrame], schema: Schema, name: str) -> set[str]:
    """Those who are held out, by what a column says of them."""
    found = History.of(frames).cohort(schema)
    return {found.columns[name][row] for row in found.rows[found.labelled.held_out]}


# whose row counts


def test_the_latest_row_of_a_customer_counts() -> None:
    files = {"z": [("1", 1, "no"), ("2", 1, "no")], "a": [("1", 2, "no"), ("01", 3, "yes")]}
    found = cohort(files)
    assert months(found) == [1, 3]
    assert found.labelled.churned.tolist() == [False, True]
    assert found.source.tolist() == ["z", "a"]


def test_rows_become_customers_and_every_one_is_accounted_for() -> None:
    jan: list[Row] = [("1", 1, "no"), ("2", 1, "no"), ("3", 1, "no"), ("", 5, "no")]
    feb: list[Row] = [("1", 2, "no"), ("2", 1, "no"), ("2", 1, "no"), ("3", 1, "yes")]
    assert cohort({"jan": jan, "feb": feb}).census == {
        "rows": 8,
        "customers": 4,
        "superseded": 2,  # of 1 and 3
        "repeated": 2,  # of 2
        "contradictions": 0,  # 3 has left since
        "blank_keys": 1,
    }


row = st.tuples(
    st.sampled_from(["", "1", "2", "03", "3", "4"]),
    st.integers(0, 2),
    st.sampled_from(["yes", "no"]),
)


@pytest.mark.parametrize("schema", [KEYED, NAMELESS], ids=["keyed", "nameless"])
@given(files=st.lists(st.lists(row, max_size=12), min_size=1, max_size=4))
def test_the_census_adds_up(schema: Schema, files: list[list[Row]]) -> None:
    found = cohort({str(n): rows for n, rows in enumerate(files)}, schema=schema)
    census = found.census
    assert census["rows"] == sum(map(len, files))
    assert census["rows"] == census["customers"] + census["superseded"] + census["repeated"]
    assert census["customers"] == len(found.labelled.churned) == len(found.source)


def test_monthly_full_exports_do_not_pile_up() -> None:
    exports = {f"{m:02}": of(range(300), months=m) for m in range(1, 13)}
    found = cohort(exports)
    assert months(found) == [12] * 300
    assert found.census["superseded"] == 11 * 300
    assert found.warnings == ()


def test_who_has_both_outcomes_in_one_file_is_counted_and_told() -> None:
    files = {
        "good": of(range(3)),
        "bad": [*of(range(2, 6)), ("C4", 1, "yes"), ("C5", 1, "yes"), ("C5", 2, "yes")],
    }
    found = cohort(files)
    assert found.census["contradictions"] == 2
    (told,) = found.warnings
    assert told.startswith("customers with both outcomes: 2, the first of them at bad, line 4;")


def test_identical_rows_of_a_file_without_a_key_are_as_many_customers() -> None:
    twins = [("", 1, "yes"), ("", 1, "no"), ("", 1, "no"), ("", 2, "no")]
    found = cohort({"a": twins}, schema=NAMELESS)
    assert months(found) == [1, 1, 1, 2]
    assert found.census["contradictions"] == 0


def test_a_file_without_a_key_that_comes_again_adds_nobody() -> None:
    rows = [("", n % 7, "no") for n in range(50)]
    once, twice = (cohort(f, schema=NAMELESS) for f in ({"a": rows}, {"a": rows, "b": rows[::-1]}))
    assert twice.census["customers"] == once.census["customers"] == 50
    assert twice.census["repeated"] == 50
    assert sorted(months(twice)) == sorted(months(once))


# keys that are none


@pytest.mark.parametrize(("distinct", "rows"), [(1, 200), (199, 1_000), (250, 26_000)])
def test_a_key_that_tells_nobody_apart_is_named(distinct: int, rows: int) -> None:
    values = f"{distinct} distinct values?" + f" in {rows:,} rows"
    with pytest.raises(
        InputError, match=rf"^the primary key id has {values}.*leave primaryKey out"
    ):
        cohort({"a": of(range(distinct)) * (rows // distinct) + of(range(rows % distinct))})


def test_a_constant_key_is_one_in_many_files_as_well() -> None:
    with pytest.raises(InputError, match="has 1 distinct value in 50,000 rows"):
        cohort({str(n): of(range(1)) * 200 for n in range(250)})


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"a": of(range(150))}, id="a small file"),
        pytest.param({"a": of(range(150)), "b": of(range(150), 2)}, id="a small file twice"),
        pytest.param({str(d): of(range(250), d) for d in range(200)}, id="daily exports"),
        pytest.param({"a": [r for m in range(36) for r in of(range(250), m)]}, id="three years"),
    ],
)
def test_few_customers_in_many_rows_are_no_fault_of_the_key(files: dict[str, list[Row]]) -> None:
    assert cohort(files).warnings == ()


def test_a_value_that_stands_for_no_key_is_told() -> None:
    found = cohort({"a": [*of(range(900)), *([("unknown", 1, "no")] * 101)]})
    (told,) = found.warnings
    assert told.startswith("101 rows have the same id, the first of them at a, line 902;")


def test_a_key_that_is_blank_throughout_is_none() -> None:
    rows = [("", n, "no") for n in range(300)]
    found, nameless = (cohort({"a": rows}, schema=schema) for schema in (KEYED, NAMELESS))
    assert np.array_equal(found.labelled.held_out, nameless.labelled.held_out)
    assert found.census["customers"] == found.census["blank_keys"] == 300
    (told,) = found.warnings
    assert told.startswith("300 of 300 rows have no id, the first of them at a, line 2;")
    assert nameless.warnings[0].startswith("the schema has no primaryKey:")


# who is held out


def test_about_one_in_five_is_held_out(schema: Schema, frame: pd.DataFrame) -> None:
    share = History.of({"h": frame}).labelled(schema).held_out.mean()
    assert share == pytest.approx(1 / HELD_OUT_OF, abs=0.05)  # 4 standard deviations at 1,000


@settings(max_examples=20)
@given(order=st.randoms(), rows=st.integers(20, 400))
def test_the_same_customers_are_held_out_whatever_stands_around_them(
    order: Random, rows: int, schema: Schema, frame: pd.DataFrame
) -> None:
    some = frame.iloc[order.sample(range(len(frame)), rows)]
    padded = "000" + some["customer_id"].str.removeprefix("C0001-")  # C0001-000042 → 000000042
    bare = frame["customer_id"].str.removeprefix("C0001-").str.lstrip("0").replace("", "0")
    fields = list(schema.document["fields"])
    order.shuffle(fields)
    other = Schema({**schema.document, "fields": fields})
    columns = order.sample(list(frame), len(frame.columns))
    cut = order.randrange(rows)
    split = some.assign(customer_id=padded)[columns]
    mine = held_out({"b": split[cut:], "a": split[:cut]}, other, "customer_id")
    everyone = held_out({"h": frame.assign(customer_id=bare)}, schema, "customer_id")
    chosen = everyone & set(bare[some.index])
    assert {name.lstrip("0") or "0" for name in mine} == chosen


def test_without_a_key_the_order_of_fields_changes_nobody_who_is_held_out(
    schema: Schema, frame: pd.DataFrame
) -> None:
    fields = [f for f in schema.document["fields"] if f["name"] != "customer_id"]
    held = [
        held_out(
            {"h": frame},
            Schema({"fields": order, "target": schema.document["target"]}),
            "customer_id",
        )
        for order in (fields, fields[::-1])
    ]
    assert held[0] == held[1]
    assert 0 < len(held[0]) < len(frame)


def test_a_customer_stays_held_out_when_all_but_its_key_changes(
    schema: Schema, frame: pd.DataFrame
) -> None:
    later = frame.assign(tenure_months="99", churned="no")
    assert held_out({"a": frame}, schema, "customer_id") == held_out(
        {"a": frame, "b": later}, schema, "customer_id"
    )


# who is fresh


def stored(known: Known) -> Known:
    return Known.parse(known.to_bytes(), known.schema)


OLD = {"a": of(range(40)), "b": of(range(40, 60))}
KNOWN = stored(cohort(OLD).known)


def test_without_a_champion_everybody_is_fresh() -> None:
    found = cohort(OLD)
    assert found.fresh.all()
    assert not found.known_held_out.any()


@pytest.mark.parametrize(
    ("files", "fresh"),
    [
        pytest.param(OLD, [], id="nothing new"),
        pytest.param({"a": OLD["a"]}, [], id="a file deleted"),
        pytest.param({"z": OLD["a"], "b": OLD["b"]}, [], id="a file renamed"),
        pytest.param({"z": OLD["b"] + OLD["a"]}, [], id="files put together, sorted otherwise"),
        pytest.param({"a": of(range(40, 70)), "b": OLD["b"]}, range(60, 70), id="overwritten"),
        pytest.param({**OLD, "b": OLD["b"] + of(range(60, 63))}, range(60, 63), id="appended to"),
        pytest.param({**OLD, "c": OLD["a"] + of(range(7), 2)}, range(7), id="a changed export"),
    ],
)
def test_fresh_is_whose_row_the_champion_has_not_seen(
    files: dict[str, list[Row]], fresh: Sequence[int]
) -> None:
    found = cohort(files, KNOWN)
    ids = {found.columns["id"][row] for row in found.rows[found.fresh]}
    assert ids == {f"C{number}" for number in fresh}


def test_who_goes_back_to_what_it_was_is_no_news() -> None:
    known = stored(cohort({"a": of(range(9), 1), "b": of(range(9), 2)}).known)
    assert not cohort({"c": of(range(9), 1)}, known).fresh.any()


def test_models_are_compared_on_customers_held_out_of_both() -> None:
    found = cohort({**OLD, "c": of(range(30, 90), 2)}, KNOWN)
    expected = found.labelled.held_out & ~found.fresh
    assert expected.any()
    assert np.array_equal(found.known_held_out, expected)


def test_who_was_learned_from_is_in_no_comparison() -> None:
    everything = np.concatenate([KNOWN.learned, KNOWN.held_out])
    taught = Known(KEYED, np.sort(everything), KNOWN.held_out[:0])
    found = cohort(OLD, taught)
    assert found.labelled.held_out.any()
    assert not found.known_held_out.any()
    assert not found.fresh.any()


def test_older_rows_of_those_held_out_are_known_as_held_out() -> None:
    known = cohort({"a": of(range(100), 1), "b": of(range(100), 2)}).known
    found = cohort({"a": of(range(100), 1)}, known)
    assert found.labelled.held_out.any()
    assert np.array_equal(found.known_held_out, found.labelled.held_out)
    assert len(known.learned) + len(known.held_out) == 200


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([*FIELDS, {"name": "visits", "type": "integer"}], id="one more"),
        pytest.param([f for f in FIELDS if f["name"] != "plan"], id="one less"),
        pytest.param(FIELDS[::-1], id="in another order"),
    ],
)
def test_another_schema_makes_no_news_of_old_rows(fields: list[dict[str, Any]]) -> None:
    frame = table(of(range(30))).assign(visits=[str(n) for n in range(30)])  # there all along
    known = History.of({"a": frame}).cohort(KEYED).known
    other = Schema({"fields": fields, "primaryKey": "id", "target": TARGET})
    found = History.of({"a": frame}).cohort(other, known)
    assert not found.fresh.any()
    assert np.array_equal(found.known_held_out, found.labelled.held_out)


# who is recent


def recent(sizes: Sequence[int], fresh: Sequence[int]) -> tuple[list[int], list[float]]:
    """Count the recent customers of each file, and tell the age of the rest of each.

    Args:
        sizes: the customers of each file.
        fresh: how many of them, the last ones, are fresh.

    """
    source = np.repeat(np.arange(len(sizes)), sizes)
    last = np.cumsum(sizes, dtype=np.int64)[source] - np.arange(len(source))  # 1 for the last one
    news = last <= np.array(fresh, dtype=np.int64)[source]
    churned = np.arange(len(source)) % 3 == 0
    mask, age = recency(news, churned, source, len(sizes))
    assert not age[mask].any()
    ages = [np.unique(age[(source == f) & ~mask]) for f in range(len(sizes))]
    assert max(map(len, ages), default=0) <= 1
    counts = np.bincount(source[mask], minlength=len(sizes)).tolist()
    return counts, [float(age[0]) if len(age) else 0.0 for age in ages]


@pytest.mark.parametrize(
    ("sizes", "fresh", "counts", "ages"),
    [
        pytest.param([500, 900], [500, 900], [500, 900], [0, 0], id="the first training"),
        pytest.param([7_000, 3_000], [0, 3_000], [0, 3_000], [6.5 / 3, 0], id="a file more"),
        pytest.param([10_000], [3_000], [3_000], [6.5 / 3], id="a file that has grown"),
        pytest.param(
            [4_000, 900, 900], [0, 900, 900], [0, 900, 900], [38 / 18, 0, 0], id="weekly news"
        ),
        pytest.param(
            [4_000, 900, 1_000], [0, 900, 1_000], [0, 0, 1_000], [3.9, 1.45, 0],
            id="the latest news is enough",
        ),
        pytest.param([7_000, 300], [0, 300], [7_000, 300], [0, 0], id="too few alone"),
        pytest.param(
            [4_000, 2_000, 600, 300], [0, 0, 0, 300], [0, 2_000, 600, 300], [49 / 29, 0, 0, 0],
            id="too few alone, and with the file before",
        ),
        pytest.param(
            [4_000, 6_000, 1_000], [0, 0, 1_000], [0, 0, 1_000], [9, 4, 0], id="just enough"
        ),
        pytest.param([3_000, 999], [0, 0], [3_000, 999], [0, 0], id="a file deleted, few left"),
        pytest.param([3_000, 1_500], [0, 0], [0, 1_500], [2, 0], id="a file deleted"),
        pytest.param(
            [5_000, 5_000], [900, 200], [900, 200], [7_950 / 1_100, 3_500 / 1_100], id="corrections"
        ),
        pytest.param([300, 200], [0, 0], [300, 200], [0, 0], id="hardly anybody"),
        pytest.param([], [], [], [], id="nobody"),
    ],
)  # fmt: skip
def test_recent_are_the_fresh_or_else_the_newest_files(
    sizes: list[int], fresh: list[int], counts: list[int], ages: list[float]
) -> None:
    found = recent(sizes, fresh)
    assert found[0] == counts
    assert found[1] == pytest.approx(ages)


@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(0, 900)), min_size=1, max_size=6),
)
def test_there_are_enough_recent_customers_where_there_are_enough(
    files: list[tuple[int, int]],
) -> None:
    sizes = [size for size, _ in files]
    fresh = [min(pair) for pair in files]
    counts, ages = recent(sizes, fresh)
    assert sum(counts) >= min(RECENT, sum(sizes))
    if sum(counts) > sum(fresh):  # then all news is recent
        assert all(count >= news for count, news in zip(counts, fresh, strict=True))
    rest = [age for age, count, size in zip(ages, counts, sizes, strict=True) if count < size]
    assert rest == sorted(rest, reverse=True)  # older files are older
    assert min(rest, default=1) > 0


def test_news_of_those_who_left_alone_is_not_whom_a_model_is_chosen_for() -> None:
    """A full list comes again, and in it nothing has changed but that 1,500 customers have left."""
    first = of(range(6_000))
    again = [*of(range(1_500), left="yes"), *of(range(1_500, 6_000))]
    known = cohort({"january": first}).known
    found = cohort({"january": first, "february": again}, known)
    assert found.fresh.sum() == 1_500
    assert found.labelled.churned[found.fresh].all()
    assert found.labelled.recent.all()


def test_a_cohort_says_who_is_recent_by_its_files() -> None:
    old = of(range(1_500))
    new = [*of(range(1_500, 1_600), left="yes"), *of(range(1_600, 2_600))]
    known = cohort({"old": old}).known
    found = cohort({"old": old, "new": new}, known)
    assert np.array_equal(found.labelled.recent, found.source == "new")
    assert set(found.labelled.age[found.source == "old"]) == {(1_100 + 750) / 1_100}
