"""What is told of how the model does, for the API's description: documents are given as they are.

They come from the measurement and the drift check, whose later versions may say more.
"""

from typing import Any, Literal, TypedDict


class Interval(TypedDict):
    """A value and where it is with 95 % confidence."""

    value: float
    low: float
    high: float


class MeasuredQuality(TypedDict, total=False):
    """How good predictions were, by the outcomes of so many customers."""

    customers: int
    churn_rate: float
    mean_predicted: float
    roc_auc: Interval
    log_loss: Interval
    brier: Interval
    ece: Interval
    profit: Interval


class EstimatedQuality(TypedDict):
    """How good predictions are if their probabilities are right, by so many customers' own."""

    customers: int
    roc_auc: float | None
    log_loss: float
    brier: float
    churn_rate: float


class ExpectedQuality(TypedDict):
    """How good they were on the held-out customers of the training."""

    roc_auc: float | None
    log_loss: float | None
    brier: float | None


class Week(TypedDict):
    """The predictions of a version within a week; each customer once, by the latest one."""

    model_version: str
    week: str
    start: str
    customers: int
    labelled: int
    measured: MeasuredQuality | None
    estimated: EstimatedQuality | None
    expected: ExpectedQuality


class OutcomesSeen(TypedDict):
    """The outcomes that came, and how many of them found a prediction."""

    received: int
    matched: int
    unmatched: int
    examples: list[str]
    contradictions: int


class CampaignEffect(TypedDict):
    """What a call list changed, against the customers who were held back."""

    upload: str
    at: str
    contacted: int
    control: int
    contacted_left: float | None
    control_left: float | None
    effect: Interval | None


class Decay(TypedDict):
    """Whether the model is worse than was expected of it."""

    seen: bool
    model_version: str
    week: str
    metric: str
    measured: float
    expected: float
    basis: Literal["outcomes", "estimate"]
    reason: str


class Performance(TypedDict):
    """How good the models really were, newest week first."""

    performance_version: Literal[1]
    measured_at: str
    horizon_days: float
    outcomes: OutcomesSeen
    weeks: list[Week]
    campaigns: list[CampaignEffect]
    decay: Decay | None


class DriftReport(TypedDict):
    """What a drift check found; `infra/drift-report.schema.json` describes all of it."""

    report_version: Literal[1]
    checked_at: str
    verdict: str
    columns: list[dict[str, Any]]


DOCUMENTS = (Performance, DriftReport)
