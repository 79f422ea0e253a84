"""Clients of AWS's services."""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def client(service: str, config: Config | None = None) -> Any:
    """Make a client of a service, for the region and with the credentials of the environment.

    It is botocore's. Those of boto3 have methods that transfer files in threads, which cost each
    start of a function a few hundredths of a second and which nothing here needs.
    """
    return _session().create_client(service, config=config)
