"""The API as it is deployed, behind API Gateway."""

import json
from itertools import count
from typing import Any

import httpx2 as httpx
import schemathesis
import yaml
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import UnsupportedMethodResponse

from local.demo.stack import ROOT
from tests.contract.page import Page, is_key
from tests.contract.run import Api, Outcome, config, run

_KIND = "x-amzn-errortype"  # of an answer that is the gateway's own
_TEMPLATED = {
    "MissingAuthenticationTokenException": "MISSING_AUTHENTICATION_TOKEN",
    "ForbiddenException": "INVALID_API_KEY",
}


_numbers = count()


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Give each case an `Idempotency-Key` of its own: few are generated, each is one request's."""
    for name, key in list((case.headers or {}).items()):
        if name.lower() == "idempotency-key" and is_key(key):
            case.headers[name] = f"{key[:200]}-{next(_numbers)}"


def against(url: str, key: str, *, examples: int, seed: int, seconds: float = 600) -> Outcome:
    """Run against an address, whose page and model are asked for first."""
    api: Api = schemathesis.openapi.from_dict(
        _get(url, key, "/openapi.json"),
        config=config(seed, examples, {"openapi": {"ApiKey": {"api_key": key}}}),
    )
    api.config.base_url = url
    page = Page(_get(url, key, "/openapi.json"), _get(url, key, "/model")["schema"])
    templated = _gateway_responses()

    @api.hook
    def after_call(context: HookContext, case: Case, response: Response) -> None:
        """Answer as the template has API Gateway answer: LocalStack has words of its own."""
        kind = response.headers.get(_KIND, [""])[0]
        if kind in _TEMPLATED and "x-localstack" in response.headers:
            told = templated[_TEMPLATED[kind]]
            response.status_code = told["StatusCode"]
            (said,) = told["ResponseParameters"]["Headers"].values()
            response.headers["content-type"] = [said.strip("'")]
            (content,) = told["ResponseTemplates"].values()
            response.content = content.encode()

    return run(api, page, seconds, _is_the_gateways)


def _is_the_gateways(failure: Failure, response: Response) -> bool:
    """Whether an answer is right, but comes from what lies between us and the app."""
    if isinstance(failure, UnsupportedMethodResponse):  # API Gateway knows the routes' methods only
        return response.status_code == 404 and _KIND in response.headers
    # LocalStack's web server reads multipart bodies, and refuses in its own way what it can't read
    sent = response.request.headers.get("Content-Type", "")
    bare = not response.content and "x-localstack" not in response.headers
    return sent.startswith("multipart/form-data") and response.status_code == 400 and bare


def _get(url: str, key: str, path: str) -> Any:
    answer = httpx.get(url + path, headers={"x-api-key": key}, timeout=60)
    answer.raise_for_status()
    return json.loads(answer.content)


def _gateway_responses() -> dict[str, Any]:
    """Return what the template says of the gateway's own answers."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, tag, node: None)
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    responses: dict[str, Any] = template["Resources"]["Api"]["Properties"]["GatewayResponses"]
    return responses
