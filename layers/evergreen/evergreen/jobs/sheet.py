"""A delimited file → the same rows with answers, and those that can't be answered with reasons."""

import io
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from evergreen.customers.careful import ROWS, Rejected
from evergreen.customers.cells import Encoder
from evergreen.customers.files import Readable
from evergreen.customers.layout import HEAD, Layout
from evergreen.customers.records import Block
from evergreen.customers.schema import Schema
from evergreen.customers.values import plain
from evergreen.jobs.answers import ANSWERS, REASONS, Answers, aside, earlier, reasons
from evergreen.jobs.filed import Filed
from evergreen.jobs.lines import Lines
from evergreen.jobs.streaming import Scored, Totals
from evergreen.models.answers import DIGITS, rounded
from evergreen.models.model import Model


class Sheet:
    """One file and the model that answers it."""

    def __init__(self, model: Model, layout: Layout, filed: Filed | None, kept: int) -> None:
        """Prepare for a file.

        Args:
            model: what answers.
            layout: how the file is laid out.
            filed: makes records for the inference log, if there are to be any.
            kept: how many columns are the user's own; see `kept_columns`.

        """
        schema, self.kept = model.schema, kept
        self._model, self._layout, self._filed = model, layout, filed
        self._lines = Lines(layout, kept)
        self._own = layout.header.names[:kept]
        taken = [*self._own, *schema.fields]
        self.answers, self.reasons = aside(ANSWERS, taken), aside(REASONS, taken)
        self._columns = {name: place for name, place in layout.columns.items() if place < kept}
        inputs = {n: self._columns[n] for n in schema.feature_names if n in self._columns}
        self._encoder = Encoder(schema.reading(layout.formats), inputs)
        self._foreign = layout.foreign(schema)
        self._said = Answers(model.threshold)
        self._ends: dict[int, bytes] = {}

    def summary(self) -> dict[str, Any]:
        """Return what a summary says of how the file was read and is given back."""
        header = self._layout.header
        unnamed = sum(place < self.kept for place in header.unnamed)
        ours = dict(zip((*ANSWERS, *REASONS), (*self.answers, *self.reasons), strict=True))
        return {
            "ignored_fields": [*self._model.schema.unknown(set(filter(None, self._own)))],
            "absent_fields": [*header.absent],
            "matched_columns": dict(header.matched),
            "renamed_answers": {name: given for name, given in ours.items() if name != given},
            "read_as": self._layout.described() | ({"unnamed_columns": unnamed} if unnamed else {}),
        }

    def headers(self) -> tuple[bytes, bytes]:
        """Return the first lines of both results: what stood above the header, and the headers."""
        dialect, newline = self._layout.dialect, self._layout.newline
        above = f"sep={dialect.delimiter}{newline}" if dialect.separator else ""
        own = self._layout.header.written[: self.kept]
        first, second = (
            dialect.bom + self._layout.encoded((above + self._lines.line([*own, *more])).encode())
            for more in (self.answers, self.reasons)
        )
        return first, second

    def batches(self, stream: Readable, **part: Any) -> Iterator[Block]:
        """Read rows from where the stream stands; see `Layout.blocks`."""
        return self._layout.blocks(stream, **part)

    def score(self, block: Block) -> Scored:
        """Answer some rows."""
        matrix, problems = self._encoder.encode(block)
        wrong = reasons(problems)
        good = np.ones(len(block), np.bool_)
        good[[*wrong]] = False
        rows = np.flatnonzero(good)
        probabilities = rounded(self._model.probabilities(matrix[rows]))
        millionths = np.rint(probabilities * 10**DIGITS).astype(np.intp).tolist()
        for new in set(millionths) - self._ends.keys():
            self._ends[new] = self._end(new)
        ends = map(self._ends.__getitem__, millionths)
        lines = self._lines.of(block, rows)
        answered = b"".join(chain.from_iterable(zip(lines, ends, strict=True)))
        refused = [Rejected(int(block.lines[row]), why, "") for row, why in wrong.items()]
        told = {int(block.lines[row]): self._lines.cells(block, row) for row in wrong}
        records = b""
        if self._filed:
            texts = [self._said[m].probability for m in millionths]
            records = self._filed.records(
                block, rows, self._columns, self._layout.dialect.delimiter, self._foreign, texts
            )
        return Scored(
            answered=self._layout.encoded(answered),
            rejected=self._layout.encoded(self._told([*refused, *block.rejected], told)),
            records=records,
            totals=Totals(
                len(rows),
                len(refused) + len(block.rejected),
                int((probabilities >= self._model.threshold).sum()),
                block.blank,
            ),
        )

    def _told(self, rejected: list[Rejected], cells: dict[int, list[str]]) -> bytes:
        """Return the lines of rejected rows, in the order of the file."""
        lines = (
            [*(cells.get(each.line) or self._lines.unread(each.text)), str(each.line), each.reason]
            for each in sorted(rejected)
        )
        return "".join(map(self._lines.line, lines)).encode()

    def _end(self, millionths: int) -> bytes:
        """Return what is put behind the lines of customers with a probability."""
        answer = self._said[millionths]
        decimals = {written.decimal for written in self._layout.formats.values()}
        probability = answer.probability.replace(".", "," if "," in decimals else ".")
        leaves = "true" if answer.will_churn else "false"
        cells = ["x", probability, leaves, answer.risk, self._model.version]
        return self._lines.line(cells).encode().removeprefix(b"x")


def kept_columns(layout: Layout, schema: Schema, head: bytes) -> int:
    """Return how many columns are the user's own.

    The answers of an earlier scoring are the last columns, and are given anew. So are the reasons
    of an earlier rejection: of columns that are called so those that hold nothing else.

    Args:
        layout: of the file.
        schema: the model's.
        head: the file's first bytes.

    """
    names, fields = layout.header.names, frozenset(schema.fields)
    answers = earlier(ANSWERS, names, fields)
    given = earlier(REASONS, names, fields)
    if given:
        block = next(layout.blocks(io.BytesIO(head[layout.body :])), None)
        whole = slice(-1 if len(head) >= HEAD else None)  # the last row may be cut off
        lines = block.column(layout.width - 2)[whole] if block else []
        told = map(plain, block.column(layout.width - 1)[whole] if block else [])
        known = tuple(f"{name}: " for name in names) + ROWS
        if not all(map(str.isdecimal, lines)) or not all(t.startswith(known) for t in told):
            given = 0
    return layout.width - max(answers, given)
