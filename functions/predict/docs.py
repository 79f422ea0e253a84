"""The API's description, `/openapi.json`, and the page that shows it, `/docs`.

Every address in them is relative, so they hold behind any stage or prefix, and the page brings its
own scripts: it needs nothing from elsewhere.
"""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import prose
import watched
from answers import Accepted, Batch, Health, Model, Readiness
from bodies import MAX_BATCH
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import TypeAdapter
from request_ids import HEADER
from running import Run
from starlette.exceptions import HTTPException

from evergreen.customers import outcome_schema
from evergreen.errors import CorruptModelError, NoModelError
from evergreen.jobs.answering.champion import Champion
from evergreen.jobs.answering.prediction import Prediction

_SCHEMAS = "#/components/schemas/"
_ANSWERS = (Prediction, Batch, Model, Health, Readiness, Accepted, *watched.DOCUMENTS)
_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}


def errors(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """Describe answers that are problem documents."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": prose.REASONS[status], "content": content}
        for status in sorted(statuses)
    }


def answers(
    kind: type, statuses: Iterable[int], status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """Describe an answer, and the problem documents that there may be instead of it.

    It is not FastAPI's `response_model`: every start would make pydantic models of that, which
    nothing but this description needs.
    """
    content = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}{kind.__name__}"}}}
    return {status: {"description": "Successful Response", "content": content}, **errors(statuses)}


def pages(kind: type, statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """Describe a document that is given as JSON or as a page for people."""
    described = answers(kind, statuses)
    described[200]["content"]["text/html"] = {"schema": {"type": "string"}}
    return described


def asked(schema: str, options: Mapping[str, object]) -> dict[str, Any]:
    """Describe a request by the name of its body's schema, and by its options."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    parameters = [*(prose.PARAMETERS[name] for name in options), prose.KEY]
    return {"parameters": parameters, "requestBody": {"required": True, "content": content}}


def install(app: FastAPI, champion: Champion, run: Run) -> None:
    """Serve the description and its page."""

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        description = await run(lambda: describe(app, champion))
        return Response(orjson.dumps(description), media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def page() -> Response:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title="Evergreen",
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="data:,",
            swagger_ui_parameters={"defaultModelsExpandDepth": 0},
        )

    @app.get("/docs/{name}", include_in_schema=False)
    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise HTTPException(404)
        content = (_assets() / name).read_bytes()
        return Response(
            content, media_type=_ASSETS[name], headers={"Cache-Control": "max-age=86400"}
        )


def describe(app: FastAPI, champion: Champion) -> dict[str, Any]:
    """Return the OpenAPI document, with the fields of the customers that the served model takes."""
    app.openapi_schema = None  # FastAPI keeps the first; ours changes with the model
    description = app.openapi()
    try:
        schema = champion.model().schema
        customer, outcomes = schema.json_schema(), outcome_schema.kinds(schema)
        outcome: dict[str, Any] = {"oneOf": [{"$ref": f"{_SCHEMAS}{name}"} for name in outcomes]}
    except (NoModelError, CorruptModelError) as error:
        customer, outcomes = {"type": "object", "description": str(error)}, {}
        outcome = customer
    components = description.setdefault("components", {})
    _, made = TypeAdapter.json_schemas(
        [(kind, "serialization", TypeAdapter[object](kind)) for kind in _ANSWERS],
        ref_template=f"{_SCHEMAS}{{model}}",
    )
    schemas = components.setdefault("schemas", made["$defs"])
    for name, parts in prose.PARTS.items():
        for part, said in parts.items():
            schemas[name]["properties"][part] |= {"description": said}
    for schema in schemas.values():
        _leave_out(schema)
    schemas["Prediction"]["examples"] = [prose.PREDICTION]
    schemas |= {
        "Problem": prose.PROBLEM,
        "Customer": customer,
        "Customers": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Customer"},
            "minItems": 1,
            "maxItems": MAX_BATCH,
            "examples": [[example] for example in customer.get("examples", ())],
        },
        "Outcome": outcome,
        **outcomes,
        "Outcomes": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Outcome"},
            "minItems": 1,
            "maxItems": MAX_BATCH,
            "examples": [kind["examples"] for kind in outcomes.values()],
        },
    }
    for path in description["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                response["headers"] = {HEADER: {"$ref": "#/components/headers/RequestId"}}
    components["headers"] = {"RequestId": prose.ID}
    components["securitySchemes"] = {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}
    }
    description["security"] = [{"ApiKey": []}]
    description["servers"] = [{"url": ".", "description": "Where this description is"}]
    for operations in description["paths"].values():
        for operation in operations.values():
            operation["tags"] = ["Evergreen"]  # what generated clients call their module or class
    return description


def _leave_out(schema: dict[str, Any]) -> None:
    """Describe what need not be part of an answer as what it is where it is part: never null."""
    for part, described in schema["properties"].items():
        if part not in schema.get("required", ()) and {"type": "null"} in described.get(
            "anyOf", ()
        ):
            described.pop("default", None)
            (own,) = (each for each in described.pop("anyOf") if each != {"type": "null"})
            described |= own


def _assets() -> Path:
    spec = find_spec("fastapi_offline")
    assert spec and spec.origin
    return Path(spec.origin).parent / "static"
