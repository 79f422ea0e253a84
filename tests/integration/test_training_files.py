"""Labelled files as companies export them, and what is no labelled file."""

import gzip
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evergreen.customers.schema import Schema
from evergreen.errors import SourceError
from evergreen.jobs.learning.retraining import Retraining
from evergreen.store import keys
from evergreen.store.registry import Registry
from evergreen.store.s3 import Bucket

from .conftest import NOW, put_history, put_schema


@pytest.fixture
def retrain(data: Bucket, registry: Registry, schema: Schema) -> Retraining:
    """A retraining that has a schema, and nothing to learn from yet."""
    put_schema(data, schema)
    return Retraining(data, registry, cooldown=timedelta(), patience=timedelta())


def text(frame: pd.DataFrame, **form: Any) -> bytes:
    return str(frame.to_csv(index=False, **form)).encode()


def commas(frame: pd.DataFrame) -> bytes:
    return text(frame.assign(monthly_fee=frame["monthly_fee"].str.replace(".", ",")), sep=";")


FORMS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "JAN.CSV": text,
    "feb.tsv": lambda frame: text(frame, sep="\t"),
    "mar.csv.gz": lambda frame: gzip.compress(text(frame)),
    "apr.jsonl": lambda frame: frame.to_json(orient="records", lines=True).encode(),
    "may.csv": commas,
    "june.csv": lambda frame: text(frame, sep="\t").decode().encode("utf-16"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_labelled_file_teaches_as_it_is(
    retrain: Retraining, data: Bucket, frame: pd.DataFrame, name: str
) -> None:
    plain = retrain_on(retrain, data, "plain.csv", text(frame))
    data.delete(f"{keys.TRAINING}plain.csv")
    assert retrain_on(retrain, data, name, FORMS[name](frame)) == plain


def retrain_on(retrain: Retraining, data: Bucket, name: str, content: bytes) -> dict[str, Any]:
    data.put(f"{keys.TRAINING}{name}", content)
    outcome = retrain.run("manual", NOW)
    assert outcome.version and outcome.metrics
    return outcome.metrics


def test_files_that_write_their_numbers_differently_are_read_each_in_its_own_way(
    retrain: Retraining, data: Bucket, frame: pd.DataFrame
) -> None:
    half = len(frame) // 2
    data.put(f"{keys.TRAINING}old.csv", text(frame[:half]))
    data.put(f"{keys.TRAINING}new.csv", commas(frame[half:]))
    outcome = retrain.run("upload", NOW)
    assert outcome.status == "promoted"
    assert retrain.registry.manifest(str(outcome.version)).history["customers"] == len(frame)


def test_what_lies_beside_the_labelled_files_is_explained(
    retrain: Retraining, data: Bucket, frame: pd.DataFrame
) -> None:
    put_history(data, "history", frame)
    data.put(f"{keys.TRAINING}notes.xlsx", b"PK")
    data.put(f"{keys.TRAINING}2025/", b"")
    assert retrain.run("upload", NOW).status == "promoted"
    explained = [entry.key for entry in data.list("rejected/")]
    assert explained == ["rejected/training/notes.xlsx.reason.txt"]
    assert b"Excel" in data.get(explained[0])[0]


def test_an_explanation_is_there_as_long_as_its_file_is_refused(
    retrain: Retraining, data: Bucket, frame: pd.DataFrame
) -> None:
    def explained() -> list[str]:
        return [entry.key.removeprefix(keys.EXPLAINED) for entry in data.list(keys.EXPLAINED)]

    put_history(data, "history", frame)
    data.put(f"{keys.TRAINING}notes.xlsx", b"PK")
    for name in ("mended", "removed"):
        data.put(f"{keys.TRAINING}{name}.csv", b"a,b\n1,2\n")
    data.put(f"{keys.EXPLAINED}upload.csv", b"the rejected rows of incoming/training/upload.csv")
    retrain.run("upload", NOW)
    reasons = [f"{name}{keys.REASON}" for name in ("mended.csv", "notes.xlsx", "removed.csv")]
    assert explained() == [*reasons, "upload.csv"]
    retrain.run("upload", NOW)  # which does not read them anew
    assert explained() == [*reasons, "upload.csv"]
    put_history(data, "mended", frame.head(10))
    data.delete(f"{keys.TRAINING}removed.csv")
    retrain.run("upload", NOW)
    assert explained() == [reasons[1], "upload.csv"]


def test_a_few_rows_that_cannot_be_read_are_left_out_and_told(
    retrain: Retraining, data: Bucket, frame: pd.DataFrame
) -> None:
    lines = text(frame).splitlines(keepends=True)
    lines[10] = b'"open,' + lines[10]
    lines[20] = b"a,b\n"
    data.put(f"{keys.TRAINING}history.csv", b"".join(lines))
    outcome = retrain.run("upload", NOW)
    manifest = retrain.registry.manifest(str(outcome.version))
    assert manifest.history["customers"] == len(frame) - 2
    told = "training/history.csv: 2 rows could not be read (line 11: the row "
    assert manifest.warnings[0].startswith(told)


def test_a_file_of_which_many_rows_cannot_be_read_is_refused(
    retrain: Retraining, data: Bucket, frame: pd.DataFrame
) -> None:
    lines = text(frame).splitlines(keepends=True)
    lines[10:40] = [b"a,b\n"] * 30
    data.put(f"{keys.TRAINING}history.csv", b"".join(lines))
    with pytest.raises(SourceError, match=r"30 rows could not be read .*, too many"):
        retrain.run("upload", NOW)
    (explained,) = data.list("rejected/")
    assert b"30 rows" in data.get(explained.key)[0]


def test_a_column_that_gives_the_outcome_away_is_a_warning(
    retrain: Retraining, data: Bucket, schema: Schema, frame: pd.DataFrame
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, len(frame))
    score = ((frame["churned"] == "yes") + noise).round(3).astype(str)
    put_schema(data, schema, {"name": "churn_score", "type": "number"})
    file = io.BytesIO()
    frame.assign(churn_score=score).to_csv(file, index=False)
    data.put(f"{keys.TRAINING}history.csv", file.getvalue())
    outcome = retrain.run("upload", NOW)
    warnings = retrain.registry.manifest(str(outcome.version)).warnings
    assert any("'churn_score' alone" in warning for warning in warnings)
