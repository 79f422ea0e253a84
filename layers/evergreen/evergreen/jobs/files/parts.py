"""An upload that is too large for one function: cut, scored part by part, and put together.

Every part is scored by the same model, at the same time, as the job says; so a part that runs again
writes what it wrote before. What is put together is published as any result is.
"""

import csv
import io
import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, Self

from evergreen.customers.careful import LIMIT, SeamError
from evergreen.customers.layout import HEAD, Layout
from evergreen.errors import ConflictError, SupersededError, TableError
from evergreen.jobs.files import campaigns
from evergreen.jobs.files.call_list import CallList
from evergreen.jobs.files.claim import Claim
from evergreen.jobs.files.filed import Filed
from evergreen.jobs.files.sheet import Sheet, kept_columns
from evergreen.jobs.files.splitting import cuts, manifest
from evergreen.jobs.files.streaming import Results, Totals, stream
from evergreen.jobs.files.summary import Summary, refusal
from evergreen.jobs.files.upload import Upload
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.ahead import ahead
from evergreen.store.filed_records import FiledRecords
from evergreen.store.machine import Machine
from evergreen.store.s3 import Bucket

logger = logging.getLogger(__name__)

_BEYOND = 4 * LIMIT  # bytes behind a part, which tell whether its last record ends there
_CSV = "text/csv"


