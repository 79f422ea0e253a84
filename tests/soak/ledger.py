"""What the loops have asked, put and been answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from evergreen.jobs.files.upload import Upload
from tests.soak.outcomes import Filed, Told


@dataclass(frozen=True, slots=True)
class Answered:
    """One request, and what came back."""

    asked: datetime
    answered: datetime
    version: str
    probabilities: dict[str, float]
    """By prediction_id."""
    customers: Sequence[str]
    """Who they are, in the same order."""


@dataclass(frozen=True, slots=True)
class Put:
    """One file under `incoming/`."""

    upload: Upload
    good: dict[int, str]
    """Line → customer, of the rows that fit the schema."""
    bad: tuple[str, ...]
    """The customers whose rows don't."""

    @property
    def record_ids(self) -> list[str]:
        """The ids that its customers have in the inference log."""
        return [f"{self.upload.id}-{line}" for line in self.good]


@dataclass(slots=True)
class Ledger:
    """What was done. Loops note by single appends, so they need no lock."""

    answered: list[Answered] = field(default_factory=list)
    puts: list[Put] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    """The outcomes that the API has accepted, each once."""
    filed: list[Filed] = field(default_factory=list)
    labelled: list[str] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    """Of the drift checks."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """By loop: how long it took each time, also where it failed."""
    faults: list[str] = field(default_factory=list)
    """What went wrong meanwhile."""
    raced: list[str] = field(default_factory=list)
    """Swaps that somebody else's came before, which is no fault."""

    @property
    def predictions(self) -> int:
        """How many customers were answered for over HTTP."""
        return sum(len(one.probabilities) for one in self.answered)

    @property
    def winners(self) -> list[Put]:
        """The last upload of each name."""
        return [*{put.upload.key: put for put in self.puts}.values()]

    @property
    def last_filed(self) -> list[Filed]:
        """The last file of outcomes of each name, which holds over those before."""
        return [*{file.upload.key: file for file in self.filed}.values()]

    @property
    def outcomes(self) -> list[Told]:
        """All outcomes that have to be kept."""
        return [*self.told, *(one for file in self.last_filed for one in file.told)]
