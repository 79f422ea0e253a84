"""Everything that Evergreen raises on purpose.

EvergreenError
├── InputError          something handed in can't be used; the message says what and how to mend it
│   ├── SchemaError     … a schema document
│   ├── TableError      … a table as a whole
│   ├── SourceError     … labelled files; `reasons` names each and what is wrong with it
│   └── InvalidRows     … single customers; `problems` names each row and field
├── OutOfTimeError      the function's time is over before its work is done
├── SettingsError       an environment variable is missing or unusable
├── NoModelError        nothing has been trained and promoted yet
├── CorruptModelError   a version fails its hashes or does not reproduce its golden rows
├── ParityError         an exported model does not answer as the trained one does
├── FunctionError       a function that was asked to run failed
├── NotFoundError       no object under this key
└── ConflictError       a conditional write lost: somebody else was first
    ├── BusyError       … because somebody else holds the lock
    └── SupersededError … because there is something newer
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class EvergreenError(Exception):
    """The root of the tree."""


class InputError(EvergreenError):
    """Something that a person handed in can't be used."""


class SchemaError(InputError):
    """A schema document is not a Table Schema that Evergreen can train on."""


class TableError(InputError):
    """A table can't be read, or its header does not fit the schema."""


class SourceError(InputError):
    """Labelled files can't be learned from; `reasons` says of each key why."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("; ".join(self.reasons.values()))


class Problem(NamedTuple):
    """What is wrong with one value: its row (counted from 0), its field, and what was expected.

    An index, as arrays have it: who tells of it says which customer of a list or line of a file.
    """

    row: int
    field: str
    message: str


class InvalidRows(InputError):
    """One or more customers don't fit the schema, or outcomes of customers."""

    def __init__(self, problems: Sequence[Problem], what: str = "customer") -> None:
        self.problems = list(problems)
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        who = f"{what} {first.row} (counted from 0)"
        super().__init__(f"{who}, field {first.field!r}: {first.message}{more}")


class OutOfTimeError(EvergreenError):
    """The time of a function ends before its work does; `rows` were done until then."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        super().__init__(f"time was over after {rows:,} rows")


class SettingsError(EvergreenError):
    """The environment lacks a setting or holds one that can't be used."""


class NoModelError(EvergreenError):
    """Nothing has been trained and promoted yet."""


class CorruptModelError(EvergreenError):
    """A model version is not what its manifest says, or does not reproduce its golden rows."""


class ParityError(EvergreenError):
    """An exported model does not answer as the pipeline that it was exported from."""


class FunctionError(EvergreenError):
    """A deployed function that was asked to run has failed."""


class NotFoundError(EvergreenError):
    """There is no object under this key."""


class ConflictError(EvergreenError):
    """A conditional write was refused because the object is no longer what the writer saw."""


class BusyError(ConflictError):
    """Somebody else holds the lock."""


class SupersededError(ConflictError):
    """What a result was made of has been replaced or taken away, so the result is void."""
