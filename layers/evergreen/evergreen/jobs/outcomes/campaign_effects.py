"""What campaigns did: what became of those who were on call lists.

Whoever is on a list was predicted for at that time. So what was observed of them later, within the
horizon, tells whether contacting them kept them: those of the control group were not contacted.
"""

import gzip
import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import orjson

from evergreen.jobs.outcomes.told import TOLD, Table, hold, latest, nothing
from evergreen.statistics.campaign import effect
from evergreen.store import keys
from evergreen.store.s3 import Bucket
from evergreen.store.times import microseconds_of, time_of

_SUFFIX = ".jsonl.gz"
_MEMBER: list[tuple[str, Any]] = [("identity", np.uint64), ("at", np.int64), ("contact", np.bool_)]
_DAY = timedelta(days=1)

logger = logging.getLogger(__name__)


class Campaigns:
    """The call lists of some days, and what became of those who were on them."""

    def __init__(self, logs: Bucket, first: datetime, last: datetime, horizon: timedelta) -> None:
        """Read the lists of the days (UTC) from the first to the last."""
        self._horizon = horizon // timedelta(microseconds=1)
        self._lists = dict[str, Table]()
        for number in range((last.date() - first.date()).days + 1):
            for entry in logs.list(keys.campaign_day(first + number * _DAY)):
                upload = entry.key.rpartition("/")[2].removesuffix(_SUFFIX)
                members = _members(entry.key, logs.get(entry.key)[0])
                if len(members):
                    self._lists[upload] = members

    def take(self, matched: Table) -> None:
        """Learn what became of customers."""
        names = ("churned", "received", "observed", "identity")
        matched = matched[np.lexsort([matched[name] for name in names])]
        for members in self._lists.values():
            until = members["at"] + self._horizon
            places = latest(matched["identity"], matched["observed"], members["identity"], until)
            found = np.flatnonzero(places >= 0)
            told = nothing(len(members))
            for name, _ in TOLD:
                told[name][found] = matched[name][places[found]]
            hold(members, told)

    def told(self, before: Sequence[Mapping[str, Any]], since: datetime) -> list[dict[str, Any]]:
        """Tell what each list brought, the latest first.

        Args:
            before: what was told last.
            since: what is told of lists from before this time stays as it is.

        """
        lists = [_told(upload, members) for upload, members in self._lists.items()]
        known = {told["upload"] for told in lists}
        older = [
            dict(told)
            for told in before
            if told["upload"] not in known and datetime.fromisoformat(told["at"]) < since
        ]
        return sorted([*lists, *older], key=lambda told: (told["at"], told["upload"]), reverse=True)


def _told(upload: str, members: Table) -> dict[str, Any]:
    known = members[members["observed"] > members["at"]]
    contacted, control = known[known["contact"]], known[~known["contact"]]
    left, control_left = (int(group["churned"].sum()) for group in (contacted, control))
    compared = None
    if len(contacted) and len(control):
        compared = asdict(effect(left, len(contacted), control_left, len(control)))
    return {
        "upload": upload,
        "at": time_of(int(members["at"][0])).isoformat(),
        "contacted": len(contacted),
        "control": len(control),
        "contacted_left": left / len(contacted) if len(contacted) else None,
        "control_left": control_left / len(control) if len(control) else None,
        "effect": compared,
    }


def _members(key: str, content: bytes) -> Table:
    """Read a list; nobody where it can't be read."""
    try:
        lines = [*_lines(content)]
    except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
        logger.warning("passed over %s: %s", key, type(error).__name__)
        lines = []
    members = np.empty(len(lines), [*_MEMBER, *TOLD])
    for name, values in zip(("identity", "at", "contact"), zip(*lines, strict=True), strict=False):
        members[name] = values
    untold = nothing(len(lines))
    for name, _ in TOLD:
        members[name] = untold[name]
    return members


def _lines(content: bytes) -> Iterator[tuple[int, int, bool]]:
    for line in gzip.decompress(content).splitlines():
        told = orjson.loads(line)
        yield int(told["identity"], 16), microseconds_of(told["at"]), bool(told["contact"])
