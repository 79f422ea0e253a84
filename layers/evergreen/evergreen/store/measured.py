"""The latest measurement of the model, as the API, the reports and the next measurement read it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from evergreen.errors import NotFoundError
from evergreen.store import keys
from evergreen.store.s3 import Bucket

VERSION = 1
"""Of the document's form."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement as it is stored."""

    document: Mapping[str, Any]
    """Empty where there is none, or none of this form."""
    etag: str | None
    """None where nothing is stored."""

    @classmethod
    def read(cls, logs: Bucket) -> Self:
        """Read the latest one."""
        try:
            content, etag = logs.get(keys.PERFORMANCE)
        except NotFoundError:
            return cls({}, None)
        try:
            document = json.loads(content)
        except ValueError:
            document = None
        fits = isinstance(document, dict) and document.get("performance_version") == VERSION
        return cls(document if fits else {}, etag)

    def replace(self, logs: Bucket, document: Mapping[str, Any]) -> None:
        """Write one over it; raises ConflictError where another run did meanwhile."""
        content = json.dumps(document, indent=2).encode()
        if self.etag is None:
            logs.create(keys.PERFORMANCE, content)
        else:
            logs.replace(keys.PERFORMANCE, content, self.etag)
