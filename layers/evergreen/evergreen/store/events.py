"""What Evergreen tells whoever listens, on the default event bus."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from evergreen.store import aws

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "evergreen"


@dataclass(frozen=True, slots=True)
class Events:
    """The bus."""

    client: "EventBridgeClient"
    stack: str = ""
    """Which deployment speaks; others in the account share the bus."""

    @classmethod
    def connect(cls, stack: str) -> Self:
        """Reach the bus of this account and region."""
        return cls(aws.client("events"), stack)

    def publish(self, kind: str, detail: dict[str, Any]) -> None:
        """Send an event; raises RuntimeError where the bus does not take it.

        Args:
            kind: its detail-type, "Drift Detected".
            detail: what happened, which fits into 256 KB; `stack` is added.

        """
        told = json.dumps({"stack": self.stack, **detail})
        entry = {"Source": SOURCE, "DetailType": kind, "Detail": told}
        answer = self.client.put_events(Entries=[entry])  # type: ignore[list-item]
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"EventBridge did not take the event: {answer['Entries'][0]}")
