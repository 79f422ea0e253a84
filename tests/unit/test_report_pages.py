"""The pages of a drift report: what they say, and that they tell nobody's data."""

import re
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from evergreen.reports import drift, frame, words
from evergreen.reports.frame import DARK, LIGHT
from evergreen.reports.html import Html, element, join

from .pages import (
    HOSTILE,
    NOW,
    Parsed,
    column,
    hostile,
    performance,
    report,
    stored,
    too_few,
)

KB = 1_024
LARGEST = 400 * KB
DOCUMENTS = [report(), report(20, 0), report(20, 1), too_few(), hostile(report())]


def visible(page: str) -> str:
    return " ".join("".join(Parsed(page).text).split())


def headline(page: str) -> str:
    found = re.search("<h1>(.*?)</h1>", page)
    assert found
    return found.group(1)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            report(),
            "Customers have changed since Tuesday 24 November 14:00 UTC: 8 of 20 features are not"
            " as before, and 40 % of what the model goes by hangs on them.",
        ),
        (report(since=None), "Customers have changed: 8 of 20 features are not as before"),
        (report(20, 0), "Customers are as they were: none of 20 features has changed."),
        (
            report(20, 2, verdict="no_drift"),
            "Customers are as they were: 2 of 20 features have changed, which is too little",
        ),
        (report(1, 1), "1 of 1 feature is not as before, and 5 % of what the model goes by hangs"),
        (too_few(), "There are fewer than 5 customers in this window; it takes 200 to say"),
    ],
)
def test_the_verdict_is_one_sentence(document: dict[str, Any], said: str) -> None:
    assert said in headline(drift.page(document)).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("measured", [None, performance(), performance(0)])
def test_a_page_is_whole_and_small(
    document: dict[str, Any], measured: dict[str, Any] | None
) -> None:
    page = drift.page(stored(document), measured)
    assert len(page.encode()) <= LARGEST
    assert "script" not in Parsed(page).names


def test_a_large_report_is_small_as_well() -> None:
    levels = [{"label": "x" * 1_000, "before": 1e-4, "now": 1e-4} for _ in range(10_000)]
    columns = [column(f"{i}" * 400, drifted=True, distribution=levels) for i in range(20)]
    many = [column(f"feature_{i}") for i in range(2_000)]
    for document in (report(columns=columns), report(columns=many, kinds=["y" * 9_999] * 99)):
        page = drift.page(document, performance())
        assert len(page.encode()) <= LARGEST
    assert "9,986 more" in drift.page(report(columns=columns))


