"""A file of customers → the same customers with predictions, and those that can't be scored.

The file is streamed: memory holds a few blocks of it, however long it is.
"""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO

from evergreen.customers import files
from evergreen.customers.files import Kind
from evergreen.customers.layout import HEAD, Layout
from evergreen.errors import InputError, OutOfTimeError, TableError
from evergreen.jobs.files import campaigns
from evergreen.jobs.files.call_list import CallList
from evergreen.jobs.files.claim import Claim
from evergreen.jobs.files.filed import Filed
from evergreen.jobs.files.objects import Objects
from evergreen.jobs.files.sheet import Sheet, kept_columns
from evergreen.jobs.files.streaming import Results, Totals, stream
from evergreen.jobs.files.summary import Summary, refusal
from evergreen.jobs.files.upload import Upload
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.filed_records import FiledRecords
from evergreen.store.s3 import Bucket

MARGIN = 60.0
"""So many seconds of a function's time are kept for writing the results."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """What it takes to score an upload in one function."""

    data: Bucket
    """Where uploads and results are."""
    logs: Bucket

    def run(
        self,
        upload: Upload,
        kind: Kind,
        model: Model,
        claim: Claim,
        seconds_left: Callable[[], float],
    ) -> Summary:
        """Score an upload and publish the results, the summary last.

        One that can't be read as a table ends in an explanation; that is no failure.

        Raises:
            SupersededError: a newer upload of its name is there.

        """
        reasons, wish = upload.wanted_reasons(model.schema.campaign.reasons)
        summary = Summary(upload.key, upload.version, model.version, ignored_wish=wish)
        calls = CallList.of(model, claim.predicted_at)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            records = FiledRecords(folder, upload.id, datetime.fromisoformat(claim.predicted_at))
            filed = Filed(upload.id, claim.predicted_at, model.version, model.schema)
            try:
                with (
                    self.data.read(upload.key, upload.version) as body,
                    files.writer(folder / "answered", kind) as answered,
                    files.writer(folder / "rejected", kind) as rejected,
                    (folder / "called").open("wb") as called,
                ):
                    results = Results(answered, rejected, records.add, called)
                    file = files.unpacked(body, kind)
                    in_time = _in_time(seconds_left)
                    summary = score(
                        model,
                        file,
                        kind,
                        results,
                        summary,
                        filed=filed,
                        reasons=reasons,
                        calls=calls,
                        in_time=in_time,
                    )
                records.ship(self.logs)
                if calls:
                    campaigns.keep(self.logs, calls, upload.id, claim.predicted_at)
            except InputError as error:
                summary = replace(summary, status="refused", error=str(error))
                with files.writer(folder / "rejected", kind) as rejected:
                    rejected.write(refusal(str(error), json_lines=kind.json))
            self._publish(upload, kind, folder, summary)
        return summary

    def _publish(self, upload: Upload, kind: Kind, folder: Path, summary: Summary) -> None:
        """Write the results, or remove those of an earlier upload of that name."""
        unread = summary.rejected > 0 or summary.error is not None
        plain = kind._replace(gzipped=False)
        for name, key, of, wanted in (
            ("answered", keys.scored(upload.key), kind, summary.scored > 0),
            ("rejected", keys.rejected(upload.key), kind, unread),
            ("called", keys.call_list(upload.key), plain, summary.calls > 0),
        ):
            upload.publish_file(
                self.data, key, folder / name, files.content_type(of), wanted=wanted
            )
        upload.publish_text(self.data, keys.score_summary(upload.key), summary.to_bytes())


def score(
    model: Model,
    file: IO[bytes],
    kind: Kind,
    results: Results,
    summary: Summary,
    *,
    filed: Filed | None = None,
    reasons: int = 0,
    calls: CallList | None = None,
    in_time: Callable[[], bool] = lambda: True,
) -> Summary:
    """Score the customers of a file.

    Args:
        model: what predicts.
        file: the file, unpacked, from its start on.
        kind: of the file.
        results: where answers, rejected rows and records go.
        summary: what to fill in.
        filed: makes the records, if there are to be any.
        reasons: how many each customer is given.
        calls: takes the customers, if there is to be a call list.
        in_time: whether there is time for more.

    Raises:
        TableError: it can't be read as a table of the model's customers, or not in time.

    """
    try:
        if kind.json:
            objects = Objects(model, filed, reasons, calls)
            totals = stream(objects, objects.batches(file), results, in_time=in_time)
            if totals == Totals():
                raise TableError("the file is empty: there is no object in it")
            results.called.writelines(objects.call_list())
            told = objects.summary()
        else:
            head = files.read(file, HEAD)
            layout = Layout.of(head, complete=len(head) < HEAD, schema=model.schema)
            kept = kept_columns(layout, model.schema, head)
            sheet = Sheet(model, layout, filed, kept, reasons, calls)
            for out, header in zip(
                (results.answered, results.rejected), sheet.headers(), strict=True
            ):
                out.write(header)
            batches = sheet.batches(file, read=head[layout.body :])
            totals = stream(sheet, batches, results, in_time=in_time)
            results.called.writelines(sheet.call_list())
            told = sheet.summary()
    except OutOfTimeError as error:
        raise TableError(
            f"the file is more than one function reads in its time, which was over after"
            f" {error.rows:,} rows: put it in in pieces, or as a .csv in UTF-8, which is cut"
        ) from None
    listed = calls.told() if calls else None
    return replace(summary, **asdict(totals), **told, call_list=listed)


def _in_time(seconds_left: Callable[[], float]) -> Callable[[], bool]:
    return lambda: seconds_left() > MARGIN
