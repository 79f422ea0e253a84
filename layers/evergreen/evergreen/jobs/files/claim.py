"""What is settled when an upload is first looked at, so that scoring it again changes nothing."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Self

from evergreen.errors import ConflictError
from evergreen.jobs.files.upload import Upload
from evergreen.store import keys
from evergreen.store.s3 import Bucket


@dataclass(frozen=True, slots=True)
class Claim:
    """One upload, and the time that its predictions have."""

    source: str
    upload: str
    """The version of the object."""
    predicted_at: str

    @classmethod
    def make(cls, bucket: Bucket, upload: Upload, now: datetime) -> Self:
        """Settle it, or return what was settled before."""
        claim = cls(upload.key, upload.version, now.isoformat())
        key = keys.score_claim(upload.id)
        try:
            bucket.create(key, json.dumps(asdict(claim)).encode())
        except ConflictError:
            return cls(**json.loads(bucket.get(key)[0]))
        return claim
