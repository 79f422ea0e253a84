"""Waiting for what the stack does."""

import time
from collections.abc import Callable

from evergreen.errors import InputError

PAUSE = 2.0
LONGEST = 1_800.0
"""Seconds; a large upload takes minutes."""


def wait[T](look: Callable[[], T | None], where: str, longest: float = LONGEST) -> T:
    """Look again and again until there is something.

    Args:
        look: returns it, None as long as it is not there.
        where: it will be.
        longest: so many seconds are waited.

    Raises:
        InputError: it did not come.

    """
    end = time.monotonic() + longest
    while (found := look()) is None:
        if time.monotonic() >= end:
            raise InputError(
                f"nothing came in {longest / 60:,.0f} minutes: it will be {where};"
                " if not, look at the failure queue (`evergreen status`)"
            )
        time.sleep(PAUSE)
    return found
