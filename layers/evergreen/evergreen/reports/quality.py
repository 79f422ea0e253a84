"""The parts of a model card that say how good the model is."""

from collections.abc import Mapping, Sequence
from typing import Any

from evergreen.reports import charts
from evergreen.reports.charts import Bar, Mark
from evergreen.reports.frame import figure, figures, section, table
from evergreen.reports.html import Html, element, join
from evergreen.reports.measured import interval
from evergreen.reports.words import count, decimal, few, percent, short
from evergreen.statistics.campaign import wilson

Document = Mapping[str, Any]

_SHOWN = 24
_METRICS = (
    ("log_loss", "Log loss", "lower is better; it sees ranking and probabilities", decimal),
    ("roc_auc", "ROC AUC", "a leaver is ranked above a stayer so often", decimal),
    ("pr_auc", "Average precision", "higher is better", decimal),
    ("brier", "Brier score", "mean squared error of the probabilities", decimal),
    ("ece", "Calibration error", "how far probabilities are from what happens", decimal),
    ("lift_at_10_percent", "Lift of the first tenth", "so many times a random pick", decimal),
    ("precision", "Precision", "of those above the threshold, who left", percent),
    ("recall", "Recall", "of those who left, who is above it", percent),
)


def comparison(metrics: Document) -> Html:
    """Return the metrics, beside those of what a team would otherwise use."""
    held_out, intervals = metrics["held_out"], metrics.get("held_out_intervals") or {}
    rivals = metrics["baselines"]
    rows = []
    for of, title, meaning, write in _METRICS:
        found = intervals.get(of)
        own = interval({"value": held_out[of], **found}, write) if found else write(held_out[of])
        of_rivals = (write(rival.get(of)) for rival in rivals.values())
        said = join(title, element("br"), element("small", meaning, class_="quiet"))
        rows.append((said, own, *of_rivals))
    names = [name.replace("_", " ") for name in rivals]
    lead = f"On {count(held_out['rows'])} customers that no model has learned from"
    more = "with 95 % intervals." if intervals else "without intervals, as there are none on file."
    shown = table(("Metric", "This model", *names), rows)
    threshold = percent(metrics["threshold"])
    decided = f"A customer is said to leave from a probability of {threshold} on."
    return section("How good it is", f"{lead}, {more}", shown, element("p", decided))


def calibration(found: Document) -> Html:
    """Return what was foretold against what happened."""
    bins = found["reliability"]
    marks, rows = [], []
    for one in bins:
        low, high = wilson(one["observed"], one["customers"])
        marks.append(Mark(one["mean_predicted"], "dot", "now", one["observed"], low, high))
        within = f"{percent(one['observed'])} ({percent(low)} to {percent(high)})"
        rows.append((percent(one["mean_predicted"]), within, few(one["customers"])))
    picture = charts.square(
        "Predicted and observed churn",
        f"{len(bins)} groups of customers by predicted probability. On the dashed line what was"
        " foretold happened.",
        marks,
        "foretold",
        "left in fact",
    )
    by_chance = decimal(found["ece_by_chance"])
    return section(
        "Whether probabilities can be taken at their word",
        "Customers in groups of one size, by their probability. On the line as many left as were"
        f" foretold; bars are 95 % intervals. A perfect model would err by {by_chance} by chance.",
        figure(picture, ("Foretold", "Left in fact", "Customers"), rows),
    )


def lift(bins: Sequence[Document], churn_rate: float) -> Html | None:
    """Return whom a call list reaches; None where nobody left."""
    if not churn_rate:
        return None
    highest = sorted(bins, key=lambda one: -one["mean_predicted"])
    caught, rows, table_rows, of_all = 0.0, [], [], sum(one["customers"] for one in bins)
    leavers = sum(one["customers"] * one["observed"] for one in bins) or 1.0
    called = 0
    for one in highest:
        caught, called = caught + one["customers"] * one["observed"], called + one["customers"]
        who = f"first {percent(called / of_all)} of customers"
        if called < of_all:
            rows.append(Bar(who, f"{percent(caught / leavers)} of leavers", caught / leavers))
        times = decimal(one["observed"] / churn_rate, 2)
        table_rows.append((who, percent(caught / leavers), times))
    picture = charts.bars(
        "Leavers reached",
        f"The {rows[0].label} hold {rows[0].value}.",
        rows,
        1.0,
    )
    return section(
        "Whom a call list reaches",
        "Customers from the highest probability down, and the share of all leavers among them.",
        element(
            "div",
            figure(picture, ("Called", "Leavers reached", "Lift of this group"), table_rows),
            class_="narrow",
        ),
    )


def importance(shares: Document) -> Html:
    """Return what the model goes by."""
    ranked = sorted(shares.items(), key=lambda one: (-one[1], one[0]))
    shown = ranked[:_SHOWN]
    rows = [Bar(name, percent(share), share) for name, share in shown if share > 0]
    picture = charts.bars("Features by importance", f"The first is {short(shown[0][0])}.", rows)
    return section(
        "What it goes by",
        "The share of its accuracy that is lost where a feature's values are shuffled.",
        element(
            "div",
            figure(picture, ("Feature", "Importance"), ((n, percent(s)) for n, s in shown)),
            class_="narrow",
        ),
        element("p", f"{len(ranked) - _SHOWN:,} more are in metrics.json.")
        if len(ranked) > _SHOWN
        else None,
    )


def profit(found: Document | None) -> Html | None:
    """Return what it brings in money; None where the schema does not say."""
    if not found:
        return None
    most, share = decimal(found["expected_maximum"], 2), percent(found["best_share"])
    here, contacted = decimal(found["at_break_even"], 2), percent(found["contacted"])
    return section(
        "What it brings",
        "Per customer, in the schema's currency, by what the schema says customers are worth.",
        figures(
            ("Expected maximum", most, f"with {share} contacted"),
            ("At break-even", here, f"with {contacted} contacted"),
        ),
    )
