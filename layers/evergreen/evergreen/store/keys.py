"""Where things lie in the three buckets: every object key of the project is made here."""

import hashlib
import re
from datetime import datetime

from evergreen.customers import files

# data bucket
TRAINING = "training/"
TRAINING_SCHEMA = "training/schema.json"
INCOMING = "incoming/"
SCORING = "scoring/"
WAITING = "waiting/"
EXPLAINED = "rejected/training/"
REASON = ".reason.txt"
OUTCOMES = "outcomes/"
"""Where files of outcomes are uploaded; in the log bucket, where all outcomes are kept."""

# model bucket
MODELS = "models/"
POINTER = "models/current.json"
MANIFEST = "manifest.json"
PROMOTIONS = "promotions/"
RETRAIN_LOCK = "locks/retrain.json"
SET_ASIDE = "set-aside/"
REFUSED = "waiting/refused.json"
FAILED = "waiting/failed.json"

# log bucket
INFERENCE = "inference/"
INDEX = "index/"
OUTCOMES_INDEX = f"{INDEX}{OUTCOMES}"
CAMPAIGNS = "campaigns/"
PERFORMANCE = "performance/latest.json"
"""How good the model really is, as it was last measured."""
PERFORMANCE_LOCK = "performance/lock.json"
LEARNED = "performance/learned.npz"
"""Which outcomes are in files of labelled customers already."""
DRIFT = "drift/"
DRIFT_LATEST = "drift/latest.json"
DRIFT_LATEST_PAGE = "drift/latest.html"
DRIFT_WORK = "drift/work/"
"""What is kept while a check is counted in parts, …"""
DRIFT_PIECES = "drift/work/pieces/"
"""… and of the log for the next check."""
DRIFT_HISTORY = "drift/history.json"
"""The checks of the last days, in short."""

_REJECTED_OUTCOMES = "rejected/outcomes/"
_CALL_LIST = ".call-list"
_CALLED = re.compile(rf"{re.escape(_CALL_LIST)}((?:\.scored)*\.(?:csv|jsonl))\Z")
_LONGEST = 1_024  # bytes of a key


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


def filed_records(at: datetime, upload: str, number: str) -> str:
    """The key of some records of customers who were scored by file.

    Args:
        at: the time that their predictions have.
        upload: the id of the upload.
        number: which of its records these are.

    """
    return f"{inference_hour(at)}scored-{upload}-{number}.jsonl.gz"


def replayed(hour: datetime) -> str:
    """The prefix of the records of one hour (UTC) that Firehose had not taken at first."""
    return f"{inference_hour(hour)}replayed-"


def replayed_records(hour: datetime, name: str) -> str:
    """The key of some of those; the same records have the same name."""
    return f"{replayed(hour)}{name}.jsonl.gz"


def inference_day(day: datetime) -> str:
    """The prefix of all hours of one day (UTC)."""
    return f"{INFERENCE}{day:%Y/%m/%d}/"


def drift_report(checked_at: datetime) -> str:
    """The key of a drift report; the same check, repeated, writes the same key."""
    return f"{_drift_check(checked_at)}.json"


def drift_page(checked_at: datetime) -> str:
    """The key of the page that shows a drift report."""
    return f"{_drift_check(checked_at)}.html"


def drift_counts(checked_at: datetime) -> str:
    """The key of what was counted for a drift report."""
    return f"{_drift_check(checked_at)}.npz"


def drift_piece(hour: str, name: str) -> str:
    """The key of what was gathered of some objects of the log.

    Args:
        hour: the prefix that they have.
        name: tells them from others, and from what they were before.

    """
    return f"{DRIFT_PIECES}{hour.removeprefix(INFERENCE)}{name}.npz"


def outcomes_day(received: datetime) -> str:
    """The prefix of the outcomes that were received on one day (UTC)."""
    return f"{OUTCOMES}{received:%Y/%m/%d}/"


def outcomes(received_at: datetime, name: str) -> str:
    """The key of outcomes that were received together.

    Args:
        received_at: when that was; the day is in the key.
        name: tells them from all others of the day, and is the same for the same outcomes.

    """
    return f"{outcomes_day(received_at)}{name}.jsonl.gz"


def outcomes_index(day: datetime) -> str:
    """The key of what the many small objects of `outcomes_day` hold."""
    return f"{OUTCOMES_INDEX}{day:%Y/%m/%d}.jsonl.gz"


def predictions_index(day: datetime) -> str:
    """The key of the predictions of one day (UTC) in short, which outcomes are joined with."""
    return f"{INDEX}{day:%Y/%m/%d}.npz"


def campaign_day(day: datetime) -> str:
    """The prefix of the call lists of one day (UTC)."""
    return f"{CAMPAIGNS}{day:%Y/%m/%d}/"


