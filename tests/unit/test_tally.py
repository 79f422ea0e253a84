"""Counting into cells: what it says is what comparing everything with everything would say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evergreen.statistics.tally import tally

numbers = st.floats(width=32, allow_nan=False)
close = st.integers(-40, 40).map(lambda n: n / 8)


def compared(values: np.ndarray, sample: np.ndarray) -> list[int]:
    """The cells, from all pairs."""
    edges = [0]
    for value in values:
        edges += [int((sample < value).sum()), int((sample <= value).sum())]
    return np.diff([*edges, len(sample)]).tolist()


@given(st.data(), st.sampled_from([numbers, close]))
def test_every_value_falls_into_its_cell(data: st.DataObject, kind: st.SearchStrategy) -> None:
    samples = arrays(np.float32, st.integers(0, 80), elements=kind)
    values, sample = np.unique(data.draw(samples)), data.draw(samples)
    sample = np.concatenate([sample, values[::3]])
    assert tally(values, sample).tolist() == compared(values, sample)


@pytest.mark.parametrize("spread", [0, 1, 4, 12])
def test_the_cells_are_exact_where_values_crowd(spread: int) -> None:
    """However unevenly the values lie in their range."""
    rng = np.random.default_rng(spread)
    values = np.unique(np.exp(spread * rng.normal(size=300)).astype(np.float32))
    near = np.nextafter(values, np.float32(np.inf)), np.nextafter(values, np.float32(-np.inf))
    far = np.array([-np.inf, np.inf, -3e38, 3e38, 0, -1e-45], np.float32)
    sample = np.concatenate([values, *near, far, rng.choice(values, 5_000)])
    assert tally(values, sample).tolist() == compared(values, sample)


def test_pieces_add_up() -> None:
    rng = np.random.default_rng(0)
    values = np.unique(rng.normal(size=1_000).astype(np.float32))
    sample = rng.normal(size=200_000).astype(np.float32)
    pieces = sum(tally(values, piece) for piece in np.array_split(sample, 7))
    assert tally(values, sample).tolist() == np.asarray(pieces).tolist()
    assert tally(values, sample).sum() == 200_000
