"""Where things lie in the three buckets: every object key of the project is made here."""

from datetime import datetime
from pathlib import PurePosixPath

# data bucket
TRAINING = "training/"
TRAINING_SCHEMA = "training/schema.json"
INCOMING = "incoming/"

# model bucket
MODELS = "models/"
POINTER = "models/current.json"
MANIFEST = "manifest.json"
PROMOTIONS = "promotions/"
RETRAIN_LOCK = "locks/retrain.json"
SET_ASIDE = "set-aside/"

# log bucket
INFERENCE = "inference/"
DRIFT = "drift/"


def model_file(version: str, name: str) -> str:
    """The key of one file of a model version."""
    return f"{MODELS}{version}/{name}"


def promotion(moved_at: datetime, version: str) -> str:
    """The key of one move of the pointer; keys sort by time."""
    return f"{PROMOTIONS}{moved_at:%Y%m%dT%H%M%S.%fZ}-{version}.json"


def set_aside(etag: str) -> str:
    """The key of the note that a labelled file is not learned from."""
    return f"{SET_ASIDE}{etag.strip('"')}.json"


def waiting(version: str) -> str:
    """The key of the note on data that waits, as the champion of this version holds on it."""
    return f"waiting/{version}.json"


def inference_hour(hour: datetime) -> str:
    """The prefix under which Firehose puts what it received within one hour (UTC)."""
    return f"{INFERENCE}{hour:%Y/%m/%d/%H}/"


def inference_day(day: datetime) -> str:
    """The prefix of all hours of one day (UTC)."""
    return f"{INFERENCE}{day:%Y/%m/%d}/"


def drift_report(checked_at: datetime) -> str:
    """The key of a drift report; the same check, repeated, writes the same key."""
    return f"{DRIFT}{checked_at:%Y/%m/%d/%Y%m%dT%H%M%SZ}.json"


def scored(incoming: str) -> str:
    """Where the predictions for an uploaded file go."""
    return _result("scored", incoming, ".csv")


def rejected(incoming: str) -> str:
    """Where the rows of an uploaded file go that can't be scored, each with its reason."""
    return _result("rejected", incoming, ".csv")


def score_summary(incoming: str) -> str:
    """What became of an uploaded file: counts, or why none of it could be read."""
    return _result("scored", incoming, ".summary.json")


def _result(folder: str, incoming: str, suffix: str) -> str:
    name = PurePosixPath(incoming).relative_to(INCOMING)
    return f"{folder}/{name.with_suffix(suffix)}"