def campaign(at: datetime, upload: str) -> str:
    """The key of who was on a call list, to be contacted or as the control group.

    Args:
        at: the time of its predictions.
        upload: the id of the upload that it was made from.

    """
    return f"{campaign_day(at)}{upload}.jsonl.gz"


def learned_outcomes(at: datetime) -> str:
    """The key of a file of labelled customers made of predictions and their outcomes."""
    return f"{TRAINING}outcomes-{at:%Y%m%dT%H%M%SZ}.jsonl.gz"


def scored(incoming: str) -> str:
    """Where the predictions for an uploaded file go: under the same name.

    A file that is called as call lists are steps aside: `a.call-list.csv` becomes
    `a.call-list.scored.csv`, and what is called so already gets one `.scored` more.
    """
    return _result("scored", _CALLED.sub(rf"{_CALL_LIST}.scored\1", incoming))


def rejected(incoming: str) -> str:
    """Where the rows of an uploaded file go that can't be scored, each with its reason."""
    return _within_limits("rejected/", _apart(incoming), "")


def score_summary(incoming: str) -> str:
    """What became of an uploaded file whose suffix can be read: counts, or what is wrong with it.

    For `customers.csv` that is `customers.summary.json`, for a name such as `customers.tsv` or
    `customers.tsv.csv`, with which that would be shared, `customers.tsv.summary.json` and so on.
    """
    return _result("scored", _stem(incoming), ".summary.json")


def call_list(incoming: str) -> str:
    """Where it says which customers of an uploaded file to contact.

    For `customers.csv` that is `customers.call-list.csv`; otherwise as `score_summary`.
    """
    kind = files.kind(incoming)
    suffix = ".jsonl" if kind and kind.json else ".csv"
    return _result("scored", _stem(incoming), _CALL_LIST + suffix)


def explained(upload: str) -> str:
    """Where it says why a file can't be read at all, wherever it was uploaded."""
    if upload.startswith(TRAINING):
        return _within_limits(EXPLAINED, upload.removeprefix(TRAINING), REASON)
    if upload.startswith(OUTCOMES):
        return _within_limits(_REJECTED_OUTCOMES, upload.removeprefix(OUTCOMES), REASON)
    return _within_limits("rejected/", _apart(upload), REASON)


def outcomes_summary(upload: str) -> str:
    """What became of an uploaded file of outcomes; named as `score_summary` is."""
    return _within_limits("received/", _stem(upload).removeprefix(OUTCOMES), ".summary.json")


def outcomes_rejected(upload: str) -> str:
    """Where the rows of an uploaded file of outcomes go that can't be taken, with the reasons."""
    return _within_limits(_REJECTED_OUTCOMES, upload.removeprefix(OUTCOMES), "")


def score_job(upload: str) -> str:
    """The prefix of all that is kept while a large upload is scored in parts.

    Args:
        upload: a hash of the upload's key and version.

    """
    return f"{SCORING}{upload}/"


def score_waiting(upload: str) -> str:
    """The note that an upload waits for the first model."""
    return f"{WAITING}{upload}.json"


def score_claim(upload: str) -> str:
    """What was settled when an upload was first looked at."""
    return f"{score_job(upload)}claim.json"


def score_job_parts(job: str) -> str:
    """The table of a job's parts, as the state machine reads it."""
    return f"{job}parts.csv"


def score_job_document(job: str) -> str:
    """What all parts of a job have in common."""
    return f"{job}job.json"


def score_piece(job: str, kind: str, part: int | str) -> str:
    """The key of what became of one part."""
    return f"{job}{kind}/{part}"


def _drift_check(checked_at: datetime) -> str:
    return f"{DRIFT}{checked_at:%Y/%m/%d/%Y%m%dT%H%M%SZ}"


def _apart(incoming: str) -> str:
    """Name what is uploaded as `incoming/training/…` apart from what is as `training/…`."""
    name = incoming.removeprefix(INCOMING)
    return incoming if name.startswith((INCOMING, TRAINING, OUTCOMES)) else name


def _stem(incoming: str) -> str:
    """Take `.csv` off a name, unless what is left could be the name of another upload."""
    stem = incoming.removesuffix(".csv")
    return incoming if files.kind(stem) else stem


def _result(folder: str, incoming: str, suffix: str = "") -> str:
    return _within_limits(f"{folder}/", incoming.removeprefix(INCOMING), suffix)


def _within_limits(folder: str, name: str, suffix: str) -> str:
    """Make a key, of a hash where S3 would take no key as long."""
    key = folder + name + suffix
    if len(key.encode()) <= _LONGEST:
        return key
    return folder + hashlib.sha256(name.encode()).hexdigest() + suffix
