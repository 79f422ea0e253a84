import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given, reject, settings
from hypothesis import strategies as st

from evergreen.customers.compatibility import obstacles
from evergreen.customers.features import Categorical
from evergreen.customers.schema import Schema
from evergreen.errors import SchemaError

Document = dict[str, Any]
Edit = Callable[[Document], object]

DOCUMENT: Document = {
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "region", "type": "string", "constraints": {"enum": ["north", "south"]}},
        {"name": "plan", "constraints": {"required": True, "enum": ["basic", "pro"]}},
        {"name": "devices", "type": "integer", "constraints": {"enum": [1, 2]}},
        {"name": "app", "type": "boolean"},
        {"name": "age", "type": "integer", "constraints": {"minimum": 18, "maximum": 99}},
        {"name": "spend", "type": "number", "constraints": {"required": True, "minimum": 0}},
        {"name": "left", "constraints": {"enum": ["yes", "no"]}},
    ],
    "missingValues": ["", "NA"],
    "primaryKey": "id",
    "target": {"field": "left", "positive": "yes"},
}
OLD = Schema(DOCUMENT)


def field_of(document: Document, name: str) -> Document:
    (found,) = (f for f in document["fields"] if f["name"] == name)
    return found  # type: ignore[no-any-return]


def limits(name: str, **constraints: object) -> Edit:
    return lambda d: field_of(d, name).setdefault("constraints", {}).update(constraints)


def members(name: str, **given: object) -> Edit:
    return lambda d: field_of(d, name).update(given)


def without(name: str) -> Edit:
    return lambda d: d["fields"].remove(field_of(d, name))


def with_field(name: str, **given: object) -> Edit:
    return lambda d: d["fields"].append({"name": name, **given})


def document(**given: object) -> Edit:
    return lambda d: d.update(given)


def edited(*edits: Edit) -> Schema:
    new = copy.deepcopy(DOCUMENT)
    for edit in edits:
        edit(new)
    return Schema(new)


HARMLESS: list[tuple[str, Edit]] = [
    ("nothing", document()),
    ("an optional field more", with_field("visits", type="number")),
    ("a level more", limits("plan", enum=["basic", "plus", "pro"])),
    ("levels in another order", limits("plan", enum=["pro", "basic"])),
    ("wider bounds", limits("age", minimum=0, maximum=120)),
    ("bounds between whole numbers", limits("age", minimum=17.5, maximum=99.5)),
    ("no bound", members("spend", constraints={})),
    ("a whole number that may be broken", members("age", type="number")),
    ("a field that may be missing", limits("plan", required=False)),
    ("a description", members("age", description="In years", title="Age")),
    ("fields in another order", lambda d: d["fields"].reverse()),
    ("another word for a missing value", document(missingValues=["", "NA", "unknown"])),
    ("a level that would be missing, were it none", document(missingValues=["", "NA", "pro"])),
    ("levels as text", limits("devices", enum=["1", "2"])),
    ("numbers with signs between thousands", members("spend", groupChar=",")),
    ("numbers with a currency", members("spend", bareNumber=False)),
    ("blanks that are missing anyway", document(missingValues=["NA", " "])),
    ("more words for true", members("app", trueValues=["true", "True", "TRUE", "1", "yes"])),
    ("a label", document(missingValues=["", {"value": "NA", "label": "unknown"}])),
    ("one more outcome", limits("left", enum=["yes", "no", "moved"])),
]


@pytest.mark.parametrize("edit", [e for _, e in HARMLESS], ids=[name for name, _ in HARMLESS])
def test_a_change_that_no_client_notices_is_no_obstacle(edit: Edit) -> None:
    assert obstacles(OLD, edited(edit)) == []


HARMFUL: list[tuple[Edit, str]] = [
    (without("age"), "field 'age' is no feature any more"),
    (limits("age", required=True), "field 'age' is required now"),
    (with_field("visits", type="number", constraints={"required": True}), "new and required"),
    (limits("plan", enum=["pro", "gold"]), "could be 'basic', which was the level basic and is"),
    (limits("age", minimum=21), "could be a whole number from 18 to 99, and has to be a whole num"),
    (limits("age", maximum=98.5), "has to be a whole number from 18 to 98.5 now"),
    (members("spend", type="integer"), "has to be a whole number of at least 0 now"),
    (
        members("spend", constraints={"required": True, "enum": [0, 1]}),
        "was a number, and is a cat",
    ),
    (members("devices", constraints={}), "was a category, and is a number now"),
    (
        members("app", trueValues=["true", "0"]),
        "could be '0', which was the level False and is the l",
    ),
    (members("app", trueValues=["yes"]), "could be 'true' or 'True' or 'TRUE' or '1', which was"),
    (
        without("region"),
        "field 'region' is no feature any more",
    ),
    (
        lambda d: (members("region", constraints={})(d), document(primaryKey=["id", "region"])(d)),
        "the primary key is id, region, no longer id",
    ),
    (document(target={"field": "left", "positive": "no"}), "positive is 'no', no longer 'yes'"),
    (document(target={"field": "plan", "positive": "pro"}), "the target is 'plan', no longer"),
    (document(missingValues=[""]), "field 'age' could be 'NA', which was a missing value"),
    (members("age", missingValues=[""]), "field 'age' could be 'NA', which was a missing value"),
    (members("spend", decimalChar=","), "was written '.' before the fraction, and is ','"),
    (limits("spend", exclusiveMinimum=0), "of at least 0, and has to be a number above 0 now"),
    (
        limits("plan", enum=["basic", "pro", "PRO"]),
        "could be 'PRO', which was the level pro and is",
    ),
    (members("plan", missingValues=["Pro"]), "could be 'Pro', which was the level pro and is a mi"),
    (document(missingValues=["", "NA", "99"]), "field 'age' could be '99', which was a number and"),
]


