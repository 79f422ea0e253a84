"""The drift report as a page: whether customers have changed, who they are now, what to do."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from evergreen.reports import charts, history, measured
from evergreen.reports.charts import Bar
from evergreen.reports.features import card
from evergreen.reports.frame import figure, figures, framed, items, name, section, table, verdict
from evergreen.reports.html import Child, Html, element, join
from evergreen.reports.words import (
    NOTHING,
    VERDICTS,
    chance,
    count,
    decimal,
    few,
    listed,
    moment,
    percent,
    several,
    short,
)

Document = Mapping[str, Any]

_RANKED, _SHOWN, _LISTED, _LEVELS = 12, 24, 200, 24
_LEAST = 0.0005  # the smallest product that is more than a zero to three digits
_NOTICED = 0.01  # by so much the share of unseen levels has to grow to be told of


def page(report: Document, performance: Document | None = None) -> str:
    """Return the page of a report: HTML in one file, which shows no customer.

    Args:
        report: as infra/drift-report.schema.json describes it.
        performance: as infra/performance.schema.json describes it; None where nothing is measured.

    """
    columns = _ranked(report["columns"])
    sections = (
        element("section", _numbers(report)),
        _next(report, columns, performance),
        _ranking(columns),
        _features(report, columns),
        _joint(report.get("joint")),
        _segments(report.get("segments")),
        history.checks(report.get("history") or [], report["thresholds"]["share"]),
        measured.weeks(performance) if performance else None,
        measured.campaigns(performance) if performance else None,
        _reading(report),
    )
    class_, sign, words = VERDICTS[report["verdict"]]
    checked = moment(report.get("checked_at"), year=True)
    top = (
        element("p", "Evergreen · drift report · ", checked, class_="eyebrow"),
        verdict(class_, sign, words),
        element("h1", _sentence(report)),
        _kinds(report),
    )
    foot = element(
        "p",
        f"Compared with the customers that model {report['model_version']} was chosen for.",
        " This page holds shares and counts of customers, and nobody's data. The same numbers lie"
        " beside it as JSON.",
    )
    return framed(f"{words} · {checked}", top, sections, foot)


def _ranked(columns: Sequence[Document]) -> list[Document]:
    """Put what has drifted first, and then what matters most to the model."""
    return sorted(columns, key=lambda one: (not one["drifted"], -_weight(one), one["name"]))


def _weight(column: Document) -> float:
    """Return effect times importance, the effect being the larger of its two."""
    return _effect(column) * float(column["importance"])


def _effect(column: Document) -> float:
    lacking = column["missing"]
    return max(float(column["effect"]), abs(lacking["now"] - lacking["before"]) if lacking else 0.0)


def _sentence(report: Document) -> str:
    columns, customers = report["columns"], report["customers"]
    if report["verdict"] == "too_few_rows":
        least = f"it takes {report['thresholds']['min_rows']:,} to say whether they have changed"
        return f"There are {few(customers)} customers in this window; {least}."
    number = sum(column["drifted"] for column in columns)
    share = f"{number} of {several(len(columns), 'feature')}"
    if report["verdict"] == "drift":
        since = f" since {moment(report['since'])}" if report.get("since") else ""
        weight = percent(report["drifted_importance"])
        return (
            f"Customers have changed{since}: {share} {_verb(number, 'is', 'are')} not as before,"
            f" and {weight} of what the model goes by hangs on {_verb(number, 'it', 'them')}."
        )
    if not number:
        return (
            f"Customers are as they were: none of {several(len(columns), 'feature')} has changed."
        )
    has = _verb(number, "has", "have")
    return f"Customers are as they were: {share} {has} changed, which is too little to matter."


def _verb(number: int, one: str, more: str) -> str:
    return one if number == 1 else more


def _kinds(report: Document) -> Child:
    shown = report["kinds"][:4]
    if not shown:
        return None
    lead = element("p", "Of these kinds of customers there are more:", class_="quiet")
    return join(lead, items(short(kind, 160) for kind in shown))


def _numbers(report: Document) -> Html:
    columns = report["columns"]
    drifted = sum(column["drifted"] for column in columns)
    limits = report["thresholds"]
    sampled = report.get("sampled", 1.0)
    of_them = f"a sample of {percent(sampled)}" if sampled < 1 else "each counted once"
    entries = [("Customers", few(report["customers"]), of_them)]
    if report.get("window_start"):
        start, end = (datetime.fromisoformat(report[f"window_{e}"]) for e in ("start", "end"))
        hours = (end - start).total_seconds() / 3600
        records = several(report["records"], "prediction") if report["records"] >= 5 else ""
        long = f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"
        entries.append(("Window", long, records))
    if report["verdict"] != "too_few_rows":
        counts = f"counts from {percent(limits['share'])} on"
        entries += [
            ("Features changed", f"{drifted} of {len(columns)}", counts),
            ("Importance they carry", percent(report["drifted_importance"]), counts),
        ]
    if report.get("predicted_churn") is not None:
        entries.append(("Predicted to leave", percent(report["predicted_churn"]), "on average"))
    return figures(*entries)


def _next(report: Document, columns: Sequence[Document], performance: Document | None) -> Html:
    return section("What to do next", None, items(_advice(report, columns, performance)))


def _advice(
    report: Document, columns: Sequence[Document], performance: Document | None
) -> Iterator[str]:
    decay = (performance or {}).get("decay")
    if decay and decay["seen"]:
        reason = decay["reason"].rstrip(".")
        yield f"Retrain: the model has become worse. {reason[:1].upper()}{reason[1:]}."
    if report["verdict"] == "too_few_rows":
        yield "Wait: with more predictions the next checks will tell."
        return
    changed = [column for column in columns if column["drifted"]]
    if report["verdict"] == "drift":
        yield (
            f"Find out why {listed([column['name'] for column in changed])} changed: other"
            " customers, an offer or a price, or only another way to fill in the data?"
        )
        yield (
            "Bring labelled customers of the new kind: outcomes by POST /outcomes or as a file"
            " below outcomes/, or history below training/. A retraining is tried by itself, and"
            " takes over only where it proves to be better."
        )
        yield "Until then, take probabilities for a ranking rather than at their word."
    strange = [c["name"] for c in columns if _grown(c.get("unseen"))]
    if strange:
        yield f"Let the schema list the levels that are new in {listed(strange, 6)}."
    lacking = [c["name"] for c in changed if "missing" in c["drifted_in"]]
    if lacking:
        yield f"Ask who fills in {listed(lacking, 6)}: as many as now were not missing before."
    if report["verdict"] == "no_drift" and not (decay and decay["seen"]):
        yield "Nothing. The next check comes by itself."


def _grown(share: Document | None) -> bool:
    return bool(share and share["now"] - share["before"] >= _NOTICED)


def _ranking(columns: Sequence[Document]) -> Html | None:
    ranked = sorted(columns, key=_weight, reverse=True)[:_RANKED]
    shown = [column for column in ranked if _weight(column) >= _LEAST]
    if not shown:
        return None
    rows = [
        Bar(
            f"{'▲ ' if column['drifted'] else ''}{short(column['name'], 24)}",
            decimal(_weight(column)),
            _weight(column),
            strong=column["drifted"],
        )
        for column in shown
    ]
    picture = charts.bars(
        "Features by effect times importance",
        f"A bar for each feature, the longest first: {listed([c['name'] for c in shown])}.",
        rows,
    )
    cells = (
        (
            column["name"],
            decimal(_effect(column)),
            percent(column["importance"]),
            decimal(_weight(column)),
            "changed" if column["drifted"] else "as before",
        )
        for column in shown
    )
    names = ("Feature", "Effect", "Importance", "Product", "Verdict")
    return section(
        "Where it matters most",
        "How far a feature has moved, times how much the model goes by it. ▲ has changed.",
        element("div", figure(picture, names, cells), class_="narrow"),
    )


def _features(report: Document, columns: Sequence[Document]) -> Html | None:
    if not columns and not report["score"]:
        return None
    floor = report["thresholds"]["effect_floor"]
    changed = [column for column in columns[:_SHOWN] if column["drifted"]]
    same = [column for column in columns[:_SHOWN] if not column["drifted"]]
    score = report["score"]
    cards = [card(column, floor) for column in changed]
    if score:
        cards.append(card(score, floor, "What the model answers"))
    more = (
        element(
            "details",
            element("summary", f"{several(len(same), 'feature')} that changed less, or not at all"),
            element("div", (card(column, floor) for column in same), class_="grid"),
        )
        if same
        else None
    )
    return section(
        "Then and now",
        "Shares of the customers with a value, when the model was chosen and in this window.",
        charts.key(("thin", "before", "before"), ("bar", "now", "now")),
        element("div", cards, class_="grid"),
        more,
        _others(columns[_SHOWN:]),
    )


def _others(columns: Sequence[Document]) -> Html | None:
    """Tell of the features that there is no room for in a line each."""
    if not columns:
        return None
    rows = (
        (column["name"], decimal(_effect(column)), chance(column["adjusted_p"]), _seen(column))
        for column in columns[:_LISTED]
    )
    rest = len(columns) - _LISTED
    return element(
        "details",
        element("summary", f"{several(len(columns), 'more feature')} in short"),
        table(("Feature", "Effect", "Adjusted p", "Verdict"), rows),
        element("p", f"{rest:,} more are in the JSON document.") if rest > 0 else None,
    )


def _seen(column: Document) -> str:
    return "changed" if column["drifted"] else "as before"


def _joint(joint: Document | None) -> Html | None:
    if not joint:
        return None
    told = "can be told apart" if joint["drifted"] else "can't be told apart"
    return section(
        "All features at once",
        f"Customers of then and of now {told} by all features together.",
        figures(
            ("Told apart in", percent(joint["auc"]), "of pairs; 50 % is guessing"),
            ("p-value", chance(joint["p_value"]), "that it is chance"),
            ("Customers", count(joint["customers"]), f"and {count(joint['reference'])} of then"),
        ),
    )


def _segments(segments: Document | None) -> Html | None:
    if not segments or not segments["levels"]:
        return None
    levels, field = segments["levels"][:_LEVELS], short(segments["field"], 40)
    rows = [
        Bar(
            f"{VERDICTS[level['verdict']][1]} {short(level['label'], 22)}",
            f"{percent(level['share_before'])} → {percent(level['share_now'])}",
            level["share_now"],
            level["share_before"],
            strong=level["verdict"] == "drift",
        )
        for level in levels
    ]
    picture = charts.bars(
        f"Customers by {field}", f"Shares of {len(levels)} levels of {field}, before and now.", rows
    )
    cells = (
        (
            level["label"],
            few(level["customers"]),
            percent(level["share_before"]),
            percent(level["share_now"]),
            VERDICTS[level["verdict"]][2],
            listed(level["drifted"]) or NOTHING,
        )
        for level in levels
    )
    names = (field, "Customers", "Before", "Now", "Verdict", "What changed")
    hidden = len(segments["levels"]) - len(levels)
    return section(
        join("By ", name(field)),
        "▲ changed within · ● as before · ○ too few to tell. The thin bar is the share of then.",
        element("div", figure(picture, names, cells), class_="narrow"),
        element("p", f"{hidden:,} more are in the JSON document.") if hidden > 0 else None,
    )


def _reading(report: Document) -> Html:
    limits = report["thresholds"]
    return section(
        "How to read this",
        None,
        items(
            [
                "Effect: how far the two distributions are apart, from 0 to 1. For a number the"
                " largest distance of its distribution functions (Kolmogorov-Smirnov), for a"
                " category the total variation, for missing values the difference of the shares.",
                f"A feature has changed where its effect is at least {limits['effect_floor']:g} and"
                f" its p-value, adjusted for the number of tests, below {chance(limits['alpha'])}.",
                "Customers have where the changed features are at least"
                f" {percent(limits['share'])} of all, or carry as much of the importance.",
                "Importance: the share of the model's accuracy that is lost without the feature.",
            ]
        ),
    )
