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
    made["id"] = np.reshape([(name % 2, name // 2) for _, _, name in given], (-1, 2))
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
    for who, at, name in sorted(given, key=lambda r: (r[1], r[2] % 2, r[2] // 2)):
        expected[spread(who)] = (at, [name % 2, name // 2])
    found = gathered(made, [np.arange(len(made))], 1_000)
    assert {int(r["identity"]): (int(r["at"]), r["id"].tolist()) for r in found.rows} == expected
    assert found.rows["identity"].tolist() == sorted(expected)
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
    assert one.rows.tobytes() == other.rows.tobytes()
    assert one.share == other.share
    assert len(one.rows) <= most


@given(records, st.integers(1, 12), st.integers(2, 50))
def test_what_was_gathered_apart_is_put_together(
    given: list[tuple[int, int, int]], cuts: int, most: int
) -> None:
    made = rows(given)
    whole = gathered(made, [np.arange(len(made))], most)
    together = Latest(made.dtype, most)
    for piece in np.array_split(np.arange(len(made)), cuts):
        part = gathered(made, [piece], most)
        together.add(part.rows, part.halvings)
    assert whole.rows.tobytes() == together.rows.tobytes()
    assert whole.share == together.share


@given(records, st.randoms(use_true_random=False))
def test_of_two_rows_that_are_alike_but_for_the_rest_the_same_one_is_kept(
    given: list[tuple[int, int, int]], random: object
) -> None:
    made = np.zeros(len(given), dtype=[*KEY, ("rest", np.float32, (3,))])
    made["identity"] = [spread(who % 3) for who, _, _ in given]
    made["rest"] = np.reshape([(0, at, name) for _, at, name in given], (-1, 3))
    order = np.arange(len(made))
    random.shuffle(order)  # type: ignore[attr-defined]
    one = gathered(made, [np.arange(len(made))], 1_000)
    assert gathered(made, [order], 1_000).rows.tobytes() == one.rows.tobytes()


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
