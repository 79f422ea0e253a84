"""Each customer once: the same ones and the same row of each, whatever the order."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from evergreen.statistics.distinct import KEY, Latest, Rows

records = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 5), st.integers(0, 3)), max_size=120
)


def spread(number: int) -> int:
    """A hash of a small number, spread over 64 bits."""
    return number * 0x9E3779B97F4A7C15 % 2**64


def rows(given: list[tuple[int, int, int]]) -> Rows:
    made = np.empty(len(given), dtype=KEY)
    made["identity"] = [spread(who) for who, _, _ in given]
    made["at"] = [at for _, at, _ in given]
    made["id"] = [str(name) for _, _, name in given]
    return made


def gathered(made: Rows, pieces: list[npt.NDArray[np.int64]], most: int) -> Latest:
    latest = Latest(made.dtype, most)
    for piece in pieces:
        latest.add(made[piece])
    return latest


@given(records)
def test_of_each_the_latest_is_kept_and_of_two_at_once_the_higher_id(
    given: list[tuple[int, int, int]],
) -> None:
    made = rows(given)
    expected = {}
    for who, at, name in sorted(given, key=lambda r: (r[1], str(r[2]))):
        expected[spread(who)] = (at, str(name))
    found = gathered(made, [np.arange(len(made))], 1_000)
    assert {int(r["identity"]): (int(r["at"]), str(r["id"])) for r in found.rows} == expected
    assert found.share == 1


@given(records, st.randoms(use_true_random=False), st.integers(1, 12), st.integers(2, 50))
def test_neither_the_order_nor_the_cuts_make_a_difference(
    given: list[tuple[int, int, int]], random: object, cuts: int, most: int
) -> None:
    made = rows(given)
    order = np.arange(len(made))
    random.shuffle(order)  # type: ignore[attr-defined]
    one = gathered(made, [np.arange(len(made))], most)
    other = gathered(made, np.array_split(order, cuts), most)
    assert one.rows.tolist() == other.rows.tolist()
    assert one.share == other.share
    assert len(one.rows) <= most


def test_beyond_the_most_a_random_sample_of_the_identities_is_kept() -> None:
    rng = np.random.default_rng(0)
    made = np.zeros(50_000, dtype=KEY)
    made["identity"] = rng.integers(0, 2**64, 10_000, dtype=np.uint64)[
        rng.integers(0, 10_000, 50_000)
    ]
    made["at"] = np.arange(50_000)
    found = gathered(made, np.array_split(np.arange(50_000), 17), 1_000)
    everybody = len(np.unique(made["identity"]))
    assert 500 < len(found.rows) <= 1_000
    # so many of a share of 1/16: within four standard errors of 620
    assert abs(len(found.rows) / found.share - everybody) < 4 * everybody / np.sqrt(620)
