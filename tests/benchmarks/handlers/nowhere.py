"""A client of Firehose that does nothing, the same for all sides."""

from typing import Any


class Nowhere:
    """Takes what Firehose would."""

    def put_record_batch(self, **_: Any) -> dict[str, int]:
        return {"FailedPutCount": 0}
