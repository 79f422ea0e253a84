"""`evergreen drift`: the latest check, a file, and any part of the log."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evergreen.jobs.drift.monitoring import check
from evergreen.jobs.drift.publishing import publish
from evergreen.models.artifact import Artifact
from evergreen.settings import Thresholds
from evergreen.store import functions, keys
from evergreen.store.registry import Pointer, Registry
from evergreen.store.s3 import Bucket
from local.demo.customers import customers

from .commands import Shell, ShellOn, shell_on
from .conftest import another

__all__ = ["shell_on"]

DAY = timedelta(days=1)
ENVIRONMENT = {
    "EVERGREEN_DATA_BUCKET": "d",
    "EVERGREEN_MODEL_BUCKET": "m",
    "EVERGREEN_LOG_BUCKET": "l",
    "EVERGREEN_LOG_STREAM": "s",
    "EVERGREEN_DRIFT_MIN_ROWS": "100",
}


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, shell_on: ShellOn, promoted: Pointer, logs: Bucket
) -> Shell:
    known = {"evergreen-drift": ENVIRONMENT}
    monkeypatch.setattr(functions, "environment", known.__getitem__)
    return shell_on(LogBucket=logs.name, DriftFunction="evergreen-drift")


@pytest.fixture(scope="module")
def same() -> pd.DataFrame:
    return customers(400, seed=2)


@pytest.fixture(scope="module")
def shifted(same: pd.DataFrame) -> pd.DataFrame:
    features = {"tenure_months": 1, "contract": "monthly", "monthly_fee": 199.0, "satisfaction": 1}
    return same.assign(**features, connection="fibre", security_addon="no")


def write(frame: pd.DataFrame, name: str = "customers.csv") -> str:
    frame.to_csv(name, index=False)
    return name


def log(logs: Bucket, frame: pd.DataFrame, at: datetime, version: str = "v") -> None:
    rows = json.loads(frame.drop(columns="churned", errors="ignore").to_json(orient="records"))
    lines = [
        json.dumps(
            {
                "prediction_id": f"{at:%H%M%S}-{number}",
                "predicted_at": at.isoformat(),
                "model_version": version,
                "churn_probability": 0.3,
                "customer": row,
            }
        )
        for number, row in enumerate(rows)
    ]
    content = gzip.compress("\n".join(lines).encode())
    logs.put(f"{keys.inference_hour(at)}{at:%M%S}.jsonl.gz", content)


def test_a_file_of_the_same_customers_has_not_drifted(
    shell: Shell, same: pd.DataFrame, promoted: Pointer
) -> None:
    told = shell.json("drift", write(same), "--fail-on-drift")
    assert (told["verdict"], told["customers"], told["rows"]) == ("no_drift", 400, 400)
    assert told["model_version"] == promoted.version
    assert told["thresholds"]["min_rows"] == 100  # as the stack has it
    assert "customers have not changed: 400 customers" in shell("drift", "customers.csv")


def test_a_file_of_others_has_and_ends_with_3_where_that_is_asked(
    shell: Shell, shifted: pd.DataFrame
) -> None:
    told = shell.json("drift", write(shifted))
    assert told["verdict"] == "drift"
    said = shell("drift", "customers.csv", "--fail-on-drift", code=3)
    assert "customers have changed" in said
    assert said.index("tenure_months") < said.index("region")  # what matters comes first


def test_a_customer_of_a_file_counts_once(shell: Shell, same: pd.DataFrame) -> None:
    told = shell.json("drift", write(pd.concat([same, same])))
    assert (told["customers"], told["rows"]) == (400, 800)


def test_too_few_customers_are_no_drift(shell: Shell, shifted: pd.DataFrame) -> None:
    told = shell.json("drift", write(shifted.head(99)), "--fail-on-drift")
    assert told["verdict"] == "too_few_rows"
    assert "too few customers to say" in shell("drift", "customers.csv")


def test_the_log_is_compared_between_two_times(
    shell: Shell, logs: Bucket, same: pd.DataFrame, shifted: pd.DataFrame
) -> None:
    now = datetime.now(UTC)
    log(logs, same, now - 3 * DAY)
    log(logs, shifted, now - DAY / 2)
    assert shell.json("drift", "--since", "4d", "--until", "2d")["verdict"] == "no_drift"
    told = shell.json("drift", "--since", "1d", "--fail-on-drift", code=3)
    assert (told["verdict"], told["customers"], told["rows"]) == ("drift", 400, 400)


def test_another_version_can_be_compared_with(
    shell: Shell, registry: Registry, version: Artifact, same: pd.DataFrame
) -> None:
    registry.publish(another(version, "other").manifest, version.files)
    told = shell.json("drift", write(same), "--against", "other")
    assert told["model_version"] == "other"
    shell("drift", "customers.csv", "--against", "third", code=1)
    assert "there is no version third: `evergreen models list`" in shell.error


def test_the_latest_check_is_shown(
    shell: Shell, registry: Registry, logs: Bucket, same: pd.DataFrame
) -> None:
    shell("drift", code=1)
    assert "no check was made yet" in shell.error
    now = datetime.now(UTC)
    log(logs, same, now - DAY / 24)
    found = check(registry, logs, Thresholds(min_rows=100), DAY, DAY, now)
    publish(logs, found)
    told: dict[str, Any] = shell.json("drift")
    assert told == json.loads(json.dumps(found.as_dict()))
    assert "customers have not changed: 400 customers" in shell("drift")


@pytest.mark.parametrize(
    "arguments",
    [
        ("a.csv", "--since", "1d"),
        ("--until", "1d"),
        ("--against", "v"),
        ("--since", "1d", "--until", "2d"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell("drift", *arguments, code=2)


def test_a_file_of_something_else_is_refused(shell: Shell) -> None:
    Path("a.csv").write_text("x,y\n1,2\n")
    shell("drift", "a.csv", code=1)
    assert "header" in shell.error
