"""What the API's description says in words, and what of it FastAPI can't derive."""

from typing import Any

import asking
import problems
from answers import EACH
from bodies import MAX_BATCH

DESCRIPTION = f"""\
Which customers will leave.

An error of any kind is a problem document (RFC 9457). There are no other routes than these and
`/docs`, `/openapi.json`: 404. Other methods are 405, and `Allow` says which there are (HEAD is
answered wherever GET is); API Gateway knows no method but these and answers the others 404.

A body is JSON in UTF-8, with or without a byte-order mark, and may come with
`Content-Encoding: gzip`. A batch holds up to {MAX_BATCH:,} customers.

A request with an `Idempotency-Key` may be sent again: it is one prediction. The ids of its
predictions follow from the key and the body, so records of a repetition have the same ids and
count once; the process that answered gives the very same answer again, for as long as it lives
and remembers (16 MiB of answers), and refuses another request with that key.

Outcomes need no such key: the same body on the same day is the same outcomes, and is kept once. An
`Idempotency-Key` tells two of the same words apart.
"""

REASONS = {
    400: "A query parameter or `Idempotency-Key` is not what it may be; or the body is no JSON (in"
    " UTF-8, less than 1,000 deep), or none that is wanted here: one object for one customer, a"
    f" list of 1 to {MAX_BATCH:,} for a batch. `NaN` and infinities, which are no JSON, are named"
    " by their field",
    403: "The header `x-api-key` has no key of this API",
    404: "There is none yet; `detail` says when there will be one",
    406: "It is given as none of the types that `Accept` names",
    413: "The body, unpacked, is larger than 6 MiB; send fewer customers at once",
    415: "The body is said to be something other than `application/json` (to say nothing is fine),"
    " or to be compressed other than by gzip",
    422: "A customer does not fit the schema, or an outcome can't be read, so none was answered or"
    " kept: `errors` says what is wrong."
    " Without `errors`: the `Idempotency-Key` was that of another request",
    429: "More requests than are let through, or the quota of the key is used up",
    500: "Our fault; it is in the function's log",
    503: "There is no model yet, or a store can't be reached; try again in a moment",
    504: "There was no answer in time; try again",
}

KEYLESS = (429, 500, 504)
"""What any route may answer if it has no answer, …"""
MODEL = (403, *KEYLESS, 503)
"""… a route that needs a key and a model, …"""
CUSTOMERS = (400, *MODEL, 413, 415, 422)
"""… and one that is given customers as well, or outcomes."""
PERFORMANCE = (*MODEL, 404)
"""What a route may answer that gives a document of the log, …"""
DRIFT = (*PERFORMANCE, 406)
"""… and one that gives it in several types."""

UNCHANGED = {304: {"description": "It has still one of the ETags that `If-None-Match` names"}}
"""What such routes may answer as well."""

PROBLEM = {
    "title": "Problem",
    "description": "An error, as RFC 9457 has it.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Bad Request"]},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, and what to do about it"},
        "errors": {
            "type": "array",
            "description": "For customers or outcomes that don't fit: the values that are wrong",
            "minItems": 1,
            "maxItems": problems.MOST,
            "items": {"$ref": "#/components/schemas/InvalidValue"},
        },
    },
}

PARTS = {
    "Prediction": {
        "prediction_id": "A UUID: of version 7 (RFC 9562), which sorts by time, or of version 8,"
        " made of the `Idempotency-Key`, the body and the customer's place in it",
        "churn_probability": "The probability that the customer leaves, of six decimals",
        "will_churn": "Whether that is the threshold or more",
        "threshold": "The model's own or, where the schema states a `value`, the customer's"
        " break-even probability, from which a contact pays; above 1 where it never does",
        "risk": "High from the threshold on, medium from half of it",
        "ignored_fields": "The customer's fields that the model does not know, sorted",
        "key": "The fields of the schema's primary key as they were given, null where they were"
        " not. Absent where the schema has no primary key",
        "expected_value": "What contacting the customer brings, in the currency of the schema, to"
        " the cent. Absent where the schema's target states no `value`",
        "typical_probability": "The probability of a typical customer. With `explain=true`, as are"
        " `reasons` and `other_changes`: the changes of all reasons and `other_changes` add up to"
        " `churn_probability` less `typical_probability`",
        "reasons": "The features that change the probability most against a typical customer's,"
        " strongest first: five at the most",
        "other_changes": "What all other features change, taken together",
    },
    "Reason": {
        "feature": "The field's name",
        "value": "The customer's value, null where it is not known",
        "typical": "The typical customer's value, null where it is not known of most",
        "change": "What it changes of the probability: above 0 it raises the risk",
        "sentence": "The same in words",
    },
    "Batch": {
        "predictions": "In the order of the customers. With `on_invalid=skip`, null for each who"
        " does not fit the schema, be it all of them",
        "errors": "With `on_invalid=skip`: what is wrong with the customers who have no"
        f" prediction, {EACH} values of each at the most. Else absent, as there are none",
    },
    "InvalidValue": {"index": "Which customer, or which outcome, from 0"},
    "Accepted": {
        "accepted": "How many outcomes are kept: all",
        "contradictions": "Those that say the opposite of another one of the request. They are kept"
        " as well, and the measurement counts them",
    },
    "Contradiction": {"index": "Which outcome, from 0"},
    "Model": {
        "threshold": "The model's own. Where the schema states a `value`, answers have each"
        " customer's break-even probability instead",
    },
}
"""The parts of answers."""

PREDICTION = {
    "prediction_id": "019c0000-5a00-7000-9f3b-0242ac120002",
    "churn_probability": 0.731204,
    "will_churn": True,
    "threshold": 0.412087,
    "risk": "high",
    "model_version": "20260128T000000Z-0123abcd",
    "ignored_fields": [],
}
"""An answer as an example."""

PARAMETERS: dict[str, dict[str, Any]] = {
    "explain": {
        "name": "explain",
        "in": "query",
        "description": "Whether to give reasons",
        "schema": {"type": "boolean", "default": False},
    },
    "on_invalid": {
        "name": "on_invalid",
        "in": "query",
        "description": "What becomes of a batch with customers who don't fit the schema: it is"
        " refused, or they are skipped, their predictions being null",
        "schema": {"type": "string", "enum": [*asking.BATCH["on_invalid"]], "default": "refuse"},
    },
}
"""The options of a request. There are no others: what else is given is a 400."""

KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes the request one that may be sent again: a new one, such as a UUID, for"
    " each prediction or batch",
    "schema": {"type": "string", "pattern": f"^{asking.KEY}$"},
}
ID = {
    "description": "The request's id, which its lines in the log have as well: the gateway's or,"
    " where it gives none, the request's own `x-request-id`, if it has a plain one",
    "schema": {"type": "string"},
}
"""The header `x-request-id` of an answer that is ours, not the gateway's."""