def test_names_are_text_and_nothing_else() -> None:
    page = drift.page(hostile(report()), performance())
    found = Parsed(page)
    expected = set(Parsed(drift.page(report(), performance())).names)
    assert set(found.names) == expected
    assert not [name for _, of in found.elements for name in of if name.startswith("on")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", page)
    assert "x" * 100 not in page


def test_a_page_asks_nobody_for_anything() -> None:
    page = drift.page(hostile(report()), performance())
    found = Parsed(page)
    assert not {"script", "link", "img", "iframe", "object", "use", "image"} & set(found.names)
    attributes = {name for _, of in found.elements for name in of}
    assert not {"src", "href", "xlink:href", "srcset", "action", "background"} & attributes
    assert "url(" not in frame.STYLE
    assert "@import" not in frame.STYLE
    assert {"http-equiv": "Content-Security-Policy", "content": frame.POLICY} in [
        of for name, of in found.elements if name == "meta"
    ]
    assert frame.POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_every_picture_has_a_name_a_description_and_a_table() -> None:
    page = drift.page(report(), performance())
    pictures = re.findall(r"<svg role=\"img\".*?<title>(.+?)</title><desc>(.+?)</desc>", page)
    assert len(pictures) == page.count('role="img"') > 20
    for figure in re.findall("<figure>.*?</figure>", page):
        assert "<details><summary>" in figure
        assert "<table><thead>" in figure
        assert 'scope="row"' in figure


@pytest.mark.parametrize("document", DOCUMENTS)
def test_headings_are_in_order(document: dict[str, Any]) -> None:
    names = Parsed(drift.page(document, performance())).names
    levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_what_has_drifted_comes_first_and_what_matters_most_before_it() -> None:
    columns = [
        column("calm", importance=0.9),
        column("weak", drifted=True, importance=0.1),
        column("strong", drifted=True, importance=0.3),
        column("gone", drifted=True, importance=0.2, effect=0.0, drifted_in=["missing"]),
    ]
    columns[-1]["missing"] |= {"before": 0.0, "now": 1.0}
    page = drift.page(report(columns=columns))
    cards = re.findall("<article.*?<h3><bdi>(.*?)</bdi>", page)
    assert cards == ["gone", "strong", "weak", "What the model answers", "calm"]
    assert "Ask who fills in gone" in visible(page)


def test_features_are_ranked_by_effect_times_importance() -> None:
    columns = [
        column("drifted", drifted=True, importance=0.05),
        column("important", importance=0.9, effect=0.09),
        column("unimportant", importance=0.0, effect=0.9),
    ]
    (table,) = re.findall(
        "<table><thead><tr><th[^>]*>Feature.*?</table>", drift.page(report(columns=columns))
    )
    rows = re.findall(
        "<bdi>(.*?)</bdi></th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td>", table
    )
    gap = "\N{NO-BREAK SPACE}"
    assert rows == [
        ("important", "0.090", f"90{gap}%", "0.081"),
        ("drifted", "0.420", f"5{gap}%", "0.021"),
    ]


def test_a_card_tells_the_numbers_behind_it() -> None:
    said = visible(drift.page(report(columns=[column("plan", drifted=True)])))
    said = said.replace("\N{NO-BREAK SPACE}", " ")
    for expected in (
        "▲ changed",
        "Effect 0.42 (counts from 0.1 on).",
        "Since Thursday 26 November 12:00 UTC.",
        "5 % of the importance.",
        "Missing: 1 % → 5 %.",
        "Unseen: 0 % → 2 %.",
        "χ² 812.400, adjusted p 3 \N{MULTIPLICATION SIGN} 10⁻¹⁹.",
        "Effect against the window before: 0.01.",
    ):
        assert expected in said


def test_no_customer_can_be_told_from_a_page() -> None:
    said = visible(drift.page(report(), performance()))
    assert "C0001-000042" not in said  # an outcome's key
    assert "cable fewer than 5" in re.sub(r"\s+", " ", said.replace("cable", "cable "))
    assert "25 %" not in said.split("december.csv")[1][:60].replace("\N{NO-BREAK SPACE}", " ")


def test_what_to_do_depends_on_the_verdict() -> None:
    changed = visible(drift.page(report()))
    assert "Bring labelled customers of the new kind" in changed
    assert "Let the schema list the levels that are new in feature_0" in changed
    assert "Retrain: the model has become worse" not in changed
    assert "Retrain: the model has become worse" in visible(drift.page(report(), performance()))
    calm = visible(drift.page(report(20, 0, columns=[column("plan", unseen=None)])))
    assert "Nothing. The next check comes by itself." in calm
    assert "Wait: with more predictions" in visible(drift.page(too_few()))


def test_measured_stands_beside_estimated() -> None:
    said = visible(drift.page(report(), performance())).replace("\N{NO-BREAK SPACE}", " ")
    assert "0.820 (0.800 to 0.840)" in said
    assert "0.780 estimated" in said
    assert "Profit per customer" in said
    assert "\N{MINUS SIGN}8 % (\N{MINUS SIGN}14 % to \N{MINUS SIGN}2 %)" in said


def test_a_report_of_a_file_has_no_window() -> None:
    of_window = ("checked_at", "window_start", "window_end", "records", "sampled", "since")
    document = report()
    for name in (*of_window, "predicted_churn", "history"):
        del document[name]
    said = visible(drift.page(document))
    assert "Customers have changed: 8 of 20 features" in said
    assert "The checks so far" not in said


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(palette: dict[str, str]) -> None:
    for ground in ("paper", "card"):
        for ink in ("ink", "quiet", "now", "alarm"):
            assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground)
        assert contrast(palette["before"], palette[ground]) >= 3  # a bar, as WCAG 1.4.11 has it
    assert contrast(palette["alarm"], palette["wash"]) >= 4.5
    assert contrast(palette["now"], palette["calm"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def test_text_becomes_no_markup() -> None:
    assert element("p", "a < b & c", title='"x"') == '<p title="&quot;x&quot;">a &lt; b &amp; c</p>'
    assert element("p", Html("<b>x</b>"), None, ["y", ["z"]]) == "<p><b>x</b>yz</p>"
    assert element("i", hidden=True, lang=None, dir=False, class_="k", stroke_width=1.5) == (
        '<i hidden class="k" stroke-width="1.5"></i>'
    )
    assert join(*HOSTILE).count("<") == 0
    assert element("br") == "<br>"


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (0.0001, "under 0.1 %"), (0.012, "1.2 %"), (0.0999, "10 %"), (0.426, "43 %")],
)
def test_shares_are_said_as_people_say_them(share: float, said: str) -> None:
    assert words.percent(share) == said.replace(" %", "\N{NO-BREAK SPACE}%")
    assert words.percent(None) == words.NOTHING


def test_names_are_cut_and_listed() -> None:
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b"]) == "a and b"
    assert words.listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert words.short("漢字漢字", 5) == "漢字…"
    assert words.short("plan", 4) == "plan"


@pytest.mark.parametrize(
    ("p_value", "said"),
    [(0.0342, "0.034"), (2e-7, "2 x 10⁻⁷"), (0.0, "below 10⁻³⁰"), (1.0, "1.000")],
)
def test_chances(p_value: float, said: str) -> None:
    assert words.chance(p_value) == said.replace("x", "\N{MULTIPLICATION SIGN}")


def test_times_are_of_utc() -> None:
    assert words.moment("2026-11-24T15:30:00+01:30") == "Tuesday 24 November 14:00 UTC"
    assert words.moment(NOW.isoformat(), year=True) == "Thursday 26 November 2026 12:00 UTC"
    assert words.moment(None) == words.NOTHING
    assert words.day(datetime(2026, 1, 2).isoformat()) == "2 Jan"
