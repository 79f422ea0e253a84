"""Labelled history: the CSVs under `training/` of the data bucket, and who is held out of them.

A row is held out by a hash of its primary key, so the same customer is held out in every training.
No version has ever learned from a held-out row, and any two can be compared fairly on them.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from evergreen.customers.schema import Matrix, Schema
from evergreen.customers.table import check_header
from evergreen.errors import InputError, Problem, TableError
from evergreen.models.artifact import sha256
from evergreen.models.training import Labelled
from evergreen.store import keys
from evergreen.store.s3 import Bucket

HELD_OUT_OF = 5
"""One customer in so many is held out."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to learn from, as a listing shows it: the schema and the CSVs, with ETags."""

    etags: Mapping[str, str]

    @classmethod
    def find(cls, bucket: Bucket) -> "Sources":
        """List the schema and the labelled files."""
        found = {e.key: e.etag for e in bucket.list(keys.TRAINING)}
        return cls(
            {k: v for k, v in found.items() if k == keys.TRAINING_SCHEMA or k.endswith(".csv")}
        )

    @property
    def tables(self) -> list[str]:
        """The keys of the labelled files."""
        return [key for key in self.etags if key.endswith(".csv")]

    @property
    def complete(self) -> bool:
        """Whether there is a schema and at least one labelled file."""
        return keys.TRAINING_SCHEMA in self.etags and bool(self.tables)

    @property
    def fingerprint(self) -> str:
        """What this data is, in one digest."""
        return sha256(repr(sorted(self.etags.items())).encode())


@dataclass(frozen=True, slots=True)
class History:
    """All labelled rows, as text."""

    frame: pd.DataFrame
    """One row a customer, every cell as it stands in its file."""
    source: npt.NDArray[np.object_]
    """Shape (rows,): the key of the file that each row is from."""
    row: npt.NDArray[np.int64]
    """Shape (rows,): its number in that file; the first customer is row 1."""

    @classmethod
    def read(cls, bucket: Bucket, schema: Schema, tables: list[str]) -> "History":
        """Read labelled files; raises TableError where one is no CSV that fits the schema."""
        return cls.of({key: read_table(bucket.get(key)[0], key, schema) for key in tables})

    @classmethod
    def of(cls, frames: Mapping[str, pd.DataFrame]) -> "History":
        """Put tables together, each given by the name of its file."""
        return cls(
            frame=pd.concat(frames.values(), ignore_index=True).fillna(""),
            source=np.repeat(np.array(list(frames), dtype=object), [*map(len, frames.values())]),
            row=np.concatenate([np.arange(1, len(frame) + 1) for frame in frames.values()]),
        )

    def encode(self, schema: Schema) -> Matrix:
        """Encode every row by any schema; what that schema does not know is missing or unseen."""
        return schema.encode(self._columns(), len(self.frame)).matrix

    def labelled(self, schema: Schema) -> Labelled:
        """Encode every row by the schema that it must fit.

        Raises:
            InputError: a row does not; the message names file, row, column and what was expected.

        """
        matrix, problems = schema.encode(self._columns(), len(self.frame))
        left, unlabelled = schema.labels(self.frame[schema.target])
        if problems or unlabelled:
            raise InputError(self._explain([*problems, *unlabelled]))
        everyone = np.ones(len(left), dtype=np.bool_)
        return Labelled(matrix, left, self._held_out(schema), everyone, np.zeros(len(left)))

    def _held_out(self, schema: Schema) -> npt.NDArray[np.bool_]:
        key = self.frame[list(schema.primary_key or schema.feature_names)]
        hashes = pd.util.hash_pandas_object(key, index=False, categorize=False)
        return np.asarray(hashes.to_numpy(dtype=np.uint64) % HELD_OUT_OF == 0)

    def _columns(self) -> dict[str, list[str]]:
        return {str(name): column.tolist() for name, column in self.frame.items()}

    def _explain(self, problems: list[Problem]) -> str:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return (
            f"{self.source[first.row]}, row {self.row[first.row]}, column {first.field!r}:"
            f" {first.message}{more}"
        )


def read_table(content: bytes, name: str, schema: Schema) -> pd.DataFrame:
    """Read a labelled CSV, every cell as text.

    Raises:
        TableError: it is not a CSV in UTF-8, or lacks the target or a feature; `name` is in the
            message.

    """
    reader = csv.reader(
        io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""), strict=True
    )
    try:
        header = next(reader, [])
        check_header(header, (schema.target, *schema.primary_key, *schema.feature_names))
        rows = [row for row in reader if row]  # an empty line is no customer
    except TableError as error:
        raise TableError(f"{name}: {error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{name} is not a CSV in UTF-8: {error}") from None
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            which = "fewer" if len(row) < len(header) else "more"
            raise TableError(f"{name}, row {number} has {which} cells than the header")
    return pd.DataFrame(rows, columns=header, dtype=str)
