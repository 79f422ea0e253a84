"""Documents for the pages' tests: what checks and trainings write, and what hostile names do."""

import copy
import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
VERSION = "20261120T080000Z-0123abcd"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "Ünïcødé & co. ]]> <!--",
    "\u202eevil\u202c \u05d0\u05d1\u05d2 \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\U0001f4a9" * 80,
    "漢字" * 40,
    "x" * 1_000,
    "a\x00b\ud800c\x1b[31m\u2028d",
    "{{7*7}} ${x} %s",
    "javascript:alert(1)",
)


def column(name: str, *, drifted: bool = False, bars: int = 10, **members: Any) -> dict[str, Any]:
    """A column of a report."""
    labels = [f"level {i}" for i in range(bars)]
    return {
        "name": name,
        "test": "chi2",
        "statistic": 812.4,
        "p_value": 1e-20,
        "adjusted_p": 3.4e-19,
        "effect": 0.42 if drifted else 0.02,
        "missing": {"before": 0.01, "now": 0.05, "p_value": 0.2, "adjusted_p": 0.3},
        "importance": 0.05,
        "drifted_in": ["values"] if drifted else [],
        "drifted": drifted,
        "unseen": {"before": 0.0, "now": 0.02},
        "distribution": [
            {"label": label, "before": 1 / bars, "now": (i + 1) / bars / (bars + 1) * 2}
            for i, label in enumerate(labels)
        ],
        "since": NOW.isoformat() if drifted else None,
        "previous_effect": 0.01,
    } | members


def report(features: int = 20, drifted: int = 8, **members: Any) -> dict[str, Any]:
    """A report of a check that found drift in some features."""
    return {
        "report_version": 1,
        "checked_at": NOW.isoformat(),
        "model_version": VERSION,
        "window_start": (NOW - timedelta(hours=24)).isoformat(),
        "window_end": NOW.isoformat(),
        "records": 1_733,
        "sampled": 1.0,
        "predicted_churn": 0.51,
        "kinds": ["contract = monthly: 95 % of customers, 45 % before"],
        "verdict": "drift" if drifted else "no_drift",
        "customers": 1_500,
        "drifted_share": drifted / features,
        "drifted_importance": 0.05 * drifted,
        "thresholds": {"alpha": 1e-5, "effect_floor": 0.1, "share": 0.3, "min_rows": 200},
        "columns": [column(f"feature_{i}", drifted=i < drifted) for i in range(features)],
        "score": column("churn_probability", importance=0.0, missing=None, unseen=None),
        "since": "2026-11-24T14:00:00+00:00" if drifted else None,
        "joint": {
            "auc": 0.81,
            "p_value": 1e-30,
            "drifted": True,
            "customers": 1_500,
            "reference": 4_000,
        },
        "segments": {
            "field": "connection",
            "levels": [
                {
                    "label": label,
                    "customers": customers,
                    "share_before": 0.5,
                    "share_now": 0.4,
                    "verdict": verdict,
                    "drifted": ["feature_1"],
                }
                for label, customers, verdict in (
                    ("fibre", 900, "drift"),
                    ("dsl", 596, "no_drift"),
                    ("cable", 4, "too_few_rows"),
                )
            ],
        },
        "history": [
            {
                "checked_at": (NOW - timedelta(hours=6 * (59 - i))).isoformat(),
                "verdict": "drift" if i > 50 else "too_few_rows" if i == 3 else "no_drift",
                "customers": 1_400 + i,
                "drifted_share": None if i == 3 else 0.4 if i > 50 else 0.0,
                "predicted_churn": 0.25 + i / 200,
                "model_version": VERSION,
            }
            for i in range(60)
        ],
    } | members


def too_few() -> dict[str, Any]:
    """A report of a check that had too few customers to say anything."""
    nothing = {"drifted_share": None, "drifted_importance": None, "predicted_churn": None}
    return report(1, 0) | {
        **nothing,
        "verdict": "too_few_rows",
        "customers": 3,
        "records": 3,
        "columns": [],
        "kinds": [],
        "score": None,
        "joint": None,
        "segments": None,
        "history": [],
    }


def performance(weeks: int = 6) -> dict[str, Any]:
    """What a measurement writes; the newest week has no outcomes yet, the oldest no others."""

    def about(value: float, reach: float) -> dict[str, float]:
        return {"value": value, "low": value - reach, "high": value + reach}

    return {
        "performance_version": 1,
        "measured_at": NOW.isoformat(),
        "horizon_days": 90.0,
        "outcomes": {
            "received": 4_500,
            "matched": 4_320,
            "unmatched": 180,
            "examples": ["C0001-000042"],
            "contradictions": 3,
        },
        "weeks": [
            {
                "model_version": VERSION,
                "week": f"2026-W{48 - i}",
                "start": (datetime(2026, 11, 23) - timedelta(days=7 * i)).date().isoformat(),
                "customers": 1_800,
                "labelled": 300 * i,
                "measured": {
                    "customers": 300 * i,
                    "churn_rate": 0.27,
                    "mean_predicted": 0.29,
                    "roc_auc": about(0.83 - 0.01 * i, 0.02),
                    "log_loss": about(0.42 + 0.01 * i, 0.02),
                    "brier": about(0.14, 0.01),
                    "ece": about(0.03, 0.01),
                    "profit": about(4.2, 1.1),
                }
                if i
                else None,
                "estimated": {
                    "customers": 900,
                    "roc_auc": 0.78,
                    "log_loss": 0.47,
                    "brier": 0.14,
                    "churn_rate": 0.28,
                }
                if i < weeks - 1
                else None,
                "expected": {"roc_auc": 0.842, "log_loss": 0.401, "brier": 0.13},
            }
            for i in range(weeks)
        ],
        "campaigns": [
            {
                "upload": "november.csv",
                "at": NOW.isoformat(),
                "contacted": 800,
                "control": 200,
                "contacted_left": 0.21,
                "control_left": 0.29,
                "effect": about(-0.08, 0.06),
            },
            {
                "upload": "december.csv",
                "at": NOW.isoformat(),
                "contacted": 4,
                "control": 0,
                "contacted_left": 0.25,
                "control_left": None,
                "effect": None,
            },
        ],
        "decay": {
            "seen": True,
            "model_version": VERSION,
            "week": "2026-W48",
            "metric": "log_loss",
            "basis": "estimate",
            "measured": 0.47,
            "expected": 0.401,
            "reason": "the log loss is 0.470, surely worse than the 0.401 of held-out customers",
        },
    }


def hostile(document: dict[str, Any]) -> dict[str, Any]:
    """Put names that somebody might have chosen in place of all that are names."""
    found = copy.deepcopy(document)
    names = iter(HOSTILE * 1_000)
    for one in found["columns"]:
        one["name"] = next(names)
        for bar in one["distribution"]:
            bar["label"] = next(names)
    found["kinds"] = list(HOSTILE)
    found["segments"]["field"] = next(names)
    for level in found["segments"]["levels"]:
        level["label"], level["drifted"] = next(names), list(HOSTILE)
    return found


class Parsed(HTMLParser):
    """A page as a browser would take it apart: its elements, and that each is closed."""

    VOID = frozenset(["meta", "br"])

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.elements]


def stored(document: object) -> Any:
    """A document as it is read again."""
    return json.loads(json.dumps(document))
