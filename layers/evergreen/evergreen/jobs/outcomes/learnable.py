"""Customers whose outcome has come become labelled history, like any other.

A file holds those who are new: their fields as they were predicted for last before the outcome, and
what the schema's target says of the outcome. Which outcomes are in files is kept beside the
measurement. A file is written before that is noted. Where a run dies in between, the next one
writes the same rows again, and a training takes of rows that are the same one.
"""

import gzip
import io
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched, count
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import orjson

from evergreen.customers import properties
from evergreen.customers.levels import Level
from evergreen.customers.schema import Schema
from evergreen.errors import NotFoundError, SchemaError
from evergreen.jobs.outcomes.told import TOLD, Table
from evergreen.statistics.distinct import KEY, Latest
from evergreen.store import keys
from evergreen.store.predictions_index import PredictionsIndex
from evergreen.store.s3 import Bucket
from evergreen.store.times import microseconds

ENOUGH = 200
"""So many new customers are written at once …"""
PATIENCE = timedelta(days=1)
"""… or those who there are, after so long."""
MOST = 100_000
"""So many are written at a time; the next run goes on."""

_TOGETHER = 5_000  # records in memory at a time

_KNOWN = np.dtype([("identity", np.uint64), *TOLD, ("at", np.int64)])
_ORDER = ("observed", "received", "churned", "at")  # by which one of several outcomes holds
_NEW = np.dtype([*KEY, ("predicted", np.int64), ("object", np.uint32), ("line", np.uint32)])
"""`at` is when the outcome was observed; `id`, when it was received and whether they left."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Learned:
    """The outcomes that are in files: of each customer the one that held last."""

    known: Table
    """In order of `identity`."""
    etag: str | None
    """Of what is stored; None where nothing is."""

    @classmethod
    def read(cls, logs: Bucket) -> Self:
        """Read what is stored; what can't be read is nothing, and all is written once more."""
        try:
            content, etag = logs.get(keys.LEARNED)
        except NotFoundError:
            return cls(np.empty(0, _KNOWN), None)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                known = np.empty(len(stored["identity"]), _KNOWN)
                for name in known.dtype.names or ():
                    known[name] = stored[name]
        except (
            KeyError,
            TypeError,
            ValueError,
            OSError,
            EOFError,
            BadZipFile,
            zlib.error,
        ) as error:
            logger.warning("passed over %s: %s", keys.LEARNED, error)
            known = np.empty(0, _KNOWN)
        return cls(known, etag)

    def new(self, outcomes: Table) -> npt.NDArray[np.bool_]:
        """Tell which outcomes hold over those that are known, and say more.

        Who is told of again, as before and by the same prediction, has the same row.
        """
        places = np.searchsorted(self.known["identity"], outcomes["identity"])
        new = np.ones(len(outcomes), np.bool_)
        within = np.flatnonzero(places < len(self.known))
        mine = self.known[places[within]]
        same = mine["identity"] == outcomes["identity"][within]
        within, mine = within[same], mine[same]
        theirs, newer, same = outcomes[within], ~same[same], same[same]
        for name in _ORDER:
            newer |= same & (theirs[name] > mine[name])
            same &= theirs[name] == mine[name]
        other = (theirs["churned"] != mine["churned"]) | (theirs["at"] != mine["at"])
        new[within] = newer & other
        return new

    def write(self, logs: Bucket, more: Table, since: int) -> None:
        """Note more; raises ConflictError where somebody else did meanwhile.

        Args:
            logs: the log bucket.
            more: of customers who are known or not, each once.
            since: what was received before this time is not asked for again, and forgotten.

        """
        kept = self.known[~np.isin(self.known["identity"], more["identity"])]
        kept = kept[kept["received"] >= since]
        known = np.concatenate([kept, more])
        known = known[np.argsort(known["identity"])]
        out = io.BytesIO()
        columns: dict[str, Any] = {name: known[name] for name in known.dtype.names or ()}
        np.savez_compressed(out, **columns)
        if self.etag is None:
            logs.create(keys.LEARNED, out.getvalue())
        else:
            logs.replace(keys.LEARNED, out.getvalue(), self.etag)


