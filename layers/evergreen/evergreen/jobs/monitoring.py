"""The drift check: what was predicted lately against what the champion was trained on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from evergreen.customers.schema import Schema
from evergreen.models import artifact
from evergreen.models.artifact import Artifact
from evergreen.statistics.drift import Baseline, Counts, Report, Thresholds, compare
from evergreen.store import inference_log
from evergreen.store.inference_log import Record
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket


@dataclass(frozen=True, slots=True)
class Check:
    """A drift report and the model version whose baseline it rests on."""

    model_version: str
    report: Report


def check(
    registry: Registry, logs: Bucket, thresholds: Thresholds, window: timedelta, now: datetime
) -> Check:
    """Compare the predictions of a window of time with the champion's baseline.

    Where the champion's files are broken, it is that of the version before it, which then serves.

    Every customer counts, whichever version answered; the score's distribution is taken from the
    champion's own answers only, because another model's are not comparable.

    Raises:
        NoModelError: nothing was ever promoted, so there is nothing to compare with.
        CorruptModelError: no version's files are what was published.

    """
    needed = (artifact.SCHEMA, artifact.BASELINE, artifact.METRICS)
    champion = registry.first_sound(registry.pointer(), needed, Artifact.verify)
    schema = Schema.parse(champion.files[artifact.SCHEMA])
    baseline = Baseline.parse(champion.files[artifact.BASELINE])
    version = champion.manifest.version
    counts = _count(baseline, schema, version, [])
    for records in inference_log.read(logs, window, now):
        counts += _count(baseline, schema, version, records)
    importance = json.loads(champion.files[artifact.METRICS])["importance"]
    return Check(version, compare(baseline, counts, importance, thresholds))


def _count(baseline: Baseline, schema: Schema, version: str, records: Sequence[Record]) -> Counts:
    columns = {name: [r["customer"].get(name) for r in records] for name in schema.feature_names}
    matrix = schema.encode(columns, len(records)).matrix
    scores = [r["churn_probability"] for r in records if r["model_version"] == version]
    return baseline.count(matrix, np.array(scores, dtype=np.float32))
