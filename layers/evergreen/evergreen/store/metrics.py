"""Every metric of ours: its name, its unit, and the one line of a function's log that tells it.

The line is in CloudWatch's embedded metric format, from which CloudWatch takes the metrics without
being called. It is written here, because the predictor writes one for each prediction: a library's
takes a third of the time of the prediction itself.
"""

import time
from dataclasses import dataclass
from typing import Literal

import orjson

Service = Literal["predict", "score", "drift", "measure", "retrain"]
Unit = Literal["Count", "Milliseconds", "None"]

NAMESPACE = "Evergreen"
UNDELIVERED = "undelivered inference record"
"""The message of a line that keeps a record which Firehose did not take."""
UNITS: dict[Service, dict[str, Unit]] = {
    "predict": {
        "Predictions": "Count",  # customers who were answered
        "Latency": "Milliseconds",  # of a request with predictions, inside the function
        "ColdStarts": "Count",  # processes that began, or came out of a snapshot
        "ValidationErrors": "Count",  # requests that were refused for what they say
        "UndeliveredRecords": "Count",
    },
    "score": {"RowsScored": "Count", "RowsRejected": "Count"},
    "drift": {
        "ModelAge": "None",  # days
        "Customers": "Count",  # distinct ones, in the window
        "DriftedShare": "None",
        "PredictedChurn": "None",  # the customers' mean probability
    },
    "measure": {
        "OutcomesMatched": "Count",  # that tell of a prediction, of those of the last months
        "OutcomesUnmatched": "Count",
        "MeasuredRocAuc": "None",  # all of the champion's latest week of which it is known
        "MeasuredLogLoss": "None",
        "EstimatedRocAuc": "None",
        "EstimatedLogLoss": "None",
        "Decayed": "Count",  # 1 where the champion has become worse, else 0
    },
    "retrain": {
        "Trainings": "Count",
        "Promotions": "Count",
        "HeldOutLogLoss": "None",  # of what was trained
        "ChampionLogLoss": "None",  # where the two were compared, on the same customers
        "ChallengerLogLoss": "None",
        "LabelsWanted": "Count",
        "PromotionsWanted": "Count",
        "SourcesSetAside": "Count",
        "SourcesRefused": "Count",
    },
}
"""Which function publishes what; a dashboard or an alarm shows each."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one function of a deployment."""

    service: Service
    stack: str

    def publish(self, **values: float | None) -> None:
        """Write one line with these metrics; those that are None are left out.

        A value stands in a list, as in the lines of aws-lambda-powertools, so that what reads the
        one reads the other.
        """
        told = {name: [value] for name, value in values.items() if value is not None}
        if not told:
            return
        units = UNITS[self.service]
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [["service", "stack"]],
            "Metrics": [{"Name": name, "Unit": units[name]} for name in told],
        }
        line = {
            "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]},
            "service": self.service,
            "stack": self.stack,
            **told,
        }
        print(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY).decode())
