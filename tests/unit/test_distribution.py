"""A column then and now, in bars: they add up, they read well, and nobody can be told from them."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.customers.features import parse_feature
from evergreen.statistics.baseline import Column
from evergreen.statistics.distribution import FEW, OTHERS, STRANGE, Distribution, distribution

Floats = npt.NDArray[np.float32]


def floats(*values: float | None) -> Floats:
    return np.array(values, dtype=np.float32)


def number(before: Floats, now: Floats) -> Distribution:
    column = Column.of("x", False, before)
    return distribution(column, column.count(now))


def whole(before: Floats, now: Floats) -> Distribution:
    feature = parse_feature({"name": "x", "type": "integer"}, frozenset())
    column = Column.of("x", False, before)
    return distribution(column, column.count(now), feature)


def category(levels: list[object], before: Floats, now: Floats) -> Distribution:
    feature = parse_feature({"name": "x", "constraints": {"enum": levels}}, frozenset())
    column = Column.of("x", True, before)
    return distribution(column, column.count(now), feature)


def labels(found: Distribution) -> list[str]:
    return [bar.label for bar in found.distribution]


def test_a_number_lies_between_round_edges_near_tenths_of_the_baseline() -> None:
    before = np.linspace(0.37, 119.83, 1_000).astype(np.float32)
    found = number(before, before)
    assert labels(found)[0] == "up to 10"
    assert labels(found)[-1] == "above 110"
    assert len(found.distribution) == 10
    assert all(0.05 < bar.before == bar.now < 0.15 for bar in found.distribution)
    assert found.unseen is None


def test_the_edges_of_small_numbers_are_written_as_people_do() -> None:
    before = np.linspace(0, 1, 1_001).astype(np.float32)
    assert labels(number(before, before)) == [
        *("up to 0.1", "0.1 to 0.2", "0.2 to 0.3", "0.3 to 0.4", "0.4 to 0.5"),
        *("0.5 to 0.6", "0.6 to 0.7", "0.7 to 0.8", "0.8 to 0.9", "above 0.9"),
    ]


def test_the_ranges_of_whole_numbers_do_not_overlap() -> None:
    before = np.repeat(np.arange(4), [400, 300, 200, 100]).astype(np.float32)
    found = whole(before, before)
    assert labels(found) == ["up to 0", "1", "2", "above 2"]
    assert [bar.before for bar in found.distribution] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    wide = np.arange(1_000).astype(np.float32)
    assert labels(whole(wide, wide))[:2] == ["up to 100", "101 to 200"]


def test_large_numbers_have_thousands() -> None:
    before = np.linspace(0, 5e6, 1_001).astype(np.float32)
    assert "up to 500,000" in labels(number(before, before))


def test_a_shift_moves_the_shares() -> None:
    before = np.linspace(0, 1, 1_001).astype(np.float32)
    found = number(before, before / 2)
    assert [round(bar.now, 2) for bar in found.distribution] == [0.2] * 5 + [0] * 5


def test_levels_come_by_their_names_the_most_frequent_first() -> None:
    before = np.repeat([0, 1, 2], [50, 30, 20]).astype(np.float32)
    now = np.repeat([0, 1, 2], [20, 20, 60]).astype(np.float32)
    found = category(["a", "b", "c"], before, now)
    assert labels(found) == ["c", "a", "b"]
    assert [(bar.before, bar.now) for bar in found.distribution] == [
        (0.2, 0.6),
        (0.5, 0.2),
        (0.3, 0.2),
    ]
    assert found.unseen
    assert (found.unseen.before, found.unseen.now) == (0, 0)


def test_unseen_levels_are_told_apart_from_levels_that_the_baseline_lacks() -> None:
    before = np.repeat([2, 3], 50).astype(np.float32)
    now = np.repeat([-1, 0, 2, 3], [10, 20, 30, 40]).astype(np.float32)
    found = category(["a", "b", "c", "d"], before, now)
    assert found.unseen
    assert found.unseen.now == pytest.approx(0.1)
    assert labels(found) == ["c", "d", "a or b", STRANGE]


def test_of_many_levels_the_rest_are_others() -> None:
    before = np.repeat(np.arange(30), np.arange(100, 10, -3)).astype(np.float32)
    found = category([f"level {i}" for i in range(30)], before, before)
    assert labels(found) == [*(f"level {i}" for i in range(10)), OTHERS]


@pytest.mark.parametrize("rows", [0, 4])
def test_of_almost_nobody_there_is_no_picture(rows: int) -> None:
    many, few = np.zeros(100, np.float32), np.zeros(rows, np.float32)
    assert number(many, few).distribution == number(few, many).distribution == ()


def test_a_number_that_everybody_has_is_one_bar() -> None:
    everybody = np.full(50, 7, np.float32)
    assert labels(number(everybody, everybody)) == ["any value"]


sizes = st.lists(st.integers(0, 40), min_size=1, max_size=25)


@given(sizes, sizes, st.sampled_from(["number", "whole", "category"]), st.booleans())
def test_bars_add_up_and_hide_whom_there_are_few_of(
    before: list[int], now: list[int], kind: str, strangers: bool
) -> None:
    here, there = (
        np.repeat(np.arange(len(counts)) - strangers, counts).astype(np.float32)
        for counts in (before, now)
    )
    found = {
        "number": number,
        "whole": whole,
        "category": lambda a, b: category([f"l{i}" for i in range(25)], a, b),
    }[kind](here, there)
    assert len(found.distribution) <= 12
    assert len(set(labels(found))) == len(found.distribution)
    if min(len(here), len(there)) < FEW:
        assert found.distribution == ()
        return
    for side, rows in (("before", len(here)), ("now", len(there))):
        counts = [getattr(bar, side) * rows for bar in found.distribution]
        assert sum(counts) == pytest.approx(rows)
        assert all(count < 1e-9 or count > FEW - 1e-9 for count in counts)
    assert all(bar.before + bar.now > 0 for bar in found.distribution)


edges = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(edges, min_size=20, max_size=60, unique=True))
def test_any_numbers_at_all_have_ranges_in_their_order(values: list[float]) -> None:
    found = number(floats(*values), floats(*values))
    assert sum(bar.before for bar in found.distribution) == pytest.approx(1)
    assert len(set(labels(found))) == len(found.distribution)
