"""A CSV of customers → the same rows with predictions, and the rows that could not be scored.

The file is streamed: memory holds one chunk of it, however long it is.
"""

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import batched
from pathlib import Path
from typing import IO, Any

from evergreen.customers.table import check_fields
from evergreen.errors import InputError, NotFoundError, TableError
from evergreen.models.answers import risk, rounded, will_churn
from evergreen.models.model import Model
from evergreen.store import keys
from evergreen.store.s3 import Bucket

ADDED = ("churn_probability", "will_churn", "risk", "model_version")
"""The columns that a scored row gains."""

_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of an uploaded file."""

    source: str
    """The key of the upload."""
    upload: str
    """The version of that object; an upload that is announced twice is scored once."""
    model_version: str
    scored: int = 0
    rejected: int = 0
    will_churn: int = 0
    ignored_fields: list[str] = field(default_factory=list)
    """The columns that the model does not know, sorted."""
    error: str | None = None
    """Why the file as a whole could not be read, in which case no row was scored."""

    def to_bytes(self) -> bytes:
        """Return the summary as it is stored."""
        return json.dumps(asdict(self), indent=2).encode()


def score_upload(bucket: Bucket, key: str, model: Model) -> Summary:
    """Score an uploaded CSV and write the results, the summary last.

    A file that can't be read as a table ends in a summary that says why; that is no failure.

    Raises:
        NotFoundError: the upload is gone.

    """
    body, upload = bucket.open(key)
    done = _summary(bucket, key)
    if done and done.upload == upload:
        return done
    summary = Summary(source=key, upload=upload, model_version=model.version)
    with tempfile.TemporaryDirectory() as folder:
        scored, rejected = Path(folder, "scored.csv"), Path(folder, "rejected.csv")
        try:
            with _writer(scored) as good, _writer(rejected) as bad:
                lines = io.TextIOWrapper(body, encoding="utf-8-sig", newline="")
                summary = score_table(model, lines, good, bad, summary)
        except InputError as error:
            summary = replace(summary, error=str(error))
            with _writer(rejected) as bad:
                csv.writer(bad).writerows([["reason"], [summary.error]])
        _publish(bucket, keys.scored(key), scored, wanted=summary.scored > 0)
        unread = bool(summary.rejected or summary.error)
        _publish(bucket, keys.rejected(key), rejected, wanted=unread)
    bucket.put(keys.score_summary(key), summary.to_bytes())
    return summary


def score_table(
    model: Model, lines: Iterable[str], scored: IO[str], rejected: IO[str], summary: Summary
) -> Summary:
    """Score the rows of a CSV.

    Args:
        model: what predicts.
        lines: the file's lines, header first; a column of an optional feature may be left out of
            it, and columns that the schema does not know are ignored, but kept.
        scored: receives the rows with `ADDED` columns.
        rejected: receives the other rows with `line` (their last line in the file) and `reason`.
        summary: whose counts to fill in.

    Raises:
        TableError: the file is not a CSV in UTF-8, or its header lacks a required feature or has
            a slip for an optional one.

    """
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        check_fields(header, model.schema)
        good, bad = csv.writer(scored), csv.writer(rejected)
        # a file that was scored before loses its old answers
        kept = [i for i, n in enumerate(header) if n not in ADDED or n in model.schema.fields]
        summary = replace(summary, ignored_fields=list(model.schema.unknown(set(header))))
        good.writerow([*(header[i] for i in kept), *ADDED])
        bad.writerow([*header, "line", "reason"])
        counts = {"scored": 0, "rejected": 0, "will_churn": 0}
        for chunk in batched(_rows(reader), _CHUNK, strict=False):
            rejections, answers = _score_chunk(model, header, kept, chunk)
            good.writerows(answers)
            bad.writerows(rejections)
            counts["scored"] += len(answers)
            counts["rejected"] += len(rejections)
            counts["will_churn"] += sum(answer[-3] == "true" for answer in answers)
    except UnicodeDecodeError as error:
        raise TableError(f"the file is not UTF-8 text ({error.reason}): save it as UTF-8") from None
    except csv.Error as error:
        raise TableError(f"line {reader.line_num}: not a CSV: {error}") from None
    return replace(summary, **counts)  # type: ignore[arg-type]


Row = tuple[int, list[str]]


def _rows(reader: Any) -> Iterator[Row]:
    for cells in reader:
        if cells:  # an empty line is no customer
            yield reader.line_num, cells


def _score_chunk(
    model: Model, header: list[str], kept: list[int], chunk: tuple[Row, ...]
) -> tuple[list[list[object]], list[list[object]]]:
    """Split a chunk into rejected rows and answers, each in the order of the file.

    A rejected row has all its cells, an answer those in the columns that are kept.
    """
    reasons: dict[int, list[str]] = {}
    whole = [row for row in chunk if len(row[1]) == len(header)]
    columns = dict(zip(header, zip(*(cells for _, cells in whole), strict=True), strict=False))
    matrix, problems = model.schema.encode(columns, len(whole))
    for problem in problems:
        line = whole[problem.row][0]
        reasons.setdefault(line, []).append(f"{problem.field}: {problem.message}")
    for line, cells in chunk:
        if len(cells) != len(header):
            reasons[line] = [f"the row has {len(cells)} cells, the header {len(header)}"]
    rejections: list[list[object]] = [
        [*_fit(cells, len(header)), line, "; ".join(reasons[line])]
        for line, cells in chunk
        if line in reasons
    ]
    probabilities = rounded(model.probabilities(matrix)).tolist() if whole else []
    answers = [
        [*[cells[i] for i in kept], *_answer(model, probability)]
        for (line, cells), probability in zip(whole, probabilities, strict=True)
        if line not in reasons
    ]
    return rejections, answers


def _answer(model: Model, probability: float) -> tuple[object, ...]:
    """Return the cells that a row gains, one for each of `ADDED`."""
    leaves = "true" if will_churn(probability, model.threshold) else "false"
    return probability, leaves, risk(probability, model.threshold), model.version


def _fit(cells: list[str], width: int) -> list[str]:
    """Make a ragged row as wide as the header, so that its reason stands in its own column."""
    return [*cells, *[""] * (width - len(cells))][:width]


def _summary(bucket: Bucket, key: str) -> Summary | None:
    try:
        return Summary(**json.loads(bucket.get(keys.score_summary(key))[0]))
    except (NotFoundError, TypeError, ValueError):
        return None


def _publish(bucket: Bucket, key: str, file: Path, *, wanted: bool) -> None:
    """Write a result, or remove what an earlier upload of the same name left there."""
    if wanted:
        bucket.upload(key, file, "text/csv")
    else:
        bucket.delete(key)


def _writer(file: Path) -> IO[str]:
    return file.open("w", encoding="utf-8", newline="")
