"""A file of outcomes → the log, in their one normal form, and the rows that are none.

The file is streamed: memory holds some ten thousand of its outcomes, however long it is.
"""

import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal, Self

from evergreen.customers import files
from evergreen.customers.files import Kind
from evergreen.customers.outcomes import Outcome, Reader
from evergreen.customers.schema import Schema
from evergreen.errors import InputError, NotFoundError, SupersededError, TableError
from evergreen.jobs.files.summary import refusal
from evergreen.jobs.files.upload import Upload
from evergreen.jobs.outcomes.rows import Cells, Objects
from evergreen.store import keys
from evergreen.store import outcomes as kept
from evergreen.store.s3 import Bucket

PART = 50_000
"""So many outcomes of a file are one object."""
MARGIN = 60.0
"""So many seconds of a function's time are kept for writing the results."""

Status = Literal["received", "refused", "superseded", "reading"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received:
    """What became of an uploaded file of outcomes, as its summary tells it."""

    source: str
    """The key of the upload."""
    upload: str
    """The version of that object; an upload that is announced twice is taken in once."""
    received_at: str = ""
    """When it was uploaded: its outcomes lie under that day (UTC), and have that `received_at`."""
    status: Status = "received"
    """refused: nothing of it could be read; superseded: it was replaced meanwhile; reading: it is
    being read."""
    accepted: int = 0
    rejected: int = 0
    blank_lines: int = 0
    """Lines that were empty, or nothing but delimiters."""
    ignored_columns: list[str] = field(default_factory=list)
    """Those that say nothing of an outcome, sorted."""
    matched_columns: dict[str, str] = field(default_factory=dict)
    """Headers as they stand → what they were taken for."""
    read_as: dict[str, Any] = field(default_factory=dict)
    """The encoding, the delimiter: what the file was taken for."""
    error: str | None = None
    """Why the file as a whole could not be read, in which case no outcome of it is kept."""

    def to_bytes(self) -> bytes:
        """Return the summary as it is stored."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False).encode(errors="replace")

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a stored summary; raises ValueError where it is none of ours."""
        stored = json.loads(content)
        if not isinstance(stored, dict) or stored.keys() != {each.name for each in fields(cls)}:
            raise ValueError("that is no summary of outcomes")
        return cls(**stored)


def take_in(
    data: Bucket,
    logs: Bucket,
    schema: Schema,
    key: str,
    seconds_left: Callable[[], float],
) -> Received | None:
    """Take in the newest upload of a name under outcomes/, as S3's "Object Created" announces it.

    Its outcomes go to `keys.outcomes_day` of the day of its upload, the rows that can't be taken to
    `keys.outcomes_rejected`, the summary, last, to `keys.outcomes_summary`; a file of no readable
    kind is explained under `keys.explained`. One that was taken in already is left as it is. What
    an earlier upload of the name said is withdrawn.

    Args:
        data: where the upload and its results are.
        logs: where outcomes go.
        schema: of the customers: the champion's.
        key: of the upload.
        seconds_left: how long it may take.

    Returns:
        What became of it; None where it is gone, or no more than the name of a folder.

    Raises:
        BotoCoreError, ClientError: S3 failed; to be asked again changes nothing twice.

    """
    try:
        upload = Upload.find(data, key)
    except NotFoundError:
        logger.info("%s is gone", key)
        return None
    if key.endswith("/") and not upload.size:
        return None
    kind = files.kind(key)
    if kind is None:
        reason = files.refusal(key)
        data.put(keys.explained(key), f"{reason}\n".encode(), "text/plain; charset=utf-8")
        return Received(key, upload.version, status="refused", error=reason)
    before = _before(data, key)
    if before and before.upload == upload.version and before.status != "reading":
        return before
    taking = _Taking(data, logs, upload, kind, Reader(schema, upload.modified))
    try:
        return taking.run(before, lambda: seconds_left() > MARGIN)
    except SupersededError as error:
        logger.info("%s", error)
        kept.withdraw(logs, upload.modified, upload.id)
        return replace(taking.begun, status="superseded", error=str(error))


@dataclass(frozen=True, slots=True)
class _Taking:
    """One upload that is taken in."""

    data: Bucket
    logs: Bucket
    upload: Upload
    kind: Kind
    reader: Reader

    @property
    def begun(self) -> Received:
        """What is told while it is read: where its outcomes are, so that they can be withdrawn."""
        moment = self.upload.modified.astimezone(UTC).isoformat()
        return Received(self.upload.key, self.upload.version, moment, "reading")

    def run(self, before: Received | None, in_time: Callable[[], bool]) -> Received:
        """Read it; `before` is what is told of an earlier upload of the name, or of this one."""
        if before and before.received_at:
            earlier = replace(self.upload, version=before.upload)
            kept.withdraw(self.logs, datetime.fromisoformat(before.received_at), earlier.id)
        self._tell(self.begun)
        with tempfile.TemporaryDirectory() as name:
            rejected = Path(name, "rejected")
            try:
                with files.writer(rejected, self.kind) as out:
                    received = self._read(out, in_time)
            except InputError as error:
                kept.withdraw(self.logs, self.upload.modified, self.upload.id)
                received = replace(self.begun, status="refused", error=str(error))
                with files.writer(rejected, self.kind) as out:
                    out.write(refusal(str(error), json_lines=self.kind.json))
            self.upload.publish_file(
                self.data,
                keys.outcomes_rejected(self.upload.key),
                rejected,
                files.content_type(self.kind),
                wanted=received.rejected > 0 or received.error is not None,
            )
        self._tell(received)
        return received

    def _read(self, out: IO[bytes], in_time: Callable[[], bool]) -> Received:
        outcomes: list[Outcome] = []
        accepted = rejected = blank = part = 0
        with self.data.read(self.upload.key, self.upload.version) as body:
            unpacked = files.unpacked(body, self.kind)
            source = (Objects if self.kind.json else Cells)(unpacked, self.reader)
            out.write(source.header())
            for some in source.batches():
                out.write(some.rejected)
                outcomes += some.outcomes
                accepted += len(some.outcomes)
                rejected += some.refused
                blank += some.blank
                while len(outcomes) >= PART:
                    self._keep(part, outcomes[:PART])
                    part, outcomes = part + 1, outcomes[PART:]
                if not in_time():
                    raise TableError(
                        "the file is more than one function reads in its time, which was over after"
                        f" {accepted + rejected:,} rows: put it in in pieces"
                    )
        if outcomes:
            self._keep(part, outcomes)
        return replace(
            self.begun,
            status="received",
            accepted=accepted,
            rejected=rejected,
            blank_lines=blank,
            **source.told(),
        )

    def _keep(self, part: int, outcomes: Sequence[Outcome]) -> None:
        kept.write(self.logs, self.upload.modified, f"{self.upload.id}-{part:05}", outcomes)

    def _tell(self, received: Received) -> None:
        summary = keys.outcomes_summary(self.upload.key)
        self.upload.publish_text(self.data, summary, received.to_bytes())


def _before(data: Bucket, key: str) -> Received | None:
    """Return what is told of the last upload of this name."""
    try:
        return Received.parse(data.get(keys.outcomes_summary(key))[0])
    except (NotFoundError, ValueError):
        return None
