"""The model card: of a version as training makes it, of refused ones, of hostile names."""

import copy
import json
import re
from typing import Any

import pytest

from evergreen.models.artifact import METRICS, SCHEMA, Artifact
from evergreen.reports import model

from .pages import HOSTILE, Parsed

Document = dict[str, Any]
Documents = tuple[Document, Document, Document]


@pytest.fixture
def documents(version: Artifact) -> Documents:
    """Manifest, metrics and schema as they are stored."""
    manifest = json.loads(version.manifest.to_bytes())
    metrics, schema = (json.loads(version.files[name]) for name in (METRICS, SCHEMA))
    return manifest, metrics, schema


def visible(page: str) -> str:
    return " ".join("".join(Parsed(page).text).split()).replace("\N{NO-BREAK SPACE}", " ")


def compared(**members: Any) -> Document:
    return {
        "customers": 812,
        "rival_log_loss": 0.4402,
        "challenger_log_loss": 0.4011,
        "rival_roc_auc": 0.801,
        "challenger_roc_auc": 0.842,
        "excess": -0.0391,
        "low": -0.055,
        "high": -0.021,
        "detects": 0.018,
    } | members


def test_a_card_tells_what_training_knows(documents: Documents) -> None:
    manifest, metrics, _ = documents
    said = visible(model.card(*documents))
    held_out = metrics["held_out"]
    for expected in (
        f"{held_out['roc_auc']:.3f}",
        f"{held_out['log_loss']:.3f}",
        f"{held_out['lift_at_10_percent']:.1f} times as many",
        "The gate said: the first model.",
        "churned = yes",
        "with 95 % intervals",
        f"learner: {metrics['learner']}",
        "logistic regression",
        "The champion at that time: none: it is the first.",
        "Trained Thursday 1 January 2026 00:00 UTC, asked for by a person.",
        manifest["version"],
    ):
        assert expected in said
    assert "Slice by slice" not in said
    assert "What it brings" not in said


def test_a_card_of_a_version_without_intervals_says_so(documents: Documents) -> None:
    manifest, metrics, schema = documents
    said = visible(model.card(manifest, {**metrics, "held_out_intervals": None}, schema))
    assert "without intervals, as there are none on file" in said


def test_every_number_of_the_calibration_is_in_its_table(documents: Documents) -> None:
    _, metrics, _ = documents
    page = model.card(*documents)
    (table,) = re.findall(r"<table><thead><tr><th[^>]*>Foretold.*?</table>", page)
    assert table.count("<tr>") == 1 + len(metrics["calibration"]["reliability"])


def test_the_groups_of_a_call_list_add_up(documents: Documents) -> None:
    manifest, metrics, schema = documents
    bins = [
        {"customers": 50, "mean_predicted": 0.1, "observed": 0.1},
        {"customers": 50, "mean_predicted": 0.5, "observed": 0.3},
    ]
    metrics["calibration"]["reliability"] = bins
    metrics["held_out"]["churn_rate"] = 0.2
    said = visible(model.card(manifest, metrics, schema))
    assert "first 50 % of customers75 % of leavers" in said
    assert "first 50 % of customers75 %1.50" in said
    assert "first 100 % of customers100 %0.50" in said


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ({"promoted": True, "reason": "better"}, "● Let through by the gate"),
        ({"promoted": False, "waits": True, "reason": "asks"}, "○ Waits for a person"),
        ({"promoted": False, "reason": "worse"}, "▲ Not let through by the gate"),
    ],
)
def test_the_verdict_of_the_gate(documents: Documents, decision: Document, said: str) -> None:
    manifest, metrics, schema = documents
    page = visible(model.card(manifest | {"decision": decision}, metrics, schema))
    assert said.replace(" ", "") in page.replace(" ", "")
    assert f"The gate said: {decision['reason']}." in page


def test_a_card_tells_what_else_is_on_file(documents: Documents) -> None:
    manifest, metrics, schema = documents
    slices = [
        {
            "feature": "contract",
            "level": "yearly",
            "customers": 230,
            "champion_log_loss": 0.31,
            "challenger_log_loss": 0.35,
            "low": 0.012,
            "worse": True,
        }
    ]
    decision = manifest["decision"] | {"comparison": compared(), "slices": slices}
    manifest |= {
        "decision": decision,
        "parent": "20261013T080000Z-89abcdef",
        "trigger": "drift",
        "sources": {"training/2026-11.csv": "etag"},
        "warnings": ["12 rows repeat a customer"],
        "libraries": {"numpy": "2.5.5"},
    }
    metrics |= {
        "held_out_intervals": {"roc_auc": {"low": 0.8, "high": 0.9}},
        "profit": {
            "expected_maximum": 4.21,
            "best_share": 0.31,
            "at_break_even": 3.87,
            "contacted": 0.4,
        },
    }
    said = visible(model.card(manifest, metrics, schema))
    for expected in (
        f"{metrics['held_out']['roc_auc']:.3f} (0.800 to 0.900)",
        "with 95 % intervals",
        "0.4402",
        "\N{MINUS SIGN}0.0391 (\N{MINUS SIGN}0.0550 to \N{MINUS SIGN}0.0210)",
        "contract = yearly",
        "▲ worse",
        "4.21with 31 % contacted",
        "training/2026-11.csv",
        "12 rows repeat a customer",
        "customers who had changed",
        "numpy 2.5.5",
    ):
        assert expected in said


def test_names_are_text_and_the_card_is_small(documents: Documents) -> None:
    manifest, metrics, schema = copy.deepcopy(documents)
    manifest["sources"] = {f"training/{i}{name}": "e" for i in range(500) for name in HOSTILE}
    manifest["warnings"] = [*HOSTILE] * 50
    manifest["decision"] |= {"reason": HOSTILE[0]}
    metrics["importance"] = {f"{name}{i}": 0.001 for i in range(100) for name in HOSTILE}
    page = model.card(manifest, metrics, schema)
    found = Parsed(page)
    assert not {"script", "img", "a", "link"} & set(found.names)
    assert not [name for _, of in found.elements for name in of if name.startswith("on")]
    assert len(page.encode()) <= 400 * 1_024
    assert "more, named in the manifest" in page


def test_headings_are_in_order_and_pictures_have_tables(documents: Documents) -> None:
    page = model.card(*documents)
    levels = [int(name[1]) for name in Parsed(page).names if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    assert page.count('role="img"') == page.count("<figure>") == 3
    assert all("<table>" in figure for figure in re.findall("<figure>.*?</figure>", page))
