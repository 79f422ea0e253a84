"""What Evergreen costs on AWS, from list prices: `python infra/cost.py` shows the arithmetic.

List prices of us-east-1 in US dollars, as known in November 2025, without free tiers, savings and
taxes. Check them on https://aws.amazon.com/pricing before you rely on them. What is assumed of the
load stands beside them; both are there to be changed.
"""

from dataclasses import dataclass

MONTH = 730  # hours
GB = 1_000_000_000

LAMBDA_SECOND = 0.0000166667  # per GB, x86; arm64 is a fifth less
LAMBDA_REQUEST = 0.20 / 1_000_000
LAMBDA_DISK = 0.0000000309  # per GB and second, beyond 0.5 GB
SNAPSHOT_SECOND = 0.0000015046  # per GB: SnapStart keeps one of each published version
SNAPSHOT_RESTORED = 0.0001397998  # per GB
API_REQUEST = 3.50 / 1_000_000  # REST
FIREHOSE_GB = 0.029  # every request's record counts as a multiple of 5 KB
LOG_GB = 0.50  # taken in by CloudWatch Logs
S3_PUT = 0.005 / 1_000
S3_GET = 0.0004 / 1_000
S3_GB = 0.023  # a month
EVENT = 1.00 / 1_000_000
QUEUE_REQUEST = 0.40 / 1_000_000
STEP = 0.025 / 1_000  # a transition of a standard workflow
TRACE = 5.00 / 1_000_000
ALARM = 0.10  # a month, for every metric that it looks at
DASHBOARD = 3.00  # a month
METRIC = 0.30  # a month, of our own, in a month in which it is published
KEY = 1.00  # a month

PREDICT_GB = SCORE_GB = DRIFT_GB = MEASURE_GB = 1769 / 1024
RETRAIN_GB = 3008 / 1024

PREDICT_SECONDS = 0.010  # a request, with the call of Firehose
REQUESTS_A_RESTORE = 10_000  # how many one predictor answers before it ends
TRACED = 0.05  # X-Ray's default share
LOG_BYTES = 700  # START, END and REPORT of one invocation, and the line of its metrics
RECORD_BYTES = 600  # of one prediction in the inference log, before gzip makes it a fifth
DRIFT_SECONDS = 5  # a check
MEASURE_SECONDS = 5  # a measurement of 90 days of some thousand predictions
LOOK_SECONDS = 2  # of the hourly look of RetrainFunction that finds nothing to learn
TRAIN_SECONDS = 30  # some ten thousand customers
POLLS = 5 * 3 * 60  # an hour, by which Lambda looks into the queue of uploads, 20 s each
ROWS_A_SECOND = 140_000  # scored, with their records
PART_ROWS = 800_000  # in a part of 128 MB
ROW_BYTES = 160

ALARM_METRICS = 23  # infra/monitoring.yaml: one an alarm, five of "throttles"
DASHBOARDS = 2
METRICS = 14  # the predictor's three, the drift check's four, the measurement's seven, hourly;
# others cost their part of it in hours of an upload, of a training or in which something is wrong


@dataclass(frozen=True)
class Line:
    """So many of something, at a price."""

    what: str
    quantity: float
    unit: str
    price: float

    @property
    def amount(self) -> float:
        """Dollars."""
        return self.quantity * self.price


def lambda_lines(what: str, calls: float, seconds: float, memory: float) -> list[Line]:
    """Cost so many invocations of a function."""
    return [
        Line(f"{what}: compute", calls * seconds * memory, "GB s", LAMBDA_SECOND),
        Line(f"{what}: requests", calls, "", LAMBDA_REQUEST),
    ]


def monitoring() -> list[Line]:
    """A month of being told."""
    return [
        Line("alarms", ALARM_METRICS, "metrics", ALARM),
        Line("dashboards", DASHBOARDS, "", DASHBOARD),
        Line("metrics of our own", METRICS, "", METRIC),
        Line("key of the topic", 1, "", KEY),
    ]


def idle() -> list[Line]:
    """A month in which nobody asks for anything."""
    return [
        Line("snapshot of the predictor", MONTH * 3600 * PREDICT_GB, "GB s", SNAPSHOT_SECOND),
        *lambda_lines("hourly drift checks", MONTH, DRIFT_SECONDS, DRIFT_GB),
        *lambda_lines("hourly measurements", MONTH, MEASURE_SECONDS, MEASURE_GB),
        *lambda_lines("hourly looks for what to learn", MONTH, LOOK_SECONDS, RETRAIN_GB),
        Line("their calls of S3", MONTH * 3 * 60, "GET", S3_GET),
        Line("looks into the queue of uploads", MONTH * POLLS, "", QUEUE_REQUEST),
        Line("models and history in S3", 1, "GB", S3_GB),
        *monitoring(),
    ]


def predictions(count: int) -> list[Line]:
    """Predictions over HTTP, one customer each."""
    return [
        Line("API Gateway", count, "requests", API_REQUEST),
        *lambda_lines("predictor", count, PREDICT_SECONDS, PREDICT_GB),
        Line("restores", count / REQUESTS_A_RESTORE * PREDICT_GB, "GB", SNAPSHOT_RESTORED),
        Line("Firehose", count * 5 * 1024 / GB, "GB", FIREHOSE_GB),
        Line("log of the function", count * LOG_BYTES / GB, "GB", LOG_GB),
        Line("traces", count * TRACED, "", TRACE),
        Line("inference log, 13 months", count * RECORD_BYTES / 5 / GB * 13, "GB months", S3_GB),
    ]


def training() -> list[Line]:
    """One training, with the file that caused it."""
    return [
        *lambda_lines("training", 1, TRAIN_SECONDS, RETRAIN_GB),
        Line("writes of the version and its promotion", 20, "PUT", S3_PUT),
        Line("reads", 200, "GET", S3_GET),
        Line("events", 2, "", EVENT),
    ]


def scoring(rows: int) -> list[Line]:
    """One large file, in parts."""
    parts = rows / PART_ROWS
    seconds = rows / ROWS_A_SECOND
    return [
        *lambda_lines("scoring", parts, seconds / parts, SCORE_GB),
        Line("disk of 10 GB", seconds * 9.5, "GB s", LAMBDA_DISK),
        Line("Step Functions", 6 + 2 * parts, "transitions", STEP),
        Line("writes", 10 + 6 * parts, "PUT", S3_PUT),
        Line("file and result in S3, a month", 2 * rows * ROW_BYTES / GB, "GB months", S3_GB),
        Line("inference log, 13 months", rows * RECORD_BYTES / 5 / GB * 13, "GB months", S3_GB),
    ]


def show(title: str, lines: list[Line]) -> None:
    """Print what is costed, line by line, and the sum."""
    print(f"\n{title}: ${sum(line.amount for line in lines):,.4f}")
    for line in lines:
        quantity = f"{line.quantity:,.4g}" if line.quantity < 1000 else f"{line.quantity:,.0f}"
        arithmetic = f"{quantity} {line.unit}".strip() + f" x ${line.price:.10f}".rstrip(
            "0"
        ).rstrip(".")
        print(f"    {line.what:<42} {arithmetic:<40} {line.amount:>10.4f}")


if __name__ == "__main__":
    print(__doc__)
    show("A month idle, monitoring included", idle())
    show("  of which monitoring", monitoring())
    show("A million predictions over HTTP", predictions(1_000_000))
    show("One training", training())
    show("A million rows of a large file", scoring(1_000_000))
