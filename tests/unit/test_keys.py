from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.store import keys

AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

# few letters, so that names are often alike but for a suffix, a slash or a capital
stems = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            ".",
            "/",
            "é",
            "%2F",
            " ",
            "training/",
            "incoming/",
            "outcomes/",
            ".summary",
            ".call-list",
            ".scored",
        ]
    ),
    max_size=4,
).map("".join)
READABLE = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".jsonl", ".jsonl.gz")
suffixes = st.sampled_from([*READABLE, ".CSV", ".Tsv", ".csv.GZ", ".JSONL"])
readable = st.builds(
    lambda stem, several: stem + "".join(several),
    stems,
    st.lists(suffixes, min_size=1, max_size=3),
)
others = st.builds(
    str.__add__, stems, st.sampled_from(["", ".xlsx", ".csv.zip", ".reason.txt", ".summary.json"])
)
uploads = st.builds(
    str.__add__,
    st.sampled_from([keys.INCOMING, keys.TRAINING, keys.OUTCOMES]),
    others | readable,
)


def test_everything_has_its_place() -> None:
    assert keys.model_file("v", "model.onnx") == "models/v/model.onnx"
    assert keys.promotion(AT, "v") == "promotions/20260102T030405.000678Z-v.json"
    assert keys.inference_hour(AT) == "inference/2026/01/02/03/"
    assert keys.drift_report(AT) == "drift/2026/01/02/20260102T030405Z.json"
    assert keys.drift_page(AT) == "drift/2026/01/02/20260102T030405Z.html"
    assert keys.drift_counts(AT) == "drift/2026/01/02/20260102T030405Z.npz"
    assert keys.outcomes_day(AT) == "outcomes/2026/01/02/"
    assert keys.outcomes(AT, "abc") == "outcomes/2026/01/02/abc.jsonl.gz"
    assert keys.predictions_index(AT) == "index/2026/01/02.npz"
    assert keys.campaign_day(AT) == "campaigns/2026/01/02/"
    assert keys.campaign(AT, "abc") == "campaigns/2026/01/02/abc.jsonl.gz"
    assert keys.learned_outcomes(AT) == "training/outcomes-20260102T030405Z.jsonl.gz"


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("customers.csv", "customers.summary.json"),
        ("north/customers.csv", "north/customers.summary.json"),
        ("/customers.csv", "/customers.summary.json"),
        ("a.b.csv", "a.b.summary.json"),
        ("a.CSV", "a.CSV.summary.json"),
        ("a.tsv", "a.tsv.summary.json"),
        ("a.tsv.csv", "a.tsv.csv.summary.json"),
        ("a.TSV.csv", "a.TSV.csv.summary.json"),
        ("a.csv.csv", "a.csv.csv.summary.json"),
        ("a.csv.gz", "a.csv.gz.summary.json"),
        ("May report (1) 100%25 ü+b.csv", "May report (1) 100%25 ü+b.summary.json"),
    ],
)
def test_results_lie_as_the_upload_does(name: str, summary: str) -> None:
    upload = f"incoming/{name}"
    assert keys.scored(upload) == f"scored/{name}"
    assert keys.rejected(upload) == f"rejected/{name}"
    assert keys.score_summary(upload) == f"scored/{summary}"


@pytest.mark.parametrize(
    ("upload", "reason"),
    [
        ("incoming/a.xlsx", "rejected/a.xlsx.reason.txt"),
        ("training/a.xlsx", "rejected/training/a.xlsx.reason.txt"),
        ("incoming/training/a.xlsx", "rejected/incoming/training/a.xlsx.reason.txt"),
        ("outcomes/a.xlsx", "rejected/outcomes/a.xlsx.reason.txt"),
        ("incoming/outcomes/a.xlsx", "rejected/incoming/outcomes/a.xlsx.reason.txt"),
    ],
)
def test_what_cannot_be_read_is_explained(upload: str, reason: str) -> None:
    assert keys.explained(upload) == reason


def test_what_became_of_outcomes_is_told_beside_other_uploads() -> None:
    assert keys.outcomes_summary("outcomes/north/may.csv") == "received/north/may.summary.json"
    assert keys.outcomes_summary("outcomes/may.tsv") == "received/may.tsv.summary.json"
    assert keys.outcomes_rejected("outcomes/north/may.csv") == "rejected/outcomes/north/may.csv"


