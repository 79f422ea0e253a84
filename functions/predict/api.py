"""The routes of the API. A customer's fields are those of the served model's schema."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import docs
import orjson
import problems
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from running import Run, at_once
from starlette.exceptions import HTTPException

from evergreen.errors import InputError
from evergreen.jobs.champion import Champion
from evergreen.jobs.prediction import Prediction, predict, records
from evergreen.store.inference_log import Record

_PROMOTIONS = 10
_MAX_BODY = 6 * 1_024 * 1_024  # what Lambda takes; a server is no more generous


@dataclass(frozen=True, slots=True)
class Batch:
    """Predictions, in the order of the customers."""

    predictions: list[Prediction]


def create_app(
    champion: Champion, ship: Callable[[Sequence[Record]], None], run: Run = at_once
) -> FastAPI:
    """Build the API.

    Args:
        champion: where the model comes from, asked anew for every request.
        ship: takes the record of every prediction before the answer is given.
        run: does the work of a request, which may wait for S3 or Firehose. A Lambda has one request
            at a time, so it does that at once; a server has others to go on with meanwhile.

    """
    app = FastAPI(
        title="Evergreen",
        description="Which customers will leave. An error of any kind is a problem document.",
        responses=docs.PROBLEMS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    problems.install(app)
    docs.install(app, champion, run)

    async def answer(customers: Sequence[Mapping[str, object]]) -> list[Prediction]:
        def work() -> list[Prediction]:
            served = champion.model()
            predictions = predict(served, customers)
            ship(records(served.schema, predictions, customers))
            return predictions

        return await run(work)

    @app.post("/predict", response_model=Prediction, openapi_extra=docs.body("Customer"))
    async def predict_one(request: Request) -> Response:
        """Predict whether one customer will leave."""
        (prediction,) = await answer([await _body(request, dict)])
        return _json(prediction)

    @app.post("/predict/batch", response_model=Batch, openapi_extra=docs.body("Customers"))
    async def predict_batch(request: Request) -> Response:
        """Predict for up to 1,000 customers; if one does not fit the schema, for none of them."""
        customers = await _body(request, list)
        if not 0 < len(customers) <= docs.MAX_BATCH:
            raise InputError(
                f"a batch holds 1 to {docs.MAX_BATCH:,} customers, not {len(customers):,}"
            )
        for index, customer in enumerate(customers):
            if not isinstance(customer, dict):
                raise InputError(f"customer {index} (counted from 0) must be a JSON object")
        return _json(Batch(await answer(customers)))

    @app.get("/model")
    async def model() -> Response:
        """Describe the model that serves: where it comes from, how good it is, what it expects."""
        return _json(await run(lambda: _describe(champion)))

    @app.get("/health", openapi_extra={"security": []})
    async def health() -> Response:
        """Say that the function runs, whatever else is the case."""
        return _json({"status": "ok"})

    @app.get("/ready")
    async def ready() -> Response:
        """Say whether predictions can be given, and by which model."""
        served = await run(champion.model)
        return _json({"status": "ready", "model_version": served.version})

    _answer_head(app)
    return app


def _answer_head(app: FastAPI) -> None:
    """Answer HEAD wherever GET is answered; the server leaves the body out."""
    for route in list(app.routes):
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            app.add_api_route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)


def _describe(champion: Champion) -> dict[str, object]:
    served = champion.model()
    manifest = served.manifest
    return {
        "version": served.version,
        "trained_at": manifest.created,
        "trigger": manifest.trigger,
        "parent": manifest.parent,
        "decision": manifest.decision,
        "warnings": manifest.warnings,
        "history": manifest.history,
        "threshold": served.threshold,
        "metrics": served.metrics,
        "schema": served.schema.document,
        "promotions": [asdict(move) for move in champion.moves(_PROMOTIONS)],
    }


async def _body[T: (dict[str, Any], list[Any])](request: Request, kind: type[T]) -> T:
    """Parse a request's JSON, which must be an object or a list."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MAX_BODY:
            raise HTTPException(
                HTTPStatus.CONTENT_TOO_LARGE, "a body may have 6 MiB; send fewer customers at once"
            )
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error}") from None
    if not isinstance(body, kind):
        wanted = "object: one customer" if kind is dict else "list of customers"
        raise InputError(f"the body must be a JSON {wanted}")
    return body


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
