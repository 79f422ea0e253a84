"""The same API outside Lambda: `uvicorn --factory server:create`."""

from api import create_app
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from wiring import champion, logger, shipper

from evergreen.errors import NoModelError


def create() -> FastAPI:
    """Build the API for a server, whose requests wait side by side, each in a thread.

    A record is in the inference log before its request is answered, so a server that lets its
    requests come to their end before it stops loses none.
    """
    try:
        champion().model()  # now, rather than while the first customer waits
    except (NoModelError, BotoCoreError, ClientError) as error:
        logger.warning("started without a model, which every request looks for: %s", error)
    return create_app(champion(), shipper().ship, run_in_threadpool)
