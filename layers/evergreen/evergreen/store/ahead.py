"""Many requests at a time, their answers in order: latency is what reading many objects costs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

MANY = 16
"""So many requests are ahead, where nothing else is said."""


def ahead[T, R](
    get: Callable[[T], R], wanted: Iterable[T], many: int = MANY
) -> Iterator[tuple[T, R]]:
    """Yield each that is wanted, in order, with what `get` returns for it; raises what that does.

    Args:
        get: is called by threads.
        wanted: may be any number; what comes next is asked for while one is worked on.
        many: so many are in memory, and the one that is worked on.

    """
    asked: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(many) as pool:
        for one in wanted:
            asked.append((one, pool.submit(get, one)))
            if len(asked) > many:
                first, answer = asked.popleft()
                yield first, answer.result()
        while asked:
            first, answer = asked.popleft()
            yield first, answer.result()
