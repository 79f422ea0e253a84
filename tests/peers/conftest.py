import os
from collections.abc import Iterator

import pytest

from tests.peers.asking import MISSING, READY, Peers, peers


@pytest.fixture(scope="session")
def others() -> Iterator[Peers]:
    """The peers, started once."""
    if not READY.exists():
        (pytest.fail if os.environ.get("EVERGREEN_REQUIRE_ALL") else pytest.skip)(MISSING)
    with peers() as started:
        yield started
