"""The page and the app, without a gateway, for schemas with all that a schema may have."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from local.demo.stack import ROOT
from tests.contract.inside import EVERYTHING, inside
from tests.contract.run import run


@pytest.fixture(autouse=True)
def functions() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in {path.stem for path in ROOT.glob("functions/predict/*.py")} - before:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "document",
    [
        *(
            json.loads((ROOT / f"local/schemas/{n}.json").read_bytes())
            for n in ("customers", "telco")
        ),
        EVERYTHING,
    ],
    ids=["customers", "telco", "everything"],
)
def test_what_the_page_states_is_what_is_taken(document: dict[str, Any]) -> None:
    api, page = inside(document, examples=40, seed=0)
    outcome = run(api, page)
    assert not outcome.failures, str(outcome)
    assert outcome.total > 400
    assert outcome.answers["POST /predict → 200"] > 60
    assert outcome.answers["POST /predict → 422"] > 50
    assert outcome.answers["POST /outcomes → 202"] > 10
    assert outcome.answers["POST /outcomes → 422"] > 10
    assert outcome.answers["GET /performance → 200"] > 0
    assert outcome.answers["GET /drift → 200"] > 0
