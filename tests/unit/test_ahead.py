"""Requests that are made ahead: in order, not too many, and as far as somebody wants them."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.store.ahead import ahead


@given(st.lists(st.integers(0, 3)), st.integers(1, 5))
def test_answers_come_in_order_whichever_is_first(delays: list[int], many: int) -> None:
    def get(number: int) -> int:
        time.sleep(delays[number] / 1_000)
        return 10 * number

    found = [*ahead(get, range(len(delays)), many)]
    assert found == [(number, 10 * number) for number in range(len(delays))]


def test_they_are_made_at_once_but_not_too_many() -> None:
    together, held = threading.Barrier(4), threading.Semaphore(4)

    def get(number: int) -> int:
        assert held.acquire(blocking=False)
        together.wait(10)  # for three others
        held.release()
        return number

    assert [answer for _, answer in ahead(get, range(12), 4)] == [*range(12)]


def test_what_nobody_wants_is_not_asked_for() -> None:
    asked: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    answers = ahead(str, numbers(), 3)
    assert not asked
    assert [next(answers), next(answers)] == [(0, "0"), (1, "1")]
    answers.close()  # type: ignore[attr-defined]
    assert asked == [0, 1, 2, 3, 4]


def test_a_failure_is_raised_in_its_place() -> None:
    answers = ahead([1, 2].__getitem__, range(3), 2)
    assert [next(answers), next(answers)] == [(0, 1), (1, 2)]
    with pytest.raises(IndexError):
        next(answers)
