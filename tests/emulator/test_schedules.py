"""When LocalStack invokes what has a schedule."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, interpreter

MINUTE, HOUR = 60, 3_600
RUNS = """
import json
import sys
from datetime import datetime, timedelta, timezone

from crontab import CronTab
from evergreen_emulator import patches

patches.install()
from localstack.services.events.rule import RuleService

rule = RuleService.create_rule_service(
    "name", event_bus_name="default", schedule_expression=sys.argv[1]
)
cron = CronTab(rule.schedule_cron)
made = now = datetime.now(timezone.utc).replace(tzinfo=None)
runs = []
for _ in range(5):
    now += timedelta(minutes=2)
    now += timedelta(seconds=cron.next(now=now, default_utc=True))
    runs.append((now - made).total_seconds())
print(json.dumps(runs))
"""
"""Prints after how many seconds a rule that is made now is due, five times."""


@pytest.mark.parametrize(
    ("schedule", "period"),
    [("rate(1 hour)", HOUR), ("rate(6 hours)", 6 * HOUR), ("rate(1 day)", 24 * HOUR)],
)
def test_a_rate_counts_from_when_its_rule_was_made(
    schedule: str, period: int, tmp_path: Path
) -> None:
    python = interpreter("EVERGREEN_EMULATOR_PYTHON", ".tools/emulator/bin/python")
    printed = subprocess.run(
        [python, "-c", RUNS, schedule],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "local/emulator"),
            "EVERGREEN_PERMISSIONS": str(tmp_path / "permissions.jsonl"),
        },
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    ).stdout
    assert json.loads(printed) == [
        pytest.approx(number * period, abs=2 * MINUTE) for number in range(1, 6)
    ]
