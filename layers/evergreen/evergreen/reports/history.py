"""The checks of the last days on the drift report."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from evergreen.reports import charts
from evergreen.reports.charts import Mark, Shape
from evergreen.reports.frame import figure, section
from evergreen.reports.html import Html, element
from evergreen.reports.words import VERDICTS, day, few, moment, percent

_SHAPES: Mapping[str, tuple[Shape, str]] = {
    "drift": ("up", "alarmed"),
    "no_drift": ("dot", "now"),
    "too_few_rows": ("ring", "weak"),
}

Checks = Sequence[Mapping[str, Any]]


def checks(found: Checks, limit: float) -> Html | None:
    """Return the section; None where there are no two checks yet.

    Args:
        found: the checks, oldest first.
        limit: the share of changed features from which on customers have changed.

    """
    if len(found) < 2:
        return None
    ends = (day(found[0]["checked_at"]), day(found[-1]["checked_at"]))
    top = max(0.5, limit, *(check["drifted_share"] or 0.0 for check in found))
    drifted = sum(check["verdict"] == "drift" for check in found)
    shares = charts.steps(
        "Share of features that have changed, check by check",
        f"{len(found)} checks from {ends[0]} to {ends[1]}; {drifted} found that customers changed.",
        list(_points(found, "drifted_share")),
        top=top,
        name=f"{percent(top)} of the features",
        limit=(limit, f"counts from {percent(limit)} on"),
        ends=ends,
    )
    names = ("Checked", "Verdict", "Customers", "Features changed", "Predicted to leave", "Model")
    rows = (
        (
            moment(check["checked_at"]),
            VERDICTS[check["verdict"]][2],
            few(check["customers"]),
            percent(check["drifted_share"]),
            percent(check["predicted_churn"]),
            check["model_version"],
        )
        for check in reversed(found)
    )
    return section(
        "The checks so far",
        "Each mark is a check, at the share of features that it found changed.",
        charts.key(
            ("dot", "now", "as before"),
            ("up", "alarmed", "customers have changed"),
            ("ring", "weak", "too few customers"),
        ),
        shares,
        figure(_churn(found, ends), names, rows),
    )


def _churn(found: Checks, ends: tuple[str, str]) -> Html | None:
    known = [check for check in found if check["predicted_churn"] is not None]
    if not known:
        return None
    shares = [check["predicted_churn"] for check in known]
    first, last, top = percent(shares[0]), percent(shares[-1]), max(0.1, 1.15 * max(shares))
    return element(
        "div",
        element("h3", f"Predicted to leave: {first} at first, {last} at last"),
        charts.steps(
            "Predicted churn, check by check",
            f"The mean answer went from {first} to {last}.",
            list(_points(known, "predicted_churn")),
            top=top,
            name=f"{percent(top)} of the customers",
            ends=ends,
        ),
        class_="below",
    )


def _points(found: Checks, member: str) -> Iterator[Mark]:
    times = [datetime.fromisoformat(check["checked_at"]).timestamp() for check in found]
    width = (times[-1] - times[0]) or 1.0
    for at, check in zip(times, found, strict=True):
        shape, class_ = _SHAPES[check["verdict"]]
        yield Mark((at - times[0]) / width, shape, class_, check[member] or 0.0)
