"""A feature's card on the drift report: how it was distributed, and how it is."""

from collections.abc import Iterator, Mapping
from typing import Any

from evergreen.reports import charts
from evergreen.reports.charts import Bar
from evergreen.reports.frame import figure
from evergreen.reports.html import Html, element
from evergreen.reports.words import chance, decimal, moment, percent, short

_BARS = 14
_TESTS = {"ks": "Kolmogorov-Smirnov", "chi2": "χ²"}

Document = Mapping[str, Any]


def card(column: Document, floor: float, title: str = "") -> Html:
    """Return the card of a column of the report.

    Args:
        column: as infra/drift-report.schema.json describes it.
        floor: the smallest effect that matters.
        title: what it is called, where that is not its name.

    """
    drifted, shown = column["drifted"], title or short(column["name"], 48)
    tag = ("▲ changed", "tag alarm") if drifted else ("● as before", "tag")
    heading = element("h3", element("bdi", shown))
    return element(
        "article",
        element("header", heading, element("span", tag[0], class_=tag[1])),
        element("p", " ".join(_facts(column, floor)), class_="quiet"),
        _picture(column, shown),
        class_="card",
    )


def _facts(column: Document, floor: float) -> Iterator[str]:
    yield f"Effect {decimal(column['effect'], 2)} (counts from {floor:g} on)."
    if column.get("since"):
        yield f"Since {moment(column['since'])}."
    if column["importance"]:
        yield f"{percent(column['importance'])} of the importance."
    for words, share in (("Missing", column["missing"]), ("Unseen", column.get("unseen"))):
        if share and (share["before"] or share["now"]):
            yield f"{words}: {_change(share)}."


def _change(share: Document) -> str:
    return f"{percent(share['before'])} → {percent(share['now'])}"


def _picture(column: Document, shown: str) -> Html:
    shares = list(_bars(column))
    rows = [
        Bar(share["label"], _change(share), share["now"], share["before"], column["drifted"])
        for share in shares
    ]
    table = [(share["label"], percent(share["before"]), percent(share["now"])) for share in shares]
    for words, share in (("(missing)", column["missing"]), ("(unseen)", column.get("unseen"))):
        if share:
            table.append((words, percent(share["before"]), percent(share["now"])))
    largest = max(rows, key=lambda row: abs(row.now - (row.before or 0.0)), default=None)
    about = f"Most changed: {short(largest.label)}, {largest.value}." if largest else "No values."
    picture = charts.bars(f"{shown}, before and now", about, rows)
    tests = element("p", " ".join(_tests(column)), class_="quiet")
    return figure(picture if rows else None, ("Value", "Before", "Now"), table, tests)


def _bars(column: Document) -> Iterator[Document]:
    """Yield the bars, those that are too many for a picture in one."""
    bars = column.get("distribution") or []
    yield from bars[:_BARS]
    if rest := bars[_BARS:]:
        before, now = (sum(bar[when] for bar in rest) for when in ("before", "now"))
        yield {"label": f"{len(rest):,} more", "before": before, "now": now}


def _tests(column: Document) -> Iterator[str]:
    name, statistic = _TESTS[column["test"]], decimal(column["statistic"])
    yield f"{name} {statistic}, adjusted p {chance(column['adjusted_p'])}."
    if column["missing"]:
        yield f"Missing: adjusted p {chance(column['missing']['adjusted_p'])}."
    if column.get("previous_effect") is not None:
        yield f"Effect against the window before: {decimal(column['previous_effect'], 2)}."
