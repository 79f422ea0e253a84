"""The memory that a batch took is there for the next one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAULTS = """
import resource
import memory

def batch():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    kept = [bytes(1_000) for _ in range(8_000)] + [bytes(1 << 20)]
    del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = [batch() for _ in range(5)][-1]
memory.keep()
kept = [batch() for _ in range(5)][-1]
print(given_back, kept)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="another C library than glibc")
def test_what_is_freed_is_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env={"PYTHONPATH": str(ROOT / "functions/predict")},
        capture_output=True,
        text=True,
        check=True,
    )
    given_back, kept = map(int, done.stdout.split())
    assert kept < given_back / 10
