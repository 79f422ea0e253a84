"""What can go wrong with a call, and the place where it does: the n-th call of a process.

Counted are operations, not attempts: what botocore mends by itself is no fault, and what it makes
of a reply that was lost, a second attempt that is refused, is one.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.policies import Need, needs, needs_if_not_there

from .memory import Memory, refusal

_READS = re.compile(r"Get|Head|List|Describe")
_URL = "https://aws.example"


class Killed(BaseException):
    """The process ends here, and does nothing any more."""


class Kind(Enum):
    """How a call goes wrong."""

    REFUSED = "refused"
    THROTTLED = "throttled"
    TIMED_OUT = "timed out"
    AWAY = "away from then on"
    LOST = "reply lost after it took effect"
    RETRIED = "reply lost, and tried again by botocore"
    KILLED_BEFORE = "killed before it"
    KILLED_AFTER = "killed after it"


AT_WRITES = (Kind.LOST, Kind.RETRIED, Kind.KILLED_BEFORE, Kind.KILLED_AFTER)
"""What only writes tell apart: a reading whose reply is lost has timed out, whatever it did."""


class Call(NamedTuple):
    """What is called, and where."""

    service: str
    operation: str
    bucket: str
    key: str

    @property
    def writes(self) -> bool:
        return not _READS.match(self.operation)


@dataclass(slots=True)
class Faults:
    """Stands between the clients and the account."""

    memory: Memory
    calls: list[Call] = field(default_factory=list)
    needs: set[Need] = field(default_factory=set)
    """All that these calls must be allowed."""
    kind: Kind | None = None
    at: int = 0
    """The number of the call that goes wrong, from 1 on; for `AT_WRITES`, of the write."""
    struck: Call | None = None
    """The call that went wrong."""
    dead: bool = False
    _seen: int = 0
    _counting: Any = field(default_factory=threading.Lock)

    def plan(self, kind: Kind | None, at: int = 0) -> None:
        """Let one call go wrong from here on, and a process begin."""
        self.calls, self.needs = [], set()
        self.kind, self.at, self.struck, self.dead, self._seen = kind, at, None, False, 0

    def call(self, client: Any, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """Answer a call, or let it go wrong."""
        if self.dead:
            raise Killed
        call = Call(
            client.meta.service_model.service_name,
            operation,
            given.get("Bucket", ""),
            str(given.get("Key") or given.get("Prefix") or ""),
        )

        def do() -> dict[str, Any]:
            try:
                return self.memory.answer(client, operation, given)
            except ClientError as error:
                if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                    self.needs.add(needs_if_not_there(given))
                raise

        with self._counting:
            self.calls.append(call)
            self.needs.update(needs(call.service, operation, given))
            if self.kind and (call.writes or self.kind not in AT_WRITES):
                self._seen += 1
                if self._seen == self.at or (self.struck and self.kind is Kind.AWAY):
                    self.struck = self.struck or call
                    return self._strike(self.kind, operation, given, do)
            return do()

    def _strike(
        self,
        kind: Kind,
        operation: str,
        given: dict[str, Any],
        do: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        match kind:
            case Kind.REFUSED:
                raise refusal(operation, "AccessDenied", 403)
            case Kind.THROTTLED:
                raise refusal(operation, "SlowDown", 503)
            case Kind.TIMED_OUT | Kind.AWAY:
                raise ReadTimeoutError(endpoint_url=_URL)
            case Kind.LOST:
                do()
                raise ConnectionClosedError(endpoint_url=_URL)
            case Kind.RETRIED:
                do()
                if hasattr(given.get("Body"), "seek"):
                    given["Body"].seek(0)
                return do()
            case Kind.KILLED_BEFORE:
                self.dead = True
                raise Killed
            case Kind.KILLED_AFTER:
                do()
                self.dead = True
                raise Killed
