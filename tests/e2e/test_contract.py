"""Schemathesis through API Gateway: what the page states is what is taken and answered."""

from local.demo.story import Story
from tests.contract.deployed import against

from .conftest import Deployed


def test_the_page_of_the_deployed_api_states_what_it_takes_and_answers(
    deployed: Deployed, told: Story
) -> None:
    outputs = deployed.outputs
    outcome = against(outputs.api_url, outputs.api_key, examples=10, seed=0, seconds=180)
    assert not outcome.failures, str(outcome)
    assert outcome.total >= 300
    assert outcome.answers["POST /predict → 200"] > 50
    assert outcome.answers["GET /model → 404"] > 0  # an unknown method, as the gateway has it
    assert outcome.answers["GET /model → 403"] > 0  # no key
