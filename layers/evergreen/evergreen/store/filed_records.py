"""Records of customers who were scored by file: gathered on disk, then written to the log."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path

from evergreen.store import keys
from evergreen.store.s3 import Bucket

_TOGETHER = 8  # batches in one object: some 20 MB unpacked, as Firehose would put together


@dataclass(slots=True)
class FiledRecords:
    """The records of one upload, or of a part of it.

    Their objects are named by the upload and the time that its predictions have, so that writing
    them again changes nothing.
    """

    folder: Path
    upload: str
    """The id of the upload, or of the part."""
    predicted_at: datetime
    _numbers: "count[int]" = field(default_factory=count)

    def add(self, records: bytes) -> None:
        """Take the records of one more batch: gzipped JSON lines."""
        number = next(self._numbers) // _TOGETHER
        with (self.folder / f"records-{number:05}").open("ab") as file:
            file.write(records)

    def ship(self, logs: Bucket) -> None:
        """Write them all."""
        for file in sorted(self.folder.glob("records-*")):
            number = file.name.removeprefix("records-")
            key = keys.filed_records(self.predicted_at, self.upload, number)
            logs.put(key, file.read_bytes(), "application/gzip")
