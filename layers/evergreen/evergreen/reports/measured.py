"""What outcomes say of the model: week by week, measured beside estimated, and campaigns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evergreen.reports import charts
from evergreen.reports.charts import Mark, Row
from evergreen.reports.frame import figure, section, table
from evergreen.reports.html import Child, Html, element
from evergreen.reports.words import NOTHING, count, day, decimal, few, moment, percent, short

Document = Mapping[str, Any]

_WEEKS, _CAMPAIGNS = 12, 12
_METRICS = (
    ("log_loss", "Log loss, lower is better"),
    ("roc_auc", "ROC AUC, higher is better"),
    ("profit", "Profit per customer, in the schema's currency"),
)


def weeks(performance: Document) -> Html | None:
    """Return how good the answers were, week by week; None where nothing is known."""
    shown = performance["weeks"][:_WEEKS]
    if not shown:
        return None
    decay, outcomes = performance["decay"], performance["outcomes"]
    said = f"{decay['reason'].rstrip('.')}." if decay else "The model has not been judged yet."
    return section(
        "How good the answers were",
        said[0].upper() + said[1:],
        charts.key(
            ("dot", "now", "measured by outcomes, with its 95 % interval"),
            ("diamond", "weak", "estimated for the others"),
            ("tick", "alarmed", "expected, from customers held out"),
        ),
        element(
            "div",
            (_metric(shown, metric, title) for metric, title in _METRICS if _any(shown, metric)),
            class_="grid",
        ),
        element(
            "p",
            f"Measured {moment(performance['measured_at'])}: {count(outcomes['matched'])} of"
            f" {count(outcomes['received'])} outcomes tell of a prediction of the last"
            f" {performance['horizon_days']:g} days; {count(outcomes['contradictions'])} contradict"
            " each other.",
            class_="quiet below",
        ),
    )


def campaigns(performance: Document) -> Html | None:
    """Return what campaigns with a control group did; None where there is none."""
    shown = performance["campaigns"][:_CAMPAIGNS]
    if not shown:
        return None
    rows = (
        (
            short(each["upload"], 48),
            day(each["at"]),
            few(each["contacted"]),
            _left(each, "contacted"),
            few(each["control"]),
            _left(each, "control"),
            interval(each["effect"], percent),
        )
        for each in shown
    )
    names = ("Call list", "Of", "Contacted", "left", "Control", "left", "Effect (95 %)")
    return section(
        "What campaigns did",
        "Of those who were contacted fewer should leave: where the interval is below zero they do.",
        table(names, rows),
    )


def interval(found: Document | None, write: Any = decimal) -> str:
    """Return a value with its interval: 0.842 (0.820 to 0.861)."""
    if not found:
        return NOTHING
    return f"{write(found['value'])} ({write(found['low'])} to {write(found['high'])})"


def _left(campaign: Document, group: str) -> str:
    """Return the share of a group who left; of a few it would tell who."""
    return percent(campaign[f"{group}_left"]) if campaign[group] >= 5 else NOTHING


def _any(shown: Sequence[Document], metric: str) -> bool:
    every = (of for week in shown for of in (week["measured"], week["estimated"]) if of)
    return any(of.get(metric) is not None for of in every)


def _metric(shown: Sequence[Document], metric: str, title: str) -> Html:
    rows = [_row(week, metric) for week in shown]
    places = [
        place
        for row in rows
        for mark in row.marks
        for place in (mark.x, mark.low, mark.high)
        if place is not None
    ]
    picture = charts.marks(
        f"{title}, week by week",
        f"{len(rows)} weeks, the newest first: {rows[0].label}, {rows[0].value}.",
        rows,
        (min(places, default=0.0), max(places, default=1.0)),
    )
    names = ("Week", "Customers", "Labelled", "Measured", "Estimated", "Expected")
    table_rows = (tuple(_cells(week, metric)) for week in shown)
    heading = element("header", element("h3", title))
    return element("article", heading, figure(picture, names, table_rows), class_="card")


def _row(week: Document, metric: str) -> Row:
    measured, estimated = week["measured"], week["estimated"]
    expected = week["expected"].get(metric)
    marks = []
    if expected is not None:
        marks.append(Mark(expected, "tick", "alarmed"))
    if estimated and estimated.get(metric) is not None:
        marks.append(Mark(estimated[metric], "diamond", "weak"))
    if measured and measured.get(metric):
        of = measured[metric]
        marks.append(Mark(of["value"], "dot", "now", low=of["low"], high=of["high"]))
        value = interval(of)
    else:
        value = (
            f"{decimal(estimated[metric])} estimated"
            if (estimated or {}).get(metric)
            else "not known yet"
        )
    return Row(f"Week of {day(week['start'])}", value, marks)


def _cells(week: Document, metric: str) -> Iterator[Child]:
    yield f"{week['week']} · {week['model_version']}"
    yield few(week["customers"])
    yield few(week["labelled"])
    yield interval((week["measured"] or {}).get(metric))
    yield decimal((week["estimated"] or {}).get(metric))
    yield decimal(week["expected"].get(metric))
