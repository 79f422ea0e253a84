"""Thousands of cases by Schemathesis: `python -m tests.contract [--seed N] [--url … --key …]`.

A fifth of them and more go through API Gateway to the deployed template, on a LocalStack that is
started for it unless `--url` and `--key` name an API; the rest to the app in this process.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from local.demo import source
from local.demo.doors import Doors
from local.demo.stack import ROOT, Emulator, build, deploy
from local.demo.story import Story
from tests.contract.deployed import against
from tests.contract.inside import EVERYTHING, inside
from tests.contract.run import Outcome, run
from tests.ports import free_port

CASES = 5_000
_INSIDE, _DEPLOYED = 420, 280  # cases at random of each operation


def main() -> int:
    """Run it all, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same cases")
    parser.add_argument("--url", help="an API that is deployed, its stage included")
    parser.add_argument("--key", default="", help="its key")
    given = parser.parse_args()
    outcomes: list[Outcome] = []
    shipped = {n: json.loads((ROOT / f"local/schemas/{n}.json").read_bytes()) for n in _SCHEMAS}
    for name, document in {**shipped, "everything": EVERYTHING}.items():
        api, page = inside(document, examples=_INSIDE, seed=given.seed)
        outcomes.append(_told(f"In this process, schema {name!r}", run(api, page)))
    with _somewhere() if given.url is None else _there(given.url, given.key) as (url, key):
        outcome = against(url, key, examples=_DEPLOYED, seed=given.seed)
        outcomes.append(_told(f"Through API Gateway, {url}", outcome))
    total, failures = sum(o.total for o in outcomes), sum(len(o.failures) for o in outcomes)
    seconds = sum(o.seconds for o in outcomes)
    print(f"{total:,} cases, seed {given.seed}, in {seconds:.0f} s: {failures:,} failures")
    return 1 if failures or total < CASES else 0


_SCHEMAS = ("customers", "telco")


def _told(where: str, outcome: Outcome) -> Outcome:
    print(f"{where}: {outcome}", flush=True)
    return outcome


@contextmanager
def _there(url: str, key: str) -> Iterator[tuple[str, str]]:
    yield url, key


@contextmanager
def _somewhere() -> Iterator[tuple[str, str]]:
    """Deploy the template to a LocalStack of our own, and train a first model there."""
    with tempfile.TemporaryDirectory(prefix="evergreen-contract-") as state:
        emulator = Emulator(free_port(), Path(state))
        emulator.start()
        try:
            build(emulator)
            outputs = deploy(emulator)
            Story(Console(), Doors(emulator, outputs), source.find(None, None)).train()
            yield outputs.api_url, outputs.api_key
        finally:
            emulator.stop()


if __name__ == "__main__":
    sys.exit(main())
