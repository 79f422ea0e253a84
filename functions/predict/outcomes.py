"""The route that is told what became of customers."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus

import asking
import bodies
import docs
import orjson
import prose
from answers import Accepted, Contradiction
from asking import Asked
from fastapi import FastAPI, Request, Response
from repeats import Repeats
from running import Run
from starlette.exceptions import HTTPException

from evergreen.errors import ConflictError
from evergreen.jobs.answering.champion import Champion
from evergreen.jobs.outcomes.accepting import accept
from evergreen.store.s3 import FAULTS, Bucket

_AGAIN = "5"  # seconds

logger = logging.getLogger("evergreen.api")


def install(
    app: FastAPI, champion: Champion, logs: Callable[[], Bucket], run: Run, repeats: Repeats
) -> None:
    """Take outcomes.

    Args:
        app: the API.
        champion: whose schema says what a primary key and labels are.
        logs: the bucket where outcomes are kept.
        run: as for `api.create_app`.
        repeats: answers that are given again.

    """

    @app.post(
        "/outcomes",
        status_code=HTTPStatus.ACCEPTED,
        responses=docs.answers(Accepted, prose.CUSTOMERS, HTTPStatus.ACCEPTED),
        openapi_extra=docs.asked("Outcomes", {}),
    )
    async def send_outcomes(request: Request) -> Response:
        """Say what became of up to 1,000 customers; if one outcome can't be read, none is kept.

        They are kept when this is answered, and measured later. The same body again is the same
        outcomes: it changes nothing. Of several for one prediction the one that was observed last
        counts and, of these, the one that came last.
        """
        asked = await asking.read(request, {})
        content = await run(lambda: repeats.once(asked, lambda: _accept(asked, champion, logs)))
        return Response(content, HTTPStatus.ACCEPTED, media_type=bodies.JSON)


def _accept(asked: Asked, champion: Champion, logs: Callable[[], Bucket]) -> bytes:
    given = bodies.many(asked.content, "outcome")
    schema = champion.model().schema
    try:
        found = accept(logs(), schema, given, datetime.now(UTC), _name(asked))
    except (ConflictError, *FAULTS) as error:
        logger.error("outcomes were not kept", exc_info=error)
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the outcomes are not kept, as the log can't be reached; send them again in a moment",
            {"Retry-After": _AGAIN},
        ) from error
    contradictions = [
        Contradiction(place, f"says the opposite of outcome {earlier}, observed at the same time")
        for place, earlier in found
    ]
    return orjson.dumps(Accepted(len(given), contradictions))


def _name(asked: Asked) -> str:
    """Name a request by what it says and, where it has a key, by that: no other is called so."""
    return sha256((asked.key or "").encode() + b"\0" + asked.content).hexdigest()[:32]
