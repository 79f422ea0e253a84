"""What became of an uploaded file, as it is told beside the results."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

Status = Literal["scored", "refused", "waiting", "in parts", "superseded"]

_RARE = ("ignored_wish", "call_list")


@dataclass(frozen=True, slots=True)
class Summary:
    """How many customers were scored, and how their file was read."""

    source: str
    """The key of the upload."""
    upload: str
    """The version of that object; an upload that is announced twice is scored once."""
    model_version: str | None = None
    status: Status = "scored"
    """refused: no row could be read; waiting: for the first model; in parts: it is being scored;
    superseded: it was replaced meanwhile."""
    scored: int = 0
    rejected: int = 0
    will_churn: int = 0
    blank_lines: int = 0
    """Lines that were empty, or nothing but delimiters."""
    ignored_fields: list[str] = field(default_factory=list)
    """The columns that the model does not know, sorted."""
    absent_fields: list[str] = field(default_factory=list)
    """The optional fields that no column is; they count as missing."""
    matched_columns: dict[str, str] = field(default_factory=dict)
    """Headers as they stand → the fields that they were taken for."""
    renamed_answers: dict[str, str] = field(default_factory=dict)
    """Columns of ours → what they are called here, beside columns of the user's own."""
    read_as: dict[str, Any] = field(default_factory=dict)
    """The encoding, the delimiter, the decimal sign: what the file was taken for."""
    error: str | None = None
    """Why the file as a whole could not be read, in which case no row was scored."""
    ignored_wish: str | None = None
    """What the upload asked for that can't be given."""
    call_list: dict[str, Any] | None = None
    """How many are on the call list, and what it is worth; see `CallList.told`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as it is told; wishes and call lists only where there are some."""
        told = asdict(self)
        return {n: v for n, v in told.items() if v is not None or n not in _RARE}

    def to_bytes(self) -> bytes:
        """Return the summary as it is stored."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False).encode(errors="replace")

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a stored summary; raises ValueError where it is none of ours."""
        stored = json.loads(content)
        known = {each.name for each in fields(cls)}
        if not isinstance(stored, dict) or not stored.keys() <= known:
            raise ValueError("that is no summary")
        try:
            return cls(**stored)
        except TypeError as error:
            raise ValueError(str(error)) from None

    @property
    def calls(self) -> int:
        """How many are on the call list."""
        return self.call_list["customers"] if self.call_list else 0

    @property
    def final(self) -> bool:
        """Whether nothing more becomes of this upload."""
        return self.status in ("scored", "refused")


def refusal(reason: str, *, json_lines: bool = False) -> bytes:
    """Say in a file of rejected rows why none of them could be read."""
    if json_lines:
        return json.dumps({"reason": reason}, ensure_ascii=False).encode(errors="replace") + b"\n"
    quoted = reason.replace('"', '""')
    return f'reason\n"{quoted}"\n'.encode()
