"""How a route does work that may wait."""

from collections.abc import Callable
from typing import Protocol


class Run(Protocol):
    """Does a piece of work, here or in a thread, and returns what it returns."""

    async def __call__[T](self, work: Callable[[], T], /) -> T:
        """Do the work."""


async def at_once[T](work: Callable[[], T], /) -> T:
    """Do the work here and now; whatever else the loop has to do waits."""
    return work()
