"""The routes of the API. A customer's fields are those of the served model's schema."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import answers
import asking
import bodies
import docs
import orjson
import outcomes
import problems
import prose
import request_ids
import watching
from asking import Asked
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from repeats import Repeats
from running import Run, at_once

from evergreen.jobs.answering.champion import Champion
from evergreen.jobs.answering.prediction import Attempt, Prediction, attempt, predict, records
from evergreen.store.inference_log import Record
from evergreen.store.s3 import Bucket


def create_app(
    champion: Champion,
    ship: Callable[[Sequence[Record]], None],
    logs: Callable[[], Bucket],
    run: Run = at_once,
) -> FastAPI:
    """Build the API.

    Args:
        champion: where the model comes from, asked anew for every request.
        ship: takes the record of every prediction before the answer is given.
        logs: the log bucket, which keeps outcomes and what is measured and reported.
        run: does the work of a request, which may wait for S3 or Firehose. A Lambda has one request
            at a time, so it does that at once; a server has others to go on with meanwhile.

    """
    app = FastAPI(
        title="Evergreen",
        description=prose.DESCRIPTION,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.router.route_class = _Route
    problems.install(app)
    request_ids.install(app)
    repeats = Repeats()

    def found(asked: Asked, customers: Sequence[bodies.Customer]) -> Attempt:
        served = champion.model()
        ids = asked.ids(len(customers))
        if asked.skipping:
            found = attempt(served, customers, ids, explained=asked.explained)
        else:
            found = Attempt([*predict(served, customers, ids, explained=asked.explained)], [])
        ship(records(served.schema, found.predictions, customers))
        return found

    @app.post(
        "/predict",
        name="predict",
        responses=docs.answers(Prediction, prose.CUSTOMERS),
        openapi_extra=docs.asked("Customer", asking.ONE),
    )
    async def predict_one(request: Request) -> Response:
        """Predict whether one customer will leave."""
        asked = await asking.read(request, asking.ONE)

        def work() -> bytes:
            return answers.one(found(asked, [bodies.one(asked.content)]))

        return _json(await run(lambda: repeats.once(asked, work)))

    @app.post(
        "/predict/batch",
        responses=docs.answers(answers.Batch, prose.CUSTOMERS),
        openapi_extra=docs.asked("Customers", asking.BATCH),
    )
    async def predict_batch(request: Request) -> Response:
        """Predict for up to 1,000 customers; if one does not fit the schema, for none of them,
        or, with `on_invalid=skip`, for all others.
        """
        asked = await asking.read(request, asking.BATCH)

        def work() -> bytes:
            batch = found(asked, bodies.many(asked.content))
            return answers.many(batch, skipping=asked.skipping)

        return _json(await run(lambda: repeats.once(asked, work)))

    outcomes.install(app, champion, logs, run, repeats)
    watching.install(app, logs, run)

    @app.get("/model", responses=docs.answers(answers.Model, prose.MODEL))
    async def model() -> Response:
        """Describe the model that serves: where it comes from, how good it is, what it expects."""
        return _json(orjson.dumps(await run(lambda: answers.describe(champion))))

    @app.get(
        "/health",
        responses=docs.answers(answers.Health, prose.KEYLESS),
        openapi_extra={"security": []},
    )
    async def health() -> Response:
        """Say that the function runs, whatever else is the case."""
        return _json(orjson.dumps(answers.Health()))

    @app.get("/ready", responses=docs.answers(answers.Readiness, prose.MODEL))
    async def ready() -> Response:
        """Say whether predictions can be given, and by which model."""
        served = await run(champion.model)
        return _json(orjson.dumps(answers.Readiness(served.version)))

    docs.install(app, champion, run)
    _answer_head(app)
    return app


class _Route(APIRoute):
    """A route; where it is given the request as it is, nobody looks for parameters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        return self.endpoint if self.dependant.request_param_name else super().get_route_handler()


def _answer_head(app: FastAPI) -> None:
    """Answer HEAD wherever GET is answered; the server leaves the body out."""
    for route in list(app.routes):
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            app.add_api_route(route.path, route.endpoint, methods=["HEAD"], include_in_schema=False)


def _json(content: bytes) -> Response:
    return Response(content, media_type=bodies.JSON)