@pytest.mark.parametrize(("edit", "sentence"), HARMFUL, ids=[told for _, told in HARMFUL])
def test_a_change_that_a_client_would_notice_is_told(edit: Edit, sentence: str) -> None:
    assert any(sentence in told for told in obstacles(OLD, edited(edit)))


def test_a_value_that_was_refused_before_is_no_loss() -> None:
    def told(*missing: str) -> list[str]:
        words = document(missingValues=["", "NA", *missing])
        return obstacles(edited(without("spend")), edited(without("spend"), words))

    assert told("17", "20.5", "soon") == []  # an age is a whole number from 18 to 99
    assert len(told("17", "20.5", "18")) == 1


def test_a_field_that_took_other_signs_around_a_number_goes_on_taking_them() -> None:
    loose = edited(members("spend", bareNumber=False, groupChar=","))
    (told,) = obstacles(loose, edited(members("spend", groupChar=",")))
    assert "field 'spend' was written '.' before the fraction and ',' between thousands" in told
    assert len(obstacles(loose, edited(members("spend", bareNumber=False)))) == 1
    assert obstacles(loose, loose) == []


levels = st.lists(
    st.sampled_from(["a", "b", "A", "1", "NA", 2, True]), min_size=1, max_size=4, unique_by=str
)
bounds = st.fixed_dictionaries(
    {},
    optional={
        "minimum": st.sampled_from([-2, 0, 0.5, 1]),
        "maximum": st.sampled_from([1, 1.5, 2, 9]),
        "required": st.booleans(),
    },
)
forms: st.SearchStrategy[Document] = st.one_of(
    st.builds(
        lambda kind, limits: {"type": kind, "constraints": limits},
        st.sampled_from(["integer", "number"]),
        bounds,
    ),
    st.builds(
        lambda enum, required: {"constraints": {"enum": enum, "required": required}},
        levels,
        st.booleans(),
    ),
    st.sampled_from([{"type": "boolean"}, {"type": "boolean", "trueValues": ["a"]}]),
)
documents = st.fixed_dictionaries(
    {
        "fields": st.dictionaries(st.sampled_from("xyz"), forms, min_size=1).map(
            lambda fields: [
                {"name": "id"},
                {"name": "left", "constraints": {"enum": ["yes", "no"]}},
                *({"name": name, **form} for name, form in fields.items()),
            ]
        ),
        "missingValues": st.lists(st.sampled_from(["", "NA", "1", "a"]), unique=True, max_size=2),
        "primaryKey": st.just("id"),
        "target": st.just({"field": "left", "positive": "yes"}),
    }
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """Draw a schema, and the same after some edits, most of which loosen it."""
    before = draw(documents)
    after = copy.deepcopy(before)
    for changed in draw(st.lists(st.sampled_from(after["fields"][2:]), max_size=3)):
        constraints = changed.setdefault("constraints", {})
        edit = draw(st.integers(0, 6))
        if edit == 0:
            constraints["required"] = draw(st.booleans())
        elif edit == 1 and "enum" in constraints:
            constraints["enum"] = draw(st.permutations([*constraints["enum"], "new"]))
        elif edit == 2 and "enum" in constraints:
            constraints["enum"] = constraints["enum"][1:]
        elif edit == 3:
            constraints.pop(draw(st.sampled_from(["minimum", "maximum"])), None)
        elif edit == 4 and "enum" not in constraints:
            constraints |= draw(bounds)
        elif edit == 5:
            changed["type"] = draw(st.sampled_from(["integer", "number", "boolean"]))
        elif edit == 6:
            changed |= draw(forms)
    if draw(st.booleans()):
        after["fields"].append({"name": "w", **draw(forms)})
    if draw(st.integers(0, 3)) == 0:
        after["missingValues"] = draw(st.lists(st.sampled_from(["", "NA", "1", "c"]), unique=True))
    try:
        return Schema(before), Schema(after)
    except SchemaError:  # a minimum above its maximum, a category of nothing
        reject()


TEXTS = (*("a", "b", "c", "new", "NA", "", "1", "0", "true", "False"), *("A", " b", "tRUE", "1.0"))
VALUES = (*TEXTS, -2, 0, 0.5, 1, 1.5, 2, 9, True, False, None)


def taken(schema: Schema, name: str) -> list[object]:
    """Pick the values that a field may have."""
    found = [(value, schema.encode({name: [value]}, 1).problems) for value in VALUES]
    return [value for value, problems in found if name not in {p.field for p in problems}]


def meaning(schema: Schema, matrix: Any) -> dict[str, object]:
    """Read one customer back: numbers, levels by their text, nothing where a value is missing."""
    return {
        f.name: None
        if np.isnan(code)
        else str(f.levels[int(code)])
        if isinstance(f, Categorical)
        else code
        for f, code in zip(schema.features, matrix[0].tolist(), strict=True)
    }


@settings(max_examples=100)
@given(pairs(), st.data())
def test_without_obstacles_every_customer_of_the_old_schema_is_the_same_to_the_new(
    schemas: tuple[Schema, Schema], data: st.DataObject
) -> None:
    old, new = schemas
    told = obstacles(old, new)
    event("obstacles" if told else "none")
    if told:
        return
    for _ in range(5):
        customer: dict[str, object] = {"left": "yes"}
        for name in old.feature_names:
            values = taken(old, name)
            assume(values)
            customer[name] = data.draw(st.sampled_from(values))
        before, after = old.encode_rows([customer]), new.encode_rows([customer])
        assert before.problems == after.problems == []
        known = meaning(old, before.matrix)
        assert known.items() <= meaning(new, after.matrix).items()
