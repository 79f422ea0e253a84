"""Why files under training/ are not learned from, as the data bucket says beside rejected uploads.

An explanation is there as long as its file is refused as it is: who mends a file or takes it away
finds nothing said of it after the next training.
"""

from collections.abc import Collection
from dataclasses import dataclass

from evergreen.errors import NotFoundError
from evergreen.store import keys
from evergreen.store.s3 import Bucket


@dataclass(frozen=True, slots=True)
class Explanations:
    """The explanations in a data bucket, one object each."""

    data: Bucket

    def give(self, key: str, reason: str) -> None:
        """Say why a file is not learned from, unless that was said before."""
        explanation = keys.explained(key)
        content = f"{reason}\n".encode()
        try:
            if self.data.get(explanation)[0] == content:
                return
        except NotFoundError:
            pass
        self.data.put(explanation, content, "text/plain; charset=utf-8")

    def keep(self, refused: Collection[str]) -> None:
        """Take away the explanations of all other files."""
        wanted = {keys.explained(key) for key in refused}
        for entry in self.data.list(keys.EXPLAINED):
            if entry.key.endswith(keys.REASON) and entry.key not in wanted:
                self.data.delete(entry.key)
