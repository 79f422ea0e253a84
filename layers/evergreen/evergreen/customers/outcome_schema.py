"""What an outcome looks like in a request, as a JSON Schema."""

from typing import Any

from evergreen.customers.features import Key
from evergreen.customers.names import CHURNED, KEY, OBSERVED_AT, PREDICTION_ID
from evergreen.customers.outcomes import outcome_field
from evergreen.customers.schema import Schema

_UUID = "01890a5d-ac96-774b-bcce-b302099a8057"


def kinds(schema: Schema) -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas of outcomes by their titles: an outcome is of one of these kinds."""
    target = outcome_field(schema)
    levels = [level for level in target.levels if not isinstance(level, bool)]
    churned: dict[str, Any] = {"type": "boolean"}
    if levels:
        churned = {"anyOf": [churned, {"enum": levels}]}
    common = {
        CHURNED: churned | {"description": "Whether the customer left, or the schema's label"},
        OBSERVED_AT: {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When that was seen, or the day of it; without a time zone it is UTC,"
            " without a value the time of the request. Not later than in 5 minutes",
        },
    }
    identified = {
        PREDICTION_ID: {
            "type": "string",
            "format": "uuid",
            "description": "Of the prediction that came true or did not",
        }
    }
    found = [_described("OutcomeOfPrediction", identified, common, {PREDICTION_ID: _UUID})]
    if schema.primary_key:
        key = {
            "type": "object",
            "description": "The primary key: an outcome of all predictions for the customer",
            "properties": {each.name: _key_schema(each) for each in schema.keys},
            "required": [*schema.primary_key],
            "additionalProperties": False,
        }
        of = {KEY: {name: schema.example().get(name, "1") for name in schema.primary_key}}
        found.append(_described("OutcomeOfCustomer", {KEY: key}, common, of))
    return {kind["title"]: kind for kind in found}


def _described(
    title: str, whose: dict[str, Any], common: dict[str, Any], example: dict[str, Any]
) -> dict[str, Any]:
    return {
        "title": title,
        "type": "object",
        "properties": whose | common,
        "required": [*whose, CHURNED],
        "additionalProperties": False,
        "examples": [{**example, CHURNED: True, OBSERVED_AT: "2025-05-31T17:00:00+02:00"}],
    }


def _key_schema(key: Key) -> dict[str, Any]:
    texts = sorted(text for text in key.missing if isinstance(text, str) and text)
    schema = key.json_schema() | {"type": ["string", "integer"], "minLength": 1}
    return schema | ({"not": {"enum": texts}} if texts else {})
