"""JSON lines → the same objects with answers, and those that can't be answered with reasons."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import batched
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import orjson

from evergreen.customers.careful import ROWS, Rejected
from evergreen.customers.identity import Hashes, Mask, identities, keyless
from evergreen.customers.json_lines import Object, objects
from evergreen.customers.schema import Matrix
from evergreen.jobs.files import telling
from evergreen.jobs.files.answers import (
    CALLS,
    REASONS,
    Answer,
    Answers,
    answered,
    aside,
    earlier,
    reasons,
)
from evergreen.jobs.files.call_list import CallList
from evergreen.jobs.files.filed import Filed
from evergreen.jobs.files.streaming import Scored, Totals
from evergreen.jobs.files.telling import Told, tell
from evergreen.models.model import Model

_CHUNK = 5_000

Batch = tuple[Object | Rejected, ...]
Customer = Mapping[str, Any]


class Objects:
    """One file and the model that answers it."""

    def __init__(
        self,
        model: Model,
        filed: Filed | None,
        strongest: int = 0,
        calls: CallList | None = None,
    ) -> None:
        """Prepare for a file; see `Sheet`."""
        self._model, self._filed = model, filed
        self._strongest, self._calls = strongest, calls
        self._answers = telling.names(model.schema, strongest)
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
        told = tell(model, matrix[rows], self._strongest)
        answers, scored = told.answers(self._said), [customers[row] for row in rows]
        texts = [self._text(read[row], customers[row]) for row in rows]
        lines = [
            self._with(self._answers, *each)
            for each in zip(texts, scored, self._values(told, answers), strict=True)
        ]
        self._list(scored, matrix[rows], told, texts)
        refused = {
            read[row].line: self._with(
                REASONS,
                self._text(read[row], customers[row]),
                customers[row],
                (read[row].line, why),
            )
            for row, why in wrong.items()
        }
        refused |= {
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
                scored,
                [answer.probability for answer in answers],
            )
        return Scored(
            answered=b"".join(lines),
            rejected=b"".join(refused[line] for line in sorted(refused)),
            records=records,
            totals=Totals(len(rows), len(refused), told.will_churn),
        )

    def call_list(self) -> Iterator[bytes]:
        """Return the call list, line by line; nothing where there is none."""
        for call in self._calls.calls() if self._calls else ():
            values = (float(call.probability), call.expected, call.reason, call.contact)
            yield self._with(CALLS, call.row, orjson.loads(call.row), values)

    def _values(self, told: Told, answers: Sequence[Answer]) -> Iterator[tuple[Any, ...]]:
        """Return what each scored object gains."""
        expected, why = told.decisions.expected, told.reasons
        more = [*([expected.tolist()] if expected is not None else []), *([why] if why else [])]
        for answer, *others in zip(answers, *more, strict=True):
            given = (float(answer.probability), answer.will_churn, answer.risk)
            yield (*given, self._model.version, *others)

    def _list(
        self, customers: Sequence[Customer], matrix: Matrix, told: Told, texts: list[bytes]
    ) -> None:
        """Let the call list choose among answered customers."""
        schema, expected = self._model.schema, told.decisions.expected
        if self._calls is None or expected is None:
            return

        def identify(places: npt.NDArray[np.intp]) -> tuple[Hashes, Mask]:
            some = [customers[place] for place in places.tolist()]
            names = (*schema.primary_key, *schema.feature_names)
            of = (schema, {n: [each.get(n) for each in some] for n in names}, len(some))
            return identities(*of), ~keyless(*of)

        self._calls.add(expected, told.probabilities, matrix, texts, identify)

    def _own(self, customer: dict[str, Any]) -> dict[str, Any]:
        """Take off what an earlier scoring put behind an object; see `sheet.kept_columns`."""
        names, fields = [*customer], self._fields
        ours = answered(names, fields)
        if earlier(REASONS, names, fields):
            line, reason = [*customer.values()][-len(REASONS) :]
            known = tuple(f"{name}: " for name in fields.union(names)) + ROWS
            if isinstance(line, int) and isinstance(reason, str) and reason.startswith(known):
                ours = len(REASONS)
        return dict([*customer.items()][:-ours]) if ours else customer

    def _text(self, read: Object, customer: Customer) -> bytes:
        """Return an object as it stands in the file, or as it is without what is not its own."""
        return read.text if customer is read.value else orjson.dumps(customer)

    def _with(
        self, names: tuple[str, ...], text: bytes, customer: Customer, values: Iterable[Any]
    ) -> bytes:
        """Put more behind the text of an object."""
        more = dict(zip(self._ours(names, frozenset(customer)), values, strict=True))
        return text[:-1] + (b"," if customer else b"") + orjson.dumps(more)[1:] + b"\n"

    def _names(self, names: tuple[str, ...], taken: frozenset[str]) -> tuple[str, ...]:
        return aside(names, taken | self._fields)
