"""What the soak tells of customers: as a request and a file say it, and whether it was all kept."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import pandas as pd

from evergreen.customers.names import CHURNED, KEY, OBSERVED_AT, PREDICTION_ID
from evergreen.jobs.files.upload import Upload
from evergreen.store.outcomes import Outcome
from local.demo.doors import as_csv

CUSTOMER_ID = "customer_id"


class Told(NamedTuple):
    """An outcome. Its time tells it from another one of the same."""

    by: str
    """The name of what says of whom it is: prediction_id or customer_id."""
    who: str
    churned: bool
    observed_at: str

    @classmethod
    def of(cls, kept: Outcome) -> Self:
        """Read an outcome as the log bucket has it."""
        whose = kept["key"] if "key" in kept else {PREDICTION_ID: kept["prediction_id"]}
        ((by, who),) = whose.items()
        return cls(by, who, kept["churned"], kept["observed_at"])

    def sent(self) -> dict[str, Any]:
        """Return it as a request has it."""
        whose = {self.by: self.who}
        of = whose if self.by == PREDICTION_ID else {KEY: whose}
        return {**of, CHURNED: self.churned, OBSERVED_AT: self.observed_at}


def table(told: Iterable[Told], bad: int) -> bytes:
    """Return a file of outcomes, with so many rows that don't say what became of a customer."""
    rows = [
        {one.by: one.who, CHURNED: "yes" if one.churned else "no", OBSERVED_AT: one.observed_at}
        for one in told
    ]
    rows[1:1] = [rows[0] | {CHURNED: "?"}] * bad
    columns = [PREDICTION_ID, CUSTOMER_ID, CHURNED, OBSERVED_AT]
    return as_csv(pd.DataFrame(rows, columns=columns).fillna(""))


@dataclass(frozen=True, slots=True)
class Filed:
    """One file under `outcomes/`."""

    upload: Upload
    told: tuple[Told, ...]
    bad: int
    """How many more rows there are, which can't be taken."""


def judge(told: Iterable[Told], kept: Iterable[Told]) -> Iterator[str]:
    """Tell which outcomes were not kept once each."""
    accepted, found = Counter(told), Counter(kept)
    for how, those in (
        ("accepted and never kept", accepted.keys() - found.keys()),
        ("kept, and never accepted", found.keys() - accepted.keys()),
        (
            "not kept as often as accepted",
            {one for one in accepted & found if accepted[one] != found[one]},
        ),
    ):
        if those:
            yield f"{len(those):,} outcomes were {how}, such as {min(those)}"


def judge_measured(
    told: Iterable[Told], counts: Mapping[str, Any], unlogged: Mapping[str, str]
) -> Iterator[str]:
    """Tell what is wrong with what a measurement counts.

    Args:
        told: the outcomes that were accepted.
        counts: what the measurement says of outcomes.
        unlogged: the predictions that are not in S3, each with its customer: an outcome by id finds
            none of these, and one by key another one of its customer or none.

    """
    distinct, customers = {*told}, {*unlogged.values()}
    if counts["received"] != len(distinct):
        yield f"of {len(distinct):,} outcomes {counts['received']:,} were measured"
    lost = sum(one.who in unlogged for one in distinct)
    most = lost + sum(one.who in customers for one in distinct)
    if not lost <= counts["unmatched"] <= most:
        examples: Sequence[str] = counts["examples"]
        yield (
            f"{counts['unmatched']:,} outcomes found no prediction instead of {lost:,} to {most:,},"
            f" such as {', '.join(examples) or 'none'}"
        )
