"""A delimited file → the same rows with answers, and those that can't be answered with reasons."""

import io
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np

from evergreen.customers.careful import ROWS, Places, Rejected
from evergreen.customers.cells import Encoder
from evergreen.customers.files import Readable
from evergreen.customers.identity import Hashes, Mask, identities, keyless
from evergreen.customers.layout import HEAD, Layout
from evergreen.customers.records import Block
from evergreen.customers.schema import Matrix, Schema
from evergreen.customers.values import defused, plain
from evergreen.jobs.files import telling
from evergreen.jobs.files.answers import CALLS, REASONS, Answers, answered, aside, earlier, reasons
from evergreen.jobs.files.call_list import CallList
from evergreen.jobs.files.filed import Filed
from evergreen.jobs.files.lines import Lines
from evergreen.jobs.files.streaming import Scored, Totals
from evergreen.jobs.files.telling import Told, tell
from evergreen.models.answers import DIGITS
from evergreen.models.decisions import decide
from evergreen.models.model import Model


class Sheet:
    """One file and the model that answers it."""

    def __init__(
        self,
        model: Model,
        layout: Layout,
        filed: Filed | None,
        kept: int,
        reasons: int = 0,
        calls: CallList | None = None,
    ) -> None:
        """Prepare for a file.

        Args:
            model: what answers.
            layout: how the file is laid out.
            filed: makes records for the inference log, if there are to be any.
            kept: how many columns are the user's own; see `kept_columns`.
            reasons: how many are wanted for each customer.
            calls: takes the customers, if there is to be a call list.

        """
        schema, self.kept = model.schema, kept
        self._model, self._layout, self._filed = model, layout, filed
        self._strongest, self._calls = reasons, calls
        self._lines = Lines(layout, kept)
        self._own = layout.header.names[:kept]
        taken, self._names = [*self._own, *schema.fields], telling.names(schema, reasons)
        self.answers, self.reasons = aside(self._names, taken), aside(REASONS, taken)
        self.called = aside(CALLS, taken) if calls else ()
        self._columns = {name: place for name, place in layout.columns.items() if place < kept}
        inputs = {n: self._columns[n] for n in schema.feature_names if n in self._columns}
        self._reading = schema.reading(layout.formats)
        self._encoder = Encoder(self._reading, inputs)
        self._foreign = layout.foreign(schema)
        self._said = Answers(model.threshold)
        decimals = {written.decimal for written in layout.formats.values()}
        self._point = "," if "," in decimals else "."
        value = schema.campaign.value
        # whether the same is told of all customers with the same probability
        self._alike = not reasons and (value is None or value.fixed)
        self._ends: dict[int, bytes] = {}

    def summary(self) -> dict[str, Any]:
        """Return what a summary says of how the file was read and is given back."""
        header = self._layout.header
        unnamed = sum(place < self.kept for place in header.unnamed)
        names = (*self._names, *REASONS, *CALLS[: len(self.called)])
        ours = dict(zip(names, (*self.answers, *self.reasons, *self.called), strict=True))
        return {
            "ignored_fields": [*self._model.schema.unknown(set(filter(None, self._own)))],
            "absent_fields": [*header.absent],
            "matched_columns": dict(header.matched),
            "renamed_answers": {name: given for name, given in ours.items() if name != given},
            "read_as": self._layout.described() | ({"unnamed_columns": unnamed} if unnamed else {}),
        }

    def headers(self) -> tuple[bytes, bytes]:
        """Return the first lines of both results: what stood above the header, and the headers."""
        return self._header(self.answers), self._header(self.reasons)

    def call_list(self) -> Iterator[bytes]:
        """Return the call list, line by line; nothing where there is none."""
        if self._calls is None:
            return
        yield self._header(self.called)
        for call in self._calls.calls():
            probability, expected = map(self._number, (call.probability, f"{call.expected:.2f}"))
            contact = "true" if call.contact else "false"
            cells = (probability, expected, defused(call.reason), contact)
            yield self._layout.encoded(call.row + self._lines.ends([cells])[0])

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
        told = tell(self._model, matrix[rows], self._strongest)
        ends = self._shared_ends(told) if self._alike else self._own_ends(told)
        lines = self._lines.of(block, rows)
        scored = b"".join(chain.from_iterable(zip(lines, ends, strict=True)))
        self._list(block, rows, matrix[rows], told, lines)
        refused = [Rejected(int(block.lines[row]), why, "") for row, why in wrong.items()]
        cells = {int(block.lines[row]): self._lines.cells(block, row) for row in wrong}
        records = b""
        if self._filed:
            texts = [self._said[each].probability for each in told.millionths]
            records = self._filed.records(
                block, rows, self._columns, self._layout.dialect.delimiter, self._foreign, texts
            )
        return Scored(
            answered=self._layout.encoded(scored),
            rejected=self._layout.encoded(self._refused([*refused, *block.rejected], cells)),
            records=records,
            totals=Totals(
                len(rows),
                len(refused) + len(block.rejected),
                told.will_churn,
                block.blank,
            ),
        )

    def _refused(self, rejected: list[Rejected], cells: dict[int, list[str]]) -> bytes:
        """Return the lines of rejected rows, in the order of the file."""
        lines = (
            [*(cells.get(each.line) or self._lines.unread(each.text)), str(each.line), each.reason]
            for each in sorted(rejected)
        )
        return "".join(map(self._lines.line, lines)).encode()

    def _header(self, more: tuple[str, ...]) -> bytes:
        dialect, newline = self._layout.dialect, self._layout.newline
        above = f"sep={dialect.delimiter}{newline}" if dialect.separator else ""
        own = self._layout.header.written[: self.kept]
        return dialect.bom + self._layout.encoded(
            (above + self._lines.line([*own, *more])).encode()
        )

    def _shared_ends(self, told: Told) -> Iterator[bytes]:
        """Return what is put behind rows where that depends on their probability alone."""
        new = [*(set(told.millionths) - self._ends.keys())]
        if new:
            alike = np.broadcast_to(self._model.typical, (len(new), len(self._model.typical)))
            probabilities = np.array(new) / 10**DIGITS
            decisions = decide(self._model, alike, probabilities)
            ends = self._own_ends(Told(probabilities, new, decisions, None))
            self._ends.update(zip(new, ends, strict=True))
        return map(self._ends.__getitem__, told.millionths)

    def _own_ends(self, told: Told) -> list[bytes]:
        """Return what is put behind rows."""
        answers, expected, why = told.answers(self._said), told.decisions.expected, told.reasons
        columns: list[Iterable[str]] = [
            [self._number(answer.probability) for answer in answers],
            ["true" if answer.will_churn else "false" for answer in answers],
            [answer.risk for answer in answers],
            repeat(self._model.version, len(answers)),
        ]
        if expected is not None:
            columns.append(self._number(f"{each:.2f}") for each in expected.tolist())
        if why is not None:
            columns.append(defused("; ".join(each)) for each in why)
        return self._lines.ends(zip(*columns, strict=True))

    def _number(self, text: str) -> str:
        """Write a number with the file's decimal sign."""
        return text.replace(".", self._point)

    def _list(
        self, block: Block, rows: Places, matrix: Matrix, told: Told, lines: list[bytes]
    ) -> None:
        """Let the call list choose among answered rows."""
        expected = told.decisions.expected
        if self._calls is None or expected is None:
            return

        def identify(places: Places) -> tuple[Hashes, Mask]:
            names = (*self._reading.primary_key, *self._reading.feature_names)
            own = {n: self._columns[n] for n in names if n in self._columns}
            columns = {n: block.column(place, rows[places]) for n, place in own.items()}
            of = (self._reading, columns, len(places))
            return identities(*of), ~keyless(*of)

        self._calls.add(expected, told.probabilities, matrix, lines, identify)


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
    answers = answered(names, fields)
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
