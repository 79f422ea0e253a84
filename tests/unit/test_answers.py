import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.models.answers import DIGITS, risk, risks, rounded, will_churn

probabilities = st.floats(0, 1, width=32) | st.integers(0, 2**20).map(lambda n: n / 2**20)


@given(st.lists(probabilities, max_size=20))
def test_a_probability_is_rounded_to_the_number_that_python_rounds_it_to(
    values: list[float],
) -> None:
    answered = rounded(np.array(values, dtype=np.float32))
    assert answered.dtype == np.float64
    assert answered.tolist() == [round(value, DIGITS) for value in values]  # equal, not close


@pytest.mark.parametrize("ties", [2**-7, 3 * 2**-7, 5 * 2**-7])  # their seventh decimal is a 5
def test_a_tie_goes_to_the_even_digit(ties: float) -> None:
    assert rounded(np.array([ties], dtype=np.float32)).tolist() == [round(ties, DIGITS)]


def test_an_answer_is_written_with_no_more_digits_than_promised() -> None:
    values = np.random.default_rng(0).random(1_000).astype(np.float32)
    assert max(len(text) for text in json.dumps(rounded(values).tolist()).split(", ")) <= 9


def test_what_is_rounded_stays_as_it_is() -> None:
    answered = rounded(np.random.default_rng(0).random(1_000).astype(np.float32))
    assert np.array_equal(rounded(answered), answered)


@pytest.mark.parametrize(
    ("probability", "band"),
    [
        (0, "low"),
        (0.199999, "low"),
        (0.2, "medium"),
        (0.399999, "medium"),
        (0.4, "high"),
        (1, "high"),
    ],
)
def test_the_band_is_high_from_the_threshold_and_medium_from_half_of_it(
    probability: float, band: str
) -> None:
    assert risk(probability, 0.4) == band
    assert will_churn(probability, 0.4) == (band == "high")


def test_the_bands_of_many_are_each_at_its_own_threshold() -> None:
    assert risks([0.3, 0.3, 0.3], [0.2, 0.4, 0.7]) == ["high", "medium", "low"]
