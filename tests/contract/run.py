"""Schemathesis, with all of its checks and one of ours, against the API wherever it is."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import RejectedPositiveData

from tests.contract.page import Page, parse

Api = schemathesis.BaseSchema
Excuse = Callable[[Failure, Response], bool]

_SHOWN = 20


@dataclass
class Outcome:
    """What came of a run."""

    cases: Counter[str] = field(default_factory=Counter)
    """By operation."""
    answers: Counter[str] = field(default_factory=Counter)
    """By operation and status."""
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """How many cases there were."""
        return self.cases.total()

    def __str__(self) -> str:
        lines = [f"{self.total:,} cases in {self.seconds:.0f} s, {len(self.failures):,} failures"]
        for operation, count in sorted(self.cases.items()):
            of = [
                f"{n:,} answered {k.split()[-1]}"
                for k, n in sorted(self.answers.items())
                if k.startswith(f"{operation} → ")
            ]
            lines.append(f"  {operation:<20} {count:>6,}: {', '.join(of)}")
        lines += self.failures[:_SHOWN]
        return "\n".join(lines)


def config(seed: int, examples: int, auth: Mapping[str, Any] | None = None) -> SchemathesisConfig:
    """Configure a run: the same seed makes the same cases, so many of each operation at random."""
    made = SchemathesisConfig.from_dict({"auth": dict(auth)} if auth else {})
    made.update(seed=seed, max_failures=None)
    project = made.projects.default
    project.continue_on_failure = True
    project.generation.max_examples = examples
    project.generation.database = "none"
    project.generation.no_shrink = True
    return made


def run(
    api: Api,
    page: Page,
    seconds: float = 600,
    excuse: Excuse = lambda failure, response: False,
) -> Outcome:
    """Send all cases, and check every answer.

    Args:
        api: a loaded page, with its configuration.
        page: what it says in words.
        seconds: how long it may take; where that is not enough, it is a failure.
        excuse: whether a failure is none, for what lies between us and the API.

    """
    _PAGES[id(api)] = page

    @api.hook
    def filter_failure(
        context: HookContext, failure: Failure, case: Case, response: Response
    ) -> bool:
        return not (_is_said_in_words(page, failure, case, response) or excuse(failure, response))

    outcome, started, late = Outcome(), time.monotonic(), False
    try:
        stream = from_schema(api).execute()
        for event in stream:
            if not late and time.monotonic() - started > seconds:
                late = True
                outcome.failures.append(f"not all cases were answered within {seconds:.0f} s")
                stream.stop()
            if isinstance(event, events.ScenarioFinished):
                _note(outcome, event)
            elif isinstance(event, events.FatalError):
                outcome.failures.append(f"the run broke off: {event.exception!r}")
            elif isinstance(event, events.NonFatalError):
                outcome.failures.append(f"{event.label}: {event.value!r}")
    finally:
        del _PAGES[id(api)]
    outcome.seconds = time.monotonic() - started
    return outcome


_PAGES: dict[int, Page] = {}  # a check is known to all runs


@schemathesis.check
def what_the_page_takes_is_answered(ctx: Any, response: Response, case: Case) -> None:
    """Hold an answer against the page, whatever kind of case it answers."""
    verdict = _verdict(case, response)
    if verdict is not None and verdict != (response.status_code in (200, 202)):
        raise AssertionError(
            "the page takes this body" if verdict else "the page does not take this body"
        )


def _verdict(case: Case, response: Response) -> bool | None:
    """Whether the page takes a body; None where that is not what was decided upon."""
    page = _PAGES.get(id(case.operation.schema))
    asked = response.request.method == case.operation.method.upper() == "POST"
    if not page or not asked or response.status_code not in (200, 202, 400, 422):
        return None
    if _is_another(response):
        return None
    path = case.operation.path
    if not page.asks(urlsplit(response.request.url).query, response.request.headers, path):
        return False
    try:
        body = parse(response.request.body)
    except (ValueError, RecursionError):
        return False
    if path == "/outcomes":
        return page.takes_outcomes(body)
    batch = path == "/predict/batch"
    skipping = batch and "on_invalid=skip" in response.request.url.lower()
    taken = page.takes(body, batch=batch, skipping=skipping)
    if taken and response.status_code == 422:
        customers = body if isinstance(body, list) else [body]
        return not page.excuses(customers, response.json()["errors"])
    return taken


def _is_another(response: Response) -> bool:
    """Whether a request had the `Idempotency-Key` of an earlier one, as short ones have."""
    return response.status_code == 422 and "errors" not in response.json()


def _is_said_in_words(page: Page, failure: Failure, case: Case, response: Response) -> bool:
    """Whether an answer is right that the JSON Schema alone would call wrong."""
    if isinstance(failure, RejectedPositiveData):
        return _is_another(response) or (
            response.status_code == 422 and _verdict(case, response) is False
        )
    if isinstance(failure, AcceptedNegativeData) and case.meta:
        return _verdict(case, response) is True
    return False


def _note(outcome: Outcome, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    outcome.cases[recorder.label] += len(recorder.interactions)
    for identity, found in recorder.interactions.items():
        status = int(found.response.status_code) if found.response else "none"
        outcome.answers[f"{recorder.label} → {status}"] += 1
        if not found.response:
            outcome.failures.append(f"{recorder.label}: no answer to {identity}")
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info:
                info = check.failure_info
                outcome.failures.append(
                    f"{recorder.label}, {check.name}: {info.failure}\n  {info.code_sample}"
                )