@dataclass(frozen=True, slots=True)
class Job:
    """What all parts of an upload have in common."""

    upload: Upload
    claim: Claim
    model_version: str
    layout: Layout
    kept: int
    """How many of the columns are the user's own."""
    parts: int

    @property
    def prefix(self) -> str:
        """Where all that belongs to it lies."""
        return keys.score_job(self.upload.id)

    def to_bytes(self) -> bytes:
        """Return the job as it is stored."""
        stored = asdict(self) | {"layout": self.layout.to_dict()}
        return json.dumps(stored, default=str).encode()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a stored job."""
        stored = json.loads(content)
        upload = stored["upload"]
        return cls(
            **stored
            | {
                "upload": Upload(
                    **upload | {"modified": datetime.fromisoformat(upload["modified"])}
                ),
                "claim": Claim(**stored["claim"]),
                "layout": Layout.from_dict(stored["layout"]),
            }
        )


@dataclass(frozen=True, slots=True)
class PartScoring:
    """What it takes to score an upload in parts."""

    data: Bucket
    logs: Bucket
    load: Callable[[str], Model]
    """Loads a version by its name."""
    machine: Machine
    """Calls `part` for every part of a job, and then `join`."""
    part_bytes: int

    def begin(self, upload: Upload, model: Model, claim: Claim) -> bool:
        """Cut an upload and set the machine going; False where it can't be cut.

        Raises:
            TableError: it can't be read as a table of the model's customers.

        """
        head = self.data.read(upload.key, upload.version, 0, HEAD).read()
        layout = Layout.of(head, complete=False, schema=model.schema)
        if not layout.divisible:
            return False

        def read(start: int, end: int) -> bytes:
            return self.data.read(upload.key, upload.version, start, end).read()

        ranges = cuts(read, upload.size, self.part_bytes, layout.dialect, layout.width, layout.body)
        if len(ranges) < 2:
            return False
        kept = kept_columns(layout, model.schema, head)
        job = Job(upload, claim, model.version, layout, kept, len(ranges))
        self.data.put(keys.score_job_parts(job.prefix), manifest(ranges), _CSV)
        with suppress(ConflictError):  # an event that came twice: the first job stands
            self.data.create(keys.score_job_document(job.prefix), job.to_bytes())
        self.machine.start(upload.id, {"job": job.prefix})
        return True

    def part(self, prefix: str, number: int, start: int, end: int) -> None:
        """Score one part of a job, and write the pieces of the results; the counts last."""
        job = self._job(prefix)
        upload, size = job.upload, job.upload.size
        try:
            upload.require_newest(self.data)
        except SupersededError as error:
            logger.info("%s", error)
            return
        model = self.load(job.model_version)
        part = f"{upload.id}-{number}"
        filed = Filed(part, job.claim.predicted_at, model.version, model.schema)
        calls = CallList.of(model, job.claim.predicted_at)
        sheet = self._sheet(job, model, filed, calls)
        beyond = self.data.read(upload.key, upload.version, end, min(end + _BEYOND, size)).read()
        with tempfile.TemporaryDirectory() as name:
            answered, rejected = Path(name, "answered"), Path(name, "rejected")
            records = FiledRecords(Path(name), part, datetime.fromisoformat(job.claim.predicted_at))
            with (
                self.data.read(upload.key, upload.version, start, end) as body,
                answered.open("wb") as good,
                rejected.open("wb") as bad,
            ):
                counted = _Counted(body)
                try:
                    batches = sheet.batches(counted, line=0, beyond=beyond)
                    totals = stream(sheet, batches, Results(good, bad, records.add))
                except TableError as error:
                    self._put(job, number, {"error": f"{error} (from byte {start:,} on)"})
                    return
                except SeamError as error:
                    reason = (
                        f"a quoted cell goes on beyond byte {end:,}, where it was cut ({error})"
                    )
                    self._put(job, number, {"error": reason})
                    return
            records.ship(self.logs)
            self.data.upload(keys.score_piece(prefix, "answered", number), answered, _CSV)
            self.data.upload(keys.score_piece(prefix, "rejected", number), rejected, _CSV)
        listed = calls.to_bytes() if calls else b""
        if listed:
            key = keys.score_piece(prefix, "called", number)
            self.data.put(key, listed, "application/octet-stream")
        counts = {"totals": asdict(totals), "lines": counted.lines, "called": bool(listed)}
        self._put(job, number, counts)

    def join(self, prefix: str) -> Summary:
        """Put the pieces of a job together and publish them, the summary last.

        Raises:
            NotFoundError: a piece is missing.

        """
        job = self._job(prefix)
        upload = job.upload
        summary = Summary(upload.key, upload.version, job.model_version)
        try:
            return self._join(job, summary)
        except SupersededError as error:
            logger.info("%s", error)
            return replace(summary, status="superseded", error=str(error))

    def _join(self, job: Job, summary: Summary) -> Summary:
        upload = job.upload
        upload.require_newest(self.data)
        counts = [found for _, found in ahead(partial(self._counts, job), range(job.parts))]
        errors = [count["error"] for count in counts if "error" in count]
        model = self.load(job.model_version)
        calls = CallList.of(model, job.claim.predicted_at)
        sheet = self._sheet(job, model, None, calls)
        _, wish = upload.wanted_reasons(model.schema.campaign.reasons)
        summary = replace(summary, ignored_wish=wish)
        with tempfile.TemporaryDirectory() as name:
            rejected, called = Path(name, "rejected"), Path(name, "called")
            if errors:
                told = f"{errors[0]}: put the file in in pieces"
                summary = replace(summary, status="refused", error=told)
                rejected.write_bytes(refusal(told))
                upload.withdraw(self.data, keys.scored(upload.key))
            else:
                totals = Totals()
                for count in counts:
                    totals += Totals(**count["totals"])
                listed = self._called(job, counts, sheet, calls, called) if calls else None
                summary = replace(summary, **asdict(totals), **sheet.summary(), call_list=listed)
                answered, reasons = sheet.headers()
                self._publish_answers(job, answered, wanted=summary.scored > 0)
                rejected.write_bytes(reasons)
                with rejected.open("ab") as out:
                    self._rejected(job, counts, out)
            wanted = bool(summary.rejected or errors)
            upload.publish_file(self.data, keys.rejected(upload.key), rejected, _CSV, wanted=wanted)
            key, wanted = keys.call_list(upload.key), summary.calls > 0
            upload.publish_file(self.data, key, called, _CSV, wanted=wanted)
        upload.publish_text(self.data, keys.score_summary(upload.key), summary.to_bytes())
        return summary

    def _publish_answers(self, job: Job, header: bytes, *, wanted: bool) -> None:
        key = keys.scored(job.upload.key)
        if not wanted:
            job.upload.withdraw(self.data, key)
            return
        first = keys.score_piece(job.prefix, "answered", "header")
        self.data.put(first, header, _CSV)
        pieces = [keys.score_piece(job.prefix, "answered", part) for part in range(job.parts)]
        write = partial(self.data.concatenate, key, [first, *pieces], _CSV)
        job.upload.publish(self.data, key, write)

    def _called(
        self,
        job: Job,
        counts: Sequence[dict[str, Any]],
        sheet: Sheet,
        calls: CallList,
        file: Path,
    ) -> dict[str, Any]:
        """Write the call list, of the best of all parts; return what is told of it."""
        wanted = [
            keys.score_piece(job.prefix, "called", part)
            for part, count in enumerate(counts)
            if count.get("called")
        ]
        for _, (listed, _) in ahead(self.data.get, wanted):
            calls.merge(listed)
        with file.open("wb") as out:
            out.writelines(sheet.call_list())
        campaigns.keep(self.logs, calls, job.upload.id, job.claim.predicted_at)
        return calls.told()

    def _rejected(self, job: Job, counts: Sequence[dict[str, Any]], out: IO[bytes]) -> None:
        """Write the rejected rows of all parts, each with its line in the whole file."""
        dialect = job.layout.dialect
        before = accumulate((count["lines"] for count in counts), initial=job.layout.lines)
        for part, (count, lines) in enumerate(zip(counts, before, strict=False)):
            if count["totals"]["rejected"]:
                piece = self.data.get(keys.score_piece(job.prefix, "rejected", part))[0]
                text = io.StringIO(piece.decode(dialect.encoding), newline="")
                rows = csv.reader(text, delimiter=dialect.delimiter)
                told = io.StringIO(newline="")
                csv.writer(
                    told, delimiter=dialect.delimiter, lineterminator=dialect.newline
                ).writerows([*cells, int(line) + lines, reason] for *cells, line, reason in rows)
                out.write(told.getvalue().encode(dialect.encoding))

    def _sheet(self, job: Job, model: Model, filed: Filed | None, calls: CallList | None) -> Sheet:
        reasons, _ = job.upload.wanted_reasons(model.schema.campaign.reasons)
        return Sheet(model, job.layout, filed, job.kept, reasons, calls)

    def _job(self, prefix: str) -> Job:
        return Job.parse(self.data.get(keys.score_job_document(prefix))[0])

    def _put(self, job: Job, number: int, counts: dict[str, Any]) -> None:
        key = keys.score_piece(job.prefix, "counts", number)
        self.data.put(key, json.dumps(counts).encode())

    def _counts(self, job: Job, number: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.data.get(keys.score_piece(job.prefix, "counts", number))[0]
        )
        return found


@dataclass(slots=True)
class _Counted:
    """A stream whose lines are counted as they are read."""

    stream: IO[bytes]
    lines: int = 0

    def read(self, size: int) -> bytes:
        chunk = self.stream.read(size)
        self.lines += chunk.count(b"\n")
        return chunk
