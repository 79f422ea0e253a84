from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.store import keys

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

names = st.lists(
    st.text("ab.- é", min_size=1, max_size=4).filter(lambda part: part not in (".", "..")),
    min_size=1,
    max_size=3,
).map("/".join)


def test_everything_has_its_place() -> None:
    assert keys.model_file("v", "model.onnx") == "models/v/model.onnx"
    assert keys.promotion(AT, "v") == "promotions/20260102T030405.000678Z-v.json"
    assert keys.inference_hour(AT) == "inference/2026/01/02/03/"
    assert keys.drift_report(AT) == "drift/2026/01/02/20260102T030405Z.json"


@pytest.mark.parametrize("name", ["customers", "north/customers", "a.b", "north.east/a"])
def test_results_lie_as_the_upload_does(name: str) -> None:
    upload = f"incoming/{name}.csv"
    assert keys.scored(upload) == f"scored/{name}.csv"
    assert keys.rejected(upload) == f"rejected/{name}.csv"
    assert keys.score_summary(upload) == f"scored/{name}.summary.json"


@given(st.lists(names, min_size=2, max_size=2, unique=True))
def test_two_uploads_never_share_a_result(two: list[str]) -> None:
    made = [
        key(f"incoming/{name}.csv")
        for name in two
        for key in (keys.scored, keys.rejected, keys.score_summary)
    ]
    assert len(set(made)) == 6


def test_no_result_is_an_upload_or_labelled_history() -> None:
    for key in (keys.scored, keys.rejected, keys.score_summary):
        assert not key("incoming/a.csv").startswith((keys.INCOMING, keys.TRAINING))


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)), st.timedeltas())
def test_moves_sort_by_their_time(moment: datetime, later: timedelta) -> None:
    later = abs(later) % timedelta(days=9_000)
    one, other = (keys.promotion(t.replace(tzinfo=UTC), "v") for t in (moment, moment + later))
    assert (one < other) == (later > timedelta(0))
