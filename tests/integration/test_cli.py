"""The `evergreen` command, on buckets in memory."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from evergreen.cli import app as cli
from evergreen.models.artifact import Artifact
from evergreen.store import stack
from evergreen.store.registry import Pointer, Registry
from evergreen.store.set_aside import SetAside

from .conftest import NOW, another

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Run:
    """Runs a command as a shell would; returns its exit code."""
    found = {"ModelBucket": registry.bucket.name}
    monkeypatch.setattr(stack, "outputs", lambda name: found if name == "evergreen" else {})

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["evergreen", *arguments])
        return cli.main()

    return run


@pytest.fixture
def second(registry: Registry, version: Artifact, promoted: Pointer) -> Pointer:
    """A second version, which has learned from one more file."""
    manifest = replace(another(version, "second").manifest, sources={"training/b.csv": '"b"'})
    registry.publish(manifest, version.files)
    return registry.promote("second", seen=promoted, reason="better")


def test_versions_are_listed_with_what_the_gate_said(
    run: Run, second: Pointer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "list", "--json") == 0
    first, *_ = json.loads(capsys.readouterr().out)
    assert (first["version"], first["serves"], first["reason"]) == (
        "second",
        True,
        "the first model",
    )
    assert first["gate"] == "promoted"
    assert run("models", "list") == 0
    shown = capsys.readouterr().out
    assert "second" in shown
    assert str(second.move.previous) in shown  # whole, in 80 columns, to be copied


def test_a_rollback_is_one_command_and_so_is_the_way_back(
    run: Run, registry: Registry, second: Pointer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "rollback", "--reason", "it was a pilot") == 0
    said = capsys.readouterr().out
    assert f"rolled back second → {second.move.previous}" in said
    assert "set aside: training/b.csv" in said
    assert registry.pointer().version == second.move.previous
    assert run("sources", "list", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["released_at"] is None
    assert run("models", "promote", "second", "--reason", "it was not") == 0
    assert registry.pointer().version == "second"
    (released,) = SetAside(registry.bucket).entries()
    assert (released.held, released.release_reason) == (False, "second was promoted: it was not")
    assert run("models", "moves") == 0


def test_a_rollback_that_is_typed_again_says_that_it_was_made_and_goes_no_further(
    run: Run,
    registry: Registry,
    version: Artifact,
    second: Pointer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry.publish(another(version, "third").manifest, version.files)
    registry.promote("third", seen=second, reason="better")
    said = []
    for _ in range(2):
        assert run("models", "rollback", "--reason", "it was a pilot") == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "rolled back third → second" in said[0]
    assert "to go back further, name a version with --to" in said[0]
    assert registry.pointer().version == "second"


def test_the_moves_that_are_shown_include_one_that_was_never_noted(
    run: Run, registry: Registry, second: Pointer, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.bucket.delete(second.move.key)
    assert run("models", "moves", "--json") == 0
    first, _ = json.loads(capsys.readouterr().out)
    assert first["version"] == "second"


def test_a_file_is_released_by_its_name(run: Run, registry: Registry, second: Pointer) -> None:
    SetAside(registry.bucket).add("training/c.csv", '"c"', "suspicious", NOW)
    assert run("sources", "release", "training/c.csv", "--reason", "it is right") == 0
    (entry,) = SetAside(registry.bucket).entries()
    assert not entry.held


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("models", "rollback", "--reason", " "), "say why"),
        (("models", "promote", "third", "--reason", "x"), "models/third/manifest.json does not"),
        (("sources", "release", "training/x.csv", "--reason", "x"), "nothing is"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_line_and_changes_nothing(
    run: Run,
    registry: Registry,
    second: Pointer,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert run(*arguments) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert registry.pointer() == second
