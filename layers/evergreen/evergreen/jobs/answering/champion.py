"""The model that serves: it follows the pointer, and never gives way to one that is broken."""

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Lock

from evergreen.errors import CorruptModelError
from evergreen.models.model import Model
from evergreen.store.registry import Move, Pointer, Registry

logger = logging.getLogger(__name__)


class Champion:
    """Loads the champion when it is first asked for, and looks for a newer one now and then.

    A version that is refused (see `Model.load`) is not tried again until the pointer moves; the
    model in memory goes on serving or, where there is none yet, the version served before it.
    A fault of the bucket while a model is in memory never fails a request, and where the look goes
    through a registry that gives up at once, it does not hold one up either.

    Threads may share it: the first model is loaded once, and while one thread looks for a newer
    one the others go on with what is in memory.
    """

    def __init__(
        self,
        registry: Registry,
        refresh: timedelta,
        clock: Callable[[], float],
        glance: Callable[[], Registry] | None = None,
    ) -> None:
        """Follow a registry's pointer.

        Args:
            registry: where the versions are.
            refresh: how long a look at the pointer is good for.
            clock: wall-clock seconds, `time.time`: after a restore from a snapshot, the time that
                has passed since then counts, so the pointer is looked at again at once.
            glance: reaches the same versions, for as long as a model is in memory.

        """
        self.registry = registry
        self._glance = glance or (lambda: self.registry)
        self._refresh = refresh.total_seconds()
        self._clock = clock
        self._looked_at = float("-inf")
        self._pointer: Pointer | None = None
        self._model: Model | None = None
        self._moves: tuple[Pointer | None, list[Move]] = (None, [])
        self._loading = Lock()

    def model(self) -> Model:
        """Return the model to answer with.

        Raises:
            NoModelError: nothing was ever promoted.
            CorruptModelError: every version that was ever promoted is refused.

        """
        now = self._clock()
        if self._model is None:
            with self._loading:
                return self._model or self._load(now)
        fresh = 0 <= now - self._looked_at < self._refresh
        if not fresh and self._loading.acquire(blocking=False):
            try:
                self._follow(now)
            finally:
                self._loading.release()
        return self._model

    def moves(self, count: int) -> list[Move]:
        """Return the latest moves of the pointer, newest first, the same number each time.

        They are read again only after the pointer has moved.
        """
        pointer, (of, moves) = self._pointer, self._moves
        if pointer is None or of is not pointer:
            moves = self._glance().latest(count, pointer)
            if pointer and moves[:1] == [pointer.move]:  # else there is one that is not served yet
                self._moves = pointer, moves
        return moves

    def _load(self, now: float) -> Model:
        self._pointer = self.registry.pointer()
        self._model = self.registry.champion(Model.load, self._pointer)
        self._looked_at = now
        logger.info("serving %s", self._model.version)
        return self._model

    def _follow(self, now: float) -> None:
        """Swap to the version that the pointer names now, if it moved and a version is sound."""
        self._looked_at = now
        moved: Pointer | None = None
        try:
            registry = self._glance()
            moved = registry.pointer_if_moved(self._pointer) if self._pointer else None
            if moved is None:
                return
            self._model = registry.champion(Model.load, moved)
            self._pointer = moved
            logger.info("serving %s", self._model.version)
        except CorruptModelError as error:
            self._pointer = moved or self._pointer  # tell it once, and wait for the next move
            logger.error("the model in memory serves on: %s", error)
        except Exception:  # S3 is slow or away: what is in memory still answers
            logger.exception("the pointer could not be read; the model in memory serves on")
