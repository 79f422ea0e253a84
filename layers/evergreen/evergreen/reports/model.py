"""A version's model card: what it is for, what it learned from, how good it is, why it serves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evergreen.reports import quality
from evergreen.reports.frame import figures, framed, items, section, table, verdict
from evergreen.reports.html import Html, element
from evergreen.reports.words import (
    NOTHING,
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

_SHOWN = 24
_TRIGGERS = {
    "drift": "customers who had changed",
    "upload": "new labelled history",
    "manual": "a person",
}


def card(manifest: Document, metrics: Document, schema: Document) -> str:
    """Return the model card of a version: HTML in one file.

    Args:
        manifest: the version's manifest.json.
        metrics: its metrics.json; intervals are shown where it has them, as `held_out_intervals`.
        schema: its schema.json.

    """
    decision, version = manifest["decision"], manifest["version"]
    class_, sign, words = _verdict(decision)
    top = (
        element("p", "Evergreen · model card · ", version, class_="eyebrow"),
        verdict(class_, sign, words),
        element("h1", _sentence(metrics["held_out"])),
        element("p", "The gate said: ", decision["reason"], ".", class_="quiet"),
    )
    sections = (
        element("section", _numbers(metrics)),
        _purpose(schema, metrics),
        quality.comparison(metrics),
        quality.calibration(metrics["calibration"]),
        quality.lift(metrics["calibration"]["reliability"], metrics["held_out"]["churn_rate"]),
        quality.importance(metrics["importance"]),
        _slices(decision.get("slices") or ()),
        quality.profit(metrics.get("profit")),
        _gate(decision),
        _data(manifest, metrics, schema),
        _choice(metrics),
        _warnings(manifest["warnings"]),
    )
    trigger = _TRIGGERS.get(manifest["trigger"], manifest["trigger"])
    libraries = ", ".join(f"{name} {version}" for name, version in manifest["libraries"].items())
    foot = (
        element("p", f"Trained {moment(manifest['created'], year=True)}, asked for by {trigger}."),
        element("p", f"With {libraries}.") if libraries else None,
        element("p", f"Data fingerprint {manifest['fingerprint'][:16]}."),
    )
    return framed(f"Model {version}", top, sections, foot)


def _verdict(decision: Document) -> tuple[str, str, str]:
    if decision["promoted"]:
        return "", "●", "Let through by the gate"
    if decision.get("waits"):
        return "unknown", "○", "Waits for a person"
    return "alarm", "▲", "Not let through by the gate"


def _sentence(held_out: Document) -> str:
    lift = decimal(held_out["lift_at_10_percent"], 1)
    return (
        f"Of the tenth of customers that this model is most worried about, {lift} times as many"
        " leave as of all."
    )


def _numbers(metrics: Document) -> Html:
    held_out, intervals = metrics["held_out"], metrics.get("held_out_intervals") or {}

    foretold = f"{percent(held_out['mean_predicted'])} foretold"

    def number(name: str, of: str, title: str) -> tuple[str, str, str]:
        found = intervals.get(of)
        within = f"{decimal(found['low'])} to {decimal(found['high'])}" if found else ""
        return name, decimal(held_out[of]), within or title

    return figures(
        number("ROC AUC", "roc_auc", "½ is guessing, 1 perfect"),
        number("Log loss", "log_loss", "in nats, lower is better"),
        number("Brier score", "brier", "lower is better"),
        ("Left", percent(held_out["churn_rate"]), foretold),
        ("Judged on", count(held_out["rows"]), "customers held out"),
    )


def _purpose(schema: Document, metrics: Document) -> Html:
    target = schema.get("target") or {}
    names = [field["name"] for field in schema["fields"] if field["name"] in metrics["importance"]]
    return section(
        "What it is for, and what not",
        None,
        items(
            [
                f"For: how likely a customer is to leave ({short(str(target.get('field', '')), 40)}"
                f" = {short(str(target.get('positive', '')), 40)}), so that people can decide whom"
                " to talk to first. It knows"
                f" {several(len(names), 'feature')}: {listed(names, 6)}.",
                "For customers like those that it was judged on. Where these change, the drift"
                " report says so, and its probabilities are no longer to be taken at their word.",
                "Not for: prices, credit, or any decision about a person that nobody looks at. It"
                " says who is likely to leave, not why, and not who would stay if asked.",
            ]
        ),
    )


def _slices(slices: Sequence[Document]) -> Html | None:
    if not slices:
        return None
    rows = (
        (
            f"{short(one['feature'], 30)} = {short(one['level'], 30)}",
            few(one["customers"]),
            decimal(one["champion_log_loss"], 4),
            decimal(one["challenger_log_loss"], 4),
            "▲ worse" if one.get("worse") else "● as good",
        )
        for one in slices[:_SHOWN]
    )
    return section(
        "Slice by slice",
        "Log loss of the champion of that time and of this model, the worst first.",
        table(("Customers with", "Customers", "Champion", "This model", "Verdict"), rows),
    )


def _gate(decision: Document) -> Html | None:
    compared = (
        ("the champion, on those it was made for", decision.get("comparison")),
        ("the champion, on those it knew", decision.get("known")),
        ("the best version so far", decision.get("anchored")),
    )
    rows = [
        (
            who,
            few(found["customers"]),
            decimal(found["rival_log_loss"], 4),
            decimal(found["challenger_log_loss"], 4),
            f"{decimal(found['excess'], 4)} ({decimal(found['low'], 4)} to"
            f" {decimal(found['high'], 4)})",
        )
        for who, found in compared
        if found
    ]
    if not rows:
        return None
    return section(
        "Against what served before",
        "Log loss on the same held-out customers. The difference lies above the one end, and below"
        " the other, with 95 % confidence each; below zero this model is better.",
        table(("Against", "Customers", "Rival", "This model", "Difference"), rows),
    )


def _data(manifest: Document, metrics: Document, schema: Document) -> Html:
    census = manifest["history"]
    told = {
        "rows": "Rows",
        "customers": "Customers",
        "superseded": "Older rows of the same",
        "repeated": "Repeated rows",
        "contradictions": "Contradictions",
        "fresh": "New since the champion",
    }
    numbers = [(title, few(census[of]), "") for of, title in told.items() if of in census]
    sources = [element("code", element("bdi", short(key, 120))) for key in manifest["sources"]]
    hidden = len(sources) - 5 * _SHOWN
    return section(
        "What it learned from",
        f"{several(metrics['rows'], 'customer')}, of these files:",
        items(sources[: 5 * _SHOWN]),
        element("p", f"and {hidden:,} more, named in the manifest.") if hidden > 0 else None,
        figures(*numbers) if numbers else None,
        _known_before(manifest),
    )


def _known_before(manifest: Document) -> Html:
    parent = manifest["parent"] or "none: it is the first"
    return element("p", f"The champion at that time: {parent}.", class_="quiet below")


def _choice(metrics: Document) -> Html:
    return section(
        "What was tried",
        "Cross-validated log loss on customers that may be learned from, with its standard error.",
        table(("Candidate", "Log loss", "Standard error", "Chosen"), _tried(metrics)),
    )


def _tried(metrics: Document) -> Iterator[tuple[str, str, str, str]]:
    kinds = (("history", "candidates", "chosen"), ("learner", "learners", "learner"))
    for kind, of, chosen in kinds:
        for name, found in metrics.get(of, {}).items():
            mark = "● chosen" if metrics.get(chosen) == name else NOTHING
            loss, error = decimal(found["log_loss"], 4), decimal(found["standard_error"], 4)
            yield f"{kind}: {name}", loss, error, mark


def _warnings(warnings: Sequence[str]) -> Html | None:
    if not warnings:
        return None
    shown = [short(warning, 400) for warning in warnings[:_SHOWN]]
    return section("What to know of it", None, items(shown))
