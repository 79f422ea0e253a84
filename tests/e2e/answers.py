"""Asking an API that runs in containers, and comparing its answers with the deployment's."""

import time
from collections.abc import Sequence
from typing import Any

import httpx2 as httpx

from .conftest import Deployed

Answers = list[dict[str, Any]]
WARM = 20


def ask(url: str, customers: Sequence[dict[str, Any]]) -> Answers:
    """Predict for customers, one by one."""
    with httpx.Client(base_url=url, timeout=120) as client:
        answers = [client.post("/predict", json=customer) for customer in customers]
    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    return [answer.json() for answer in answers]


def same_answers(deployed: Deployed, answers: Answers, customers: Sequence[Any]) -> None:
    """Assert that answers are the deployment's, to the last digit, but for the predictions' ids."""
    wanted = [deployed.api("POST", "/predict", customer).json() for customer in customers]
    for answer in (*answers, *wanted):
        assert answer.pop("prediction_id")
    assert answers == wanted


def timed(url: str, customer: dict[str, Any]) -> str:
    """Ask many times; tell how long the first answer took, and the median of the others."""
    seconds = []
    with httpx.Client(base_url=url, timeout=120) as client:
        for _ in range(WARM + 1):
            started = time.perf_counter()
            client.post("/predict", json=customer).raise_for_status()
            seconds.append(time.perf_counter() - started)
    first, *warm = seconds
    return f"first answer {first:.2f} s, warm {sorted(warm)[WARM // 2] * 1000:.1f} ms"