@given(readable, readable)
def test_outcomes_never_share_a_result_with_customers(one: str, other: str) -> None:
    of_outcomes = {key(f"outcomes/{one}") for key in OF_OUTCOMES}
    assert len(of_outcomes) == 3
    assert of_outcomes.isdisjoint(key(f"incoming/{other}") for key in RESULTS)
    assert one == other or of_outcomes.isdisjoint(key(f"outcomes/{other}") for key in OF_OUTCOMES)
    assert not any(key.startswith((keys.INCOMING, keys.TRAINING)) for key in of_outcomes)


def test_a_training_may_explain_files_of_any_name() -> None:
    assert keys.explained(f"training/{'a' * 1000}.xlsx").startswith(keys.EXPLAINED)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("north/customers.csv", "north/customers.call-list.csv"),
        ("a.tsv", "a.tsv.call-list.csv"),
        ("a.tsv.csv", "a.tsv.csv.call-list.csv"),
        ("a.csv.gz", "a.csv.gz.call-list.csv"),
        ("a.jsonl", "a.jsonl.call-list.jsonl"),
        ("a.jsonl.gz", "a.jsonl.gz.call-list.jsonl"),
    ],
)
def test_a_call_list_lies_beside_the_results(name: str, called: str) -> None:
    assert keys.call_list(f"incoming/{name}") == f"scored/{called}"


@pytest.mark.parametrize(
    ("name", "scored"),
    [
        ("a.call-list.csv", "a.call-list.scored.csv"),
        ("a.jsonl.call-list.jsonl", "a.jsonl.call-list.scored.jsonl"),
        ("a.call-list.scored.csv", "a.call-list.scored.scored.csv"),
        ("a.call-list.csv.gz", "a.call-list.csv.gz"),
        ("call-list.csv", "call-list.csv"),
    ],
)
def test_an_upload_that_is_called_as_call_lists_are_steps_aside(name: str, scored: str) -> None:
    assert keys.scored(f"incoming/{name}") == f"scored/{scored}"


RESULTS = (keys.scored, keys.rejected, keys.score_summary, keys.call_list, keys.explained)
OF_OUTCOMES = (keys.outcomes_summary, keys.outcomes_rejected, keys.explained)


@given(st.lists(readable, min_size=2, max_size=2, unique=True))
def test_two_uploads_never_share_a_result(two: list[str]) -> None:
    made = [key(f"incoming/{name}") for name in two for key in RESULTS]
    assert len(set(made)) == 10


@given(readable, uploads)
def test_an_explanation_is_never_another_uploads_result(one: str, other: str) -> None:
    upload = f"incoming/{one}"
    made = {key(upload) for key in RESULTS}
    assert other == upload or keys.explained(other) not in made


@given(st.lists(uploads, min_size=2, max_size=2, unique=True))
def test_two_uploads_never_share_an_explanation(two: list[str]) -> None:
    assert len({keys.explained(upload) for upload in two}) == 2


@given(uploads)
def test_no_result_is_an_upload_or_labelled_history(upload: str) -> None:
    for key in RESULTS:
        assert not key(upload).startswith((keys.INCOMING, keys.TRAINING, keys.SCORING))


@pytest.mark.parametrize("letter", ["x", "ü"])
def test_the_longest_names_have_results_of_their_own(letter: str) -> None:
    names = [f"incoming/{letter * (1_000 // len(letter.encode()))}{i:011}.csv" for i in range(2)]
    assert len(names[0].encode()) == 1_024
    made = {key(name) for name in names for key in RESULTS}
    assert len(made) == 10
    assert max(len(key.encode()) for key in made) <= 1_024
    assert keys.scored(names[0]) == names[0].replace("incoming", "scored")


def test_a_job_has_a_place_of_its_own() -> None:
    assert keys.score_job("abc") == "scoring/abc/"
    assert keys.score_job_parts(keys.score_job("abc")) == "scoring/abc/parts.csv"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)), st.timedeltas())
def test_moves_sort_by_their_time(moment: datetime, later: timedelta) -> None:
    later = abs(later) % timedelta(days=9_000)
    one, other = (keys.promotion(t.replace(tzinfo=UTC), "v") for t in (moment, moment + later))
    assert (one < other) == (later > timedelta(0))
