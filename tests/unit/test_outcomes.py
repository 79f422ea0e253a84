"""What an outcome may say, and how: apart from where it is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.outcome_schema import kinds
from evergreen.customers.outcomes import Opposite, Outcome, Reader, opposites
from evergreen.customers.schema import Schema
from evergreen.customers.values import plain
from evergreen.errors import Problem, TableError
from evergreen.jobs.answering import ids

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
RECEIVED = "2026-05-31T12:00:00.000000+00:00"
ONE = "0190e2b4-5f6a-4b3c-8d2e-1f2a3b4c5d6e"


def make(left: dict[str, Any] | None = None, key: Any = "id", positive: Any = "Yes") -> Schema:
    left = left or {"name": "Churn", "constraints": {"enum": ["No", "Yes"]}}
    fields = [{"name": "id"}, {"name": "tenant", "type": "integer"}, left]
    fields += [{"name": "age", "type": "integer"}]
    known = [key] if isinstance(key, str) else key
    fields = [f for f in fields if f["name"] in ("age", left["name"], *known)]
    target = {"field": left["name"], "positive": positive}
    return Schema({"fields": fields, "primaryKey": key, "target": target})


def read(*outcomes: dict[str, Any], schema: Schema | None = None) -> list[Outcome]:
    found, problems = Reader(schema or make(), NOW).objects(outcomes)
    assert not problems
    return found


def wrong(*outcomes: dict[str, Any], schema: Schema | None = None) -> list[Problem]:
    found, problems = Reader(schema or make(), NOW).objects(outcomes)
    assert not found or len(found) < len(outcomes)
    return problems


def test_the_normal_form_has_times_in_utc_and_the_key_as_text() -> None:
    assert read(
        {"prediction_id": ONE.upper(), "churned": True},
        {"key": {"id": " 0042 "}, "churned": "No", "observed_at": "2026-05-31T12:00:00+02:00"},
    ) == [
        {
            "received_at": RECEIVED,
            "observed_at": RECEIVED,
            "churned": True,
            "prediction_id": ONE,
        },
        {
            "received_at": RECEIVED,
            "observed_at": "2026-05-31T10:00:00.000000+00:00",
            "churned": False,
            "key": {"id": "0042"},
        },
    ]


@pytest.mark.parametrize(
    ("value", "churned"),
    [
        (True, True),
        (False, False),
        ("true", True),
        (" FALSE", False),
        ("Yes", True),
        ("no ", False),
    ],
)
def test_who_left_is_said_plainly_or_by_the_labels(value: object, churned: bool) -> None:
    assert read({"prediction_id": ONE, "churned": value})[0]["churned"] is churned


@pytest.mark.parametrize("value", [None, "", "maybe", 1, 0, [True], {"a": 1}, 1.5])
def test_what_does_not_say_who_left_is_refused(value: object) -> None:
    (problem,) = wrong({"prediction_id": ONE, "churned": value})
    assert problem.field == "churned"
    assert problem.message.startswith("expected true, false or one of 'No', 'Yes'")


def test_a_column_of_the_target_has_its_labels_only() -> None:
    schema = make({"name": "retained", "type": "boolean"}, positive=False)
    reader = Reader(schema, NOW)
    found, problems = reader.columns({"id": ["1", "2"], "retained": ["true", "0"]}, 2)
    assert [outcome["churned"] for outcome in found] == [False, True]
    assert not problems


@pytest.mark.parametrize("value", ["yes", 1, "1", "0"])
def test_a_word_that_means_the_opposite_as_a_label_is_refused(value: object) -> None:
    left = {"name": "stays", "constraints": {"enum": ["0", "1", "yes"]}}
    schema = make(left, positive="0")
    assert read({"key": {"id": "1"}, "churned": True}, schema=schema)[0]["churned"]
    (problem,) = wrong({"key": {"id": "1"}, "churned": value}, schema=schema)
    assert "give true or false" in problem.message


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("2026-05-30", "2026-05-30T00:00:00.000000+00:00"),
        ("2026-05-30 10:00", "2026-05-30T10:00:00.000000+00:00"),
        ("2026-05-30T23:30:00.5-02:00", "2026-05-31T01:30:00.500000+00:00"),
        ("2026-05-31T12:04:59Z", "2026-05-31T12:04:59.000000+00:00"),
        (" ", RECEIVED),
        (None, RECEIVED),
    ],
)
def test_a_time_is_a_date_or_a_date_time_and_in_utc_unless_it_says_so(
    text: str | None, seen: str
) -> None:
    found = read({"prediction_id": ONE, "churned": True, "observed_at": text})
    assert found[0]["observed_at"] == seen


@pytest.mark.parametrize(
    "value",
    [
        *("31.05.2026", "yesterday", "2026-13-01", 1_780_000_000, ["2026-05-30"], True),
        *("2026-05-31T12:05:01Z", "2026-06-01", "9999-12-31", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_no_time_and_a_time_to_come_are_refused(value: object) -> None:
    (problem,) = wrong({"prediction_id": ONE, "churned": True, "observed_at": value})
    assert problem.field == "observed_at"
    assert problem.message.startswith("expected a")


@pytest.mark.parametrize("value", ["1", "urn:uuid:" + ONE, ONE[:-1], ONE + "0", 7, [ONE], True])
def test_a_prediction_is_named_by_a_uuid(value: object) -> None:
    (problem,) = wrong({"prediction_id": value, "churned": True})
    assert problem.field == "prediction_id"
    assert problem.message.startswith("expected a UUID, got ")


def test_an_id_of_a_time_to_come_is_none_of_a_prediction() -> None:
    made = datetime.now(UTC)
    (own,) = ids.new(1)
    outcome = {"prediction_id": own, "churned": True}
    assert not Reader(make(), made - timedelta(minutes=4)).objects([outcome])[1]
    (problem,) = Reader(make(), made - timedelta(minutes=6)).objects([outcome])[1]
    assert problem == Problem(
        0,
        "prediction_id",
        "expected the id of a prediction, but by its time it is still to come",
    )
    assert read({"prediction_id": ids.repeated("k", b"", 1)[0], "churned": True})


@pytest.mark.parametrize(
    ("outcome", "field", "message"),
    [
        ({}, "prediction_id", "is required: give prediction_id or key"),
        ({"prediction_id": None}, "prediction_id", "expected a UUID, got None"),
        ({"prediction_id": ""}, "prediction_id", "is missing: an outcome says of whom it is"),
        ({"prediction_id": ONE, "key": {"id": "1"}}, "key", "give it or prediction_id, not both"),
        ({"key": "C1"}, "key", "expected an object with tenant and id, got 'C1'"),
        ({"key": {"id": "1"}}, "tenant", "is required: the key is tenant and id"),
        ({"key": {"id": "1", "tenant": None}}, "tenant", "is required: the key is"),
        ({"key": {}}, "prediction_id", "is missing: an outcome says of whom it is"),
        ({"key": {"id": "1", "tenant": 1.5}}, "tenant", "expected a string of at most 256"),
        ({"key": {"id": "x" * 257, "tenant": 1}}, "id", "expected a string of at most 256"),
        ({"key": {"ID": "1", "tenant": 1}}, "ID", "is not part of the primary key; did you mean"),
        ({"key": {"age": 1}}, "age", "is not part of the primary key; it is tenant and id"),
        ({"id": "1"}, "id", "is not a field of an outcome; put it into 'key'"),
        ({"Churn": "Yes"}, "Churn", "is not a field of an outcome; did you mean 'churned'?"),
        ({"predictionId": ONE}, "predictionId", "is not a field of an outcome; did you mean 'pre"),
        ({"note": 1}, "note", "is not a field of an outcome; they are prediction_id, key, churned"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(
    outcome: dict[str, Any], field: str, message: str
) -> None:
    schema = make(key=["tenant", "id"])
    problems = wrong({"churned": True, **outcome}, schema=schema)
    assert problems[0].field == field
    assert problems[0].message.startswith(message)


def test_all_wrong_outcomes_are_named_and_none_is_read() -> None:
    good = {"prediction_id": ONE, "churned": True}
    problems = wrong(good, {**good, "churned": 3}, good, {**good, "observed_at": "?"})
    assert [(problem.row, problem.field) for problem in problems] == [
        (1, "churned"),
        (3, "observed_at"),
    ]


def test_without_a_primary_key_there_are_predictions_only() -> None:
    schema = make(key=[])
    (problem,) = wrong({"key": {"id": 1}, "churned": True}, schema=schema)
    assert problem.message == "customers have no primary key here: give prediction_id"
    assert [*kinds(schema)] == ["OutcomeOfPrediction"]


def test_contradictions_are_found_within_a_moment_whatever_the_form_of_the_key() -> None:
    day = {"observed_at": "2026-05-30"}
    outcomes = read(
        {"key": {"id": "0042"}, "churned": True, **day},
        {"prediction_id": ONE, "churned": True, **day},
        {"key": {"id": 42}, "churned": False, **day},
        {"key": {"id": 42}, "churned": False, "observed_at": "2026-05-29"},
        {"prediction_id": ONE, "churned": True, **day},
        {"prediction_id": ONE, "churned": False, "observed_at": "2026-05-30T00:00:00Z"},
    )
    assert opposites(make(), outcomes) == [Opposite(2, 0), Opposite(5, 1)]


@pytest.mark.parametrize(
    "names",
    [
        ["id", "Churn"],
        ["prediction_id", "churned"],
        ["prediction_id", "churned", "observed_at", "name", "age", ""],
    ],
)
def test_columns_that_say_who_and_what_are_enough(names: list[str]) -> None:
    Reader(make(), NOW).check(names)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["id"], "the header lacks Churn or churned: who left"),
        (["churned"], "the header lacks prediction_id or id: of whom it is"),
        (["prediction id", "churned"], "'prediction id' looks like 'prediction_id'"),
        (["id", "churned", "Churn"], "which both say who left: leave one out"),
        (["id", "churned", "observedAt"], "'observedAt' looks like 'observed_at'"),
    ],
)
def test_a_header_that_lacks_something_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        Reader(make(), NOW).check(names)


def test_a_row_is_by_prediction_where_it_has_an_id_and_else_by_key() -> None:
    columns = {"prediction_id": [ONE, "", " "], "id": ["1", "2", ""], "churned": ["No"] * 3}
    found, problems = Reader(make(), NOW).columns(columns, 3)
    assert found[0].get("prediction_id") == ONE
    assert "key" not in found[0]
    assert found[1].get("key") == {"id": "2"}
    assert [problem.row for problem in problems] == [2]


keys = st.one_of(st.text(max_size=5), st.integers(-(2**63), 2**64), st.none(), st.booleans())
outcomes = st.fixed_dictionaries(
    {"churned": st.sampled_from([True, False, "Yes", "No", "?", None, 1])},
    optional={
        "prediction_id": st.uuids(version=4).map(str),
        "key": st.fixed_dictionaries({}, optional={"id": keys, "name": st.just(1)}),
        "observed_at": st.sampled_from(["2026-05-30T00:00:00Z", 1, None]),
        "more": st.just(1),
    },
)


@given(outcomes)
def test_what_the_json_schema_takes_is_read_but_for_blank_keys(outcome: dict[str, Any]) -> None:
    schema = make()
    one_of = {"oneOf": [*kinds(schema).values()]}
    taken = jsonschema.Draft202012Validator(one_of).is_valid(outcome)
    found, problems = Reader(schema, NOW).objects([outcome])
    assert len(found) + bool(problems) == 1
    key = outcome.get("key", {}).get("id")
    assert bool(found) == (taken and not (isinstance(key, str) and not plain(key)))


def test_a_file_of_outcomes_may_be_of_random_ids() -> None:
    columns = {"prediction_id": [str(uuid4()) for _ in range(1_000)], "churned": ["Yes"] * 1_000}
    found, problems = Reader(make(), NOW).columns(columns, 1_000)
    assert [outcome.get("prediction_id") for outcome in found] == columns["prediction_id"]
    assert not problems
