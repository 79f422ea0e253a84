"""JSON lines → the same objects with answers, and those that can't be answered with reasons."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import batched
from typing import IO, Any

import numpy as np
import orjson

from evergreen.customers.careful import ROWS, Rejected
from evergreen.customers.json_lines import Object, objects
from evergreen.jobs.answers import ANSWERS, REASONS, Answers, aside, earlier, reasons
from evergreen.jobs.filed import Filed
from evergreen.jobs.streaming import Scored, Totals
from evergreen.models.answers import DIGITS, rounded
from evergreen.models.model import Model

_CHUNK = 5_000

Batch = tuple[Object | Rejected, ...]


class Objects:
    """One file and the model that answers it."""

    def __init__(self, model: Model, filed: Filed | None) -> None:
        """Prepare for a file; `filed` makes the records of the inference log, if there is one."""
        self._model, self._filed = model, filed
        self._said = Answers(model.threshold)
        self._ours = cache(self._names)  # the objects of one file have the same names
        self._ignored: set[str] = set()
        self._fields = frozenset(model.schema.fields)

    def summary(self) -> dict[str, Any]:
        """Return what a summary says of how the file was read."""
        return {"ignored_fields": sorted(self._ignored), "read_as": {"format": "JSON lines"}}

    def headers(self) -> tuple[bytes, bytes]:
        """Return the first lines of both results: none."""
        return b"", b""

    def batches(self, stream: IO[bytes]) -> Iterator[Batch]:
        """Read the file from its start."""
        return batched(objects(stream), _CHUNK, strict=False)

    def score(self, batch: Batch) -> Scored:
        """Answer some objects."""
        model = self._model
        read = [each for each in batch if isinstance(each, Object)]
        customers = [self._own(each.value) for each in read]
        self._ignored.update(*(model.schema.unknown(customer.keys()) for customer in customers))
        matrix, problems = model.schema.encode_rows(customers)
        wrong = reasons(problems)
        rows = [row for row in range(len(read)) if row not in wrong]
        probabilities = rounded(model.probabilities(matrix[rows]))
        answers = [self._said[m] for m in np.rint(probabilities * 10**DIGITS).astype(int).tolist()]
        lines = []
        for row, answer in zip(rows, answers, strict=True):
            values = (float(answer.probability), answer.will_churn, answer.risk, model.version)
            lines.append(self._with(ANSWERS, read[row], customers[row], values))
        told = {
            read[row].line: self._with(REASONS, read[row], customers[row], (read[row].line, why))
            for row, why in wrong.items()
        }
        told |= {
            each.line: orjson.dumps(
                {"text": each.text, "line": each.line, "reason": each.reason},
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for each in batch
            if isinstance(each, Rejected)
        }
        records = b""
        if self._filed:
            records = self._filed.lines(
                [read[row].line for row in rows],
                [customers[row] for row in rows],
                [answer.probability for answer in answers],
            )
        return Scored(
            answered=b"".join(lines),
            rejected=b"".join(told[line] for line in sorted(told)),
            records=records,
            totals=Totals(len(rows), len(told), sum(answer.will_churn for answer in answers)),
        )

    def _own(self, customer: dict[str, Any]) -> dict[str, Any]:
        """Take off what an earlier scoring put behind an object; see `sheet.kept_columns`."""
        names, fields = [*customer], self._fields
        ours = earlier(ANSWERS, names, fields)
        if earlier(REASONS, names, fields):
            line, reason = [*customer.values()][-len(REASONS) :]
            known = tuple(f"{name}: " for name in fields.union(names)) + ROWS
            if isinstance(line, int) and isinstance(reason, str) and reason.startswith(known):
                ours = len(REASONS)
        return dict([*customer.items()][:-ours]) if ours else customer

    def _with(
        self, names: tuple[str, ...], read: Object, customer: Mapping[str, Any], values: Any
    ) -> bytes:
        """Put more behind an object, which else stays as it stands in the file."""
        more = dict(zip(self._ours(names, frozenset(customer)), values, strict=True))
        text = read.text if customer is read.value else orjson.dumps(customer)
        return text[:-1] + (b"," if customer else b"") + orjson.dumps(more)[1:] + b"\n"

    def _names(self, names: tuple[str, ...], taken: frozenset[str]) -> tuple[str, ...]:
        return aside(names, taken | self._fields)
