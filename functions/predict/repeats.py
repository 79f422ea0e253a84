"""Answers that are given again to whoever repeats a request by its `Idempotency-Key`.

As in the IETF's draft of that header (draft-ietf-httpapi-idempotency-key-header), but in the memory
of one process, for there is no database: where another one gets the repetition, it predicts anew,
under the same ids, and readers of the inference log count one.
"""

from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock
from typing import NamedTuple

from asking import Asked
from starlette.exceptions import HTTPException

_ROOM = 16 * 1_024 * 1_024
_OWN = 512  # bytes that an answer needs beside itself


class _Known(NamedTuple):
    request: bytes
    answer: bytes

    @property
    def size(self) -> int:
        return len(self.answer) + _OWN


class Repeats:
    """The answers that were asked for last, so many bytes of them; threads may share it."""

    def __init__(self, room: int = _ROOM) -> None:
        """Start with none."""
        self._left = room
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._lock = Lock()

    def once(self, asked: Asked, work: Callable[[], bytes]) -> bytes:
        """Do the work of a request, unless its answer is known.

        Two that come at the same time are both worked for, and get the same ids.

        Raises:
            HTTPException: its key is that of another request.

        """
        if asked.key is None:
            return work()
        name, request = asked.name(), asked.fingerprint()
        known = self._find(name)
        if known is None:
            known = _Known(request, work())
            self._keep(name, known)
        if known.request != request:
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_CONTENT,
                "another request had this Idempotency-Key; give each a key of its own",
            )
        return known.answer

    def _find(self, name: bytes) -> _Known | None:
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
            return self._known.get(name)

    def _keep(self, name: bytes, known: _Known) -> None:
        with self._lock:
            if name in self._known:
                self._left += self._known.pop(name).size
            self._known[name] = known
            self._left -= known.size
            while self._left < 0:
                _, oldest = self._known.popitem(last=False)
                self._left += oldest.size
