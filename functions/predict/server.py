"""The same API outside Lambda: `uvicorn --factory server:create`."""

import memory
from api import create_app
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from wiring import champion, logs, preload, shipper


def create() -> FastAPI:
    """Build the API for a server, whose requests wait side by side, each in a thread.

    A record is in the inference log before its request is answered, so a server that lets its
    requests come to their end before it stops loses none. It publishes no metrics, for nobody takes
    them out of its log.
    """
    memory.keep()
    preload()
    return create_app(champion(), shipper().ship, logs, run_in_threadpool)
