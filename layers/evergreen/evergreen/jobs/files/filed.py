"""Records in the inference log of customers who were scored by file.

They are those of `prediction.records`, and made of the upload alone: of its id, its lines and the
time at which it was first looked at. However often a file is scored, its records are the same.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from evergreen.customers.careful import Places
from evergreen.customers.files import packed
from evergreen.customers.numbers import NumberFormat
from evergreen.customers.records import Block
from evergreen.customers.schema import Schema
from evergreen.customers.values import plain
from evergreen.jobs.answering.prediction import KEPT_FIELDS, KEPT_LENGTH, kept

_SPECIAL = re.compile(rb'["\\\x00-\x08\x0b\x0c\x0e-\x1f]')  # in JSON, but for tabs and line ends


@dataclass(frozen=True, slots=True)
class Filed:
    """What the records of one upload have in common."""

    upload: str
    """The id of the upload; with a line it is the id of a prediction."""
    predicted_at: str
    model_version: str
    schema: Schema

    def records(
        self,
        block: Block,
        rows: Places,
        columns: Mapping[str, int],
        delimiter: str,
        foreign: Mapping[str, NumberFormat],
        probabilities: Sequence[str],
    ) -> bytes:
        """Return the records of some rows of a block, as gzipped JSON lines.

        Args:
            block: of a delimited file.
            rows: shape (customers,).
            columns: where each field is.
            delimiter: what parts the cells.
            foreign: how numbers of some fields are written, unlike in JSON.
            probabilities: one for each customer, as JSON.

        """
        lines = block.lines[rows].tolist()
        unknown = self.schema.unknown(columns.keys())
        strange = {name: columns[name] for name in unknown}
        if not foreign and self._simple(block, rows, strange, delimiter.encode()):
            return packed(self._filled(block, rows, columns, delimiter.encode(), probabilities))
        cells = {name: block.column(place, rows) for name, place in columns.items()}
        for name, written in foreign.items():
            cells[name] = [written.normal(plain(cell)) or cell for cell in cells[name]]
        customers = (
            dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)
        )
        return self.lines(lines, customers, probabilities)

    def lines(
        self,
        lines: Sequence[int],
        customers: Iterable[Mapping[str, Any]],
        probabilities: Sequence[str],
    ) -> bytes:
        """Return the records of customers who stand in these lines, as gzipped JSON lines."""
        unknown = cache(self.schema.unknown)  # most have the same fields
        return packed(
            orjson.dumps(
                {
                    "prediction_id": f"{self.upload}-{line}",
                    "predicted_at": self.predicted_at,
                    "model_version": self.model_version,
                    "churn_probability": float(probability),
                    "customer": kept(self.schema, customer, unknown(frozenset(customer))),
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for line, customer, probability in zip(lines, customers, probabilities, strict=True)
        )

    def _simple(
        self, block: Block, rows: Places, unknown: Mapping[str, int], delimiter: bytes
    ) -> bool:
        """Whether the rows hold nothing but cells that are kept as they stand, byte by byte."""
        if not len(rows) or len(unknown) > KEPT_FIELDS or (block.raw[rows, 0] < 0).any():
            return False
        sizes = (block.ends - block.starts)[:, [*unknown.values()]]
        longest = max([int(sizes.max(initial=0)), *map(len, unknown)])
        end = int(block.raw[rows[-1], -1])
        tab = delimiter != b"\t" and block.data.find(b"\t", 0, end) >= 0
        return longest <= KEPT_LENGTH and not tab and not _SPECIAL.search(block.data, 0, end)

    def _filled(
        self,
        block: Block,
        rows: Places,
        columns: Mapping[str, int],
        delimiter: bytes,
        probabilities: Sequence[str],
    ) -> Iterable[bytes]:
        """Fill the cells of simple rows into one template."""
        names = {place: name for name, place in columns.items() if name != self.schema.target}
        cells = [b"%.0b"] * block.starts.shape[1]  # which leaves a cell out
        for place, name in names.items():
            comma = b"" if place == min(names) else b","
            cells[place] = comma + _dumped(name) + b':"%b"'
        template = (
            b'{"prediction_id":'
            + _dumped(self.upload)[:-1]
            + b'-%d","predicted_at":'
            + _dumped(self.predicted_at)
            + b',"model_version":'
            + _dumped(self.model_version)
            + b',"churn_probability":%b,"customer":{'
            + b"".join(cells)
            + b"}}\n"
        )
        data = block.data
        starts, ends = block.records[rows].tolist(), block.raw[rows, -1].tolist()
        for start, end, line, text in zip(
            starts, ends, block.lines[rows].tolist(), probabilities, strict=True
        ):
            yield template % (line, text.encode(), *data[start:end].split(delimiter))


def _dumped(text: str) -> bytes:
    """Return a text as JSON, to stand in a template."""
    return orjson.dumps(text).replace(b"%", b"%%")
