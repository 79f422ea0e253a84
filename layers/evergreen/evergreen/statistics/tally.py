"""Count many values into the cells of few, faster than either can be sorted."""

from typing import Any

import numpy as np
import numpy.typing as npt

_FEW = 16  # values: fewer are compared with in less time
_FINEST = 1 << 16  # slots: what a core's cache holds
_AT_ONCE = 1 << 16  # values, likewise
_HUGE = np.float32(1e38)

Values = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]


def tally(values: Values, sample: Values) -> Counts:
    """Count a sample into 2m + 1 cells: below u₁, at u₁, between, …, at uₘ, above uₘ.

    Args:
        values: shape (m,): u₁ < … < uₘ, none of them NaN.
        sample: shape (rows,), none of them NaN.

    """
    return _compared(values, sample) if len(values) <= _FEW else _looked_up(values, sample)


def _compared(values: Values, sample: Values) -> Counts:
    """Compare the whole sample with one value after another; as a rule nobody lies between them."""
    cells, left = np.zeros(2 * len(values) + 1, dtype=np.int64), len(sample)
    for place in reversed(range(len(values))):  # a level that is not listed comes first
        if left:
            found = int(np.count_nonzero(sample == values[place]))
            cells[2 * place + 1] = found
            left -= found
    if not left:
        return cells
    edges: list[np.integer[Any] | int] = [0]
    for value in values:
        edges += np.count_nonzero(sample < value), np.count_nonzero(sample <= value)
    return np.diff([*edges, len(sample)])


def _looked_up(values: Values, sample: Values) -> Counts:
    """Look every one of the sample up among the values.

    Their range is cut into slots of the same width, and of each slot it is known how many values
    lie before it. From there on a binary search goes, as many steps for everybody as the fullest
    slot needs, and without a branch that a processor could guess wrong. No place is out of range:
    `clip` says that nobody has to look.
    """
    size = len(values)
    low, high = np.clip(values[[0, -1]], -_HUGE, _HUGE)  # their distance is no infinity
    slots = min(_FINEST, 1 << (16 * size).bit_length())
    width = float(high) - float(low)
    scale = np.float32(min(slots / width, float(_HUGE)) if width else 0.0)

    def slot(numbers: Values) -> Places:
        """Rounded or not, a greater number is in no earlier slot."""
        place = np.clip(numbers, low, high)
        place -= low
        place *= scale
        return place.astype(np.int32).astype(np.intp)  # which is twice as fast as in one step

    full = np.bincount(slot(values), minlength=slots + 2)  # what is rounded may be rounded up
    before = full.cumsum() - full
    steps = [1 << step for step in reversed(range(int(full.max()).bit_length()))]
    padded = np.concatenate([values, np.full(2 * steps[0], np.nan, np.float32)])
    alone = steps == [1]  # in its slot: what is greater than a value there is none of the next ones
    cells = np.zeros(2 * size + 1, dtype=np.int64)
    for first in range(0, len(sample), _AT_ONCE):
        some = sample[first : first + _AT_ONCE]
        place = before.take(slot(some), mode="clip")
        for step in steps[:-1]:
            place += step * (padded.take(place + (step - 1), mode="clip") < some)
        value = padded.take(place, mode="clip")
        place += value < some
        found = (value if alone else padded.take(place, mode="clip")) == some
        place += place
        place += found
        cells += np.bincount(place, minlength=2 * size + 1)
    return cells