class Learnable:
    """Gathers the customers whose outcome is new."""

    def __init__(self, learned: Learned) -> None:
        """Start with nobody."""
        self._learned = learned
        self._new = Latest(_NEW, MOST)

    def take(self, matched: Table) -> None:
        """Take outcomes with the predictions before them; all there are of a customer."""
        names = ("identity", *_ORDER)
        matched = matched[np.lexsort([matched[name] for name in reversed(names)])]
        holds = np.ones(len(matched), np.bool_)
        holds[:-1] = matched["identity"][1:] != matched["identity"][:-1]
        matched = matched[holds]
        matched = matched[self._learned.new(matched)]
        rows = np.empty(len(matched), _NEW)
        for name in ("identity", "object", "line"):
            rows[name] = matched[name]
        rows["predicted"], rows["at"] = matched["at"], matched["observed"]
        rows["id"][:, 0], rows["id"][:, 1] = matched["received"], matched["churned"]
        self._new.add(rows)

    def write(
        self, data: Bucket, logs: Bucket, index: PredictionsIndex, now: datetime, since: int
    ) -> dict[str, int]:
        """Write a file of them, where they are enough or have waited long enough.

        Args:
            data: where labelled history lies.
            logs: where it is noted whom a file holds.
            index: finds what they were predicted for by.
            now: the time, which names the file.
            since: as for `Learned.write`.

        Returns:
            How many were written, don't fit the schema, and wait.

        Raises:
            ConflictError: another run was faster.

        """
        rows = self._new.rows
        told = np.empty(len(rows), _KNOWN)
        told["received"], told["churned"] = rows["id"].T
        told["identity"], told["observed"] = rows["identity"], rows["at"]
        told["at"] = rows["predicted"]
        nothing = {"written": 0, "unfit": 0, "waiting": len(rows)}
        waited = len(rows) and int(told["received"].min()) <= microseconds(now - PATIENCE)
        if len(rows) < ENOUGH and not waited:
            return nothing
        try:
            schema = Schema.parse(data.get(keys.TRAINING_SCHEMA)[0])
        except (NotFoundError, SchemaError) as error:
            logger.warning("nobody is learned from: %s", error)
            return nothing
        content, written = _lines(schema, index, rows, told["churned"])
        if written:
            _put(data, now, content)
        self._learned.write(logs, told, since)
        return {"written": written, "unfit": len(rows) - written, "waiting": 0}


def _lines(
    schema: Schema, index: PredictionsIndex, rows: Table, churned: npt.NDArray[np.bool_]
) -> tuple[bytes, int]:
    """Return the customers who fit the schema as gzipped JSON lines, and how many they are.

    They stand in order of their records: which objects there are beside theirs does not matter.
    """
    names, labels = (*schema.primary_key, *schema.feature_names), _labels(schema)
    order = np.lexsort((rows["line"], rows["object"])).tolist()
    out, fit = io.BytesIO(), 0
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as file:
        for places in batched(order, _TOGETHER, strict=False):
            records = dict(index.records(rows[[*places]]))
            given = [records[row]["customer"] for row in range(len(places))]
            customers = [{name: c[name] for name in names if name in c} for c in given]
            unfit = {problem.row for problem in schema.encode_rows(customers).problems}
            for row, (place, customer) in enumerate(zip(places, customers, strict=True)):
                if row not in unfit and customer:
                    told = customer | {schema.target: labels[bool(churned[place])]}
                    file.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))
                    fit += 1
    return out.getvalue(), fit


def _put(data: Bucket, now: datetime, content: bytes) -> None:
    """Write a file once, named by the time or, where another one is there, by the next second.

    The other one is of a run that died before it was noted; more outcomes have come since.
    """
    for seconds in count():
        key = keys.learned_outcomes(now + timedelta(seconds=seconds))
        if data.put_once(key, content, "application/gzip") or data.get(key)[0] == content:
            return


def _labels(schema: Schema) -> Mapping[bool, Level]:
    """Return what the target says of who left, and of who did not."""
    (field,) = (field for field in schema.document["fields"] if field["name"] == schema.target)
    levels = properties.levels(field) or ()
    return {True: schema.positive, False: next(v for v in levels if v != schema.positive)}
