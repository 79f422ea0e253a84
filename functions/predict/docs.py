"""The API's description, `/openapi.json`, and the page that shows it, `/docs`.

Every address in them is relative, so they hold behind any stage or prefix, and the page brings its
own scripts: it needs nothing from elsewhere.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from running import Run
from starlette.exceptions import HTTPException

from evergreen.errors import CorruptModelError, NoModelError
from evergreen.jobs.champion import Champion

MAX_BATCH = 1_000
"""The most customers of one request."""

_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}

_PROBLEM = {
    "title": "Problem",
    "description": "An error, as RFC 9457 has it.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do about it"},
        "errors": {
            "type": "array",
            "description": "For customers who don't fit the schema: every value that is wrong",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": "integer", "description": "Which customer, from 0"},
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Any error",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
}
"""How every route's errors are described."""


def body(schema: str) -> dict[str, Any]:
    """Describe a request body by the name of one of the description's schemas."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"requestBody": {"required": True, "content": content}}


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
        )

    @app.get("/docs/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
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
        customer = champion.model().schema.json_schema()
    except (NoModelError, CorruptModelError) as error:
        customer = {"type": "object", "description": str(error)}
    components = description.setdefault("components", {})
    components.setdefault("schemas", {}).update(
        Problem=_PROBLEM,
        Customer=customer,
        Customers={
            "type": "array",
            "items": {"$ref": "#/components/schemas/Customer"},
            "minItems": 1,
            "maxItems": MAX_BATCH,
        },
    )
    components["securitySchemes"] = {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}
    }
    description["security"] = [{"ApiKey": []}]
    description["servers"] = [{"url": "."}]
    return description


def _assets() -> Path:
    spec = find_spec("fastapi_offline")
    assert spec and spec.origin
    return Path(spec.origin).parent / "static"
