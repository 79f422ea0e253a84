"""The `evergreen` command as a shell runs it, on a stack of which the outputs are made up."""

import io
import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from evergreen.cli import app as cli
from evergreen.cli import output
from evergreen.store import stack


@dataclass
class Shell:
    """Runs commands."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    outputs: dict[str, str]
    error: str = ""
    """What the last one said on stderr."""

    def __post_init__(self) -> None:
        self.monkeypatch.setattr(output.console, "width", 200)
        known = {"evergreen": self.outputs}
        self.monkeypatch.setattr(stack, "outputs", lambda name: known.get(name, {}))

    def __call__(self, *arguments: object, code: int = 0, stdin: bytes = b"") -> str:
        """Run a command that ends with this code; returns what it says on stdout."""
        self.monkeypatch.setattr(sys, "argv", ["evergreen", *map(str, arguments)])
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        ended = cli.main()
        said = self.capsys.readouterr()
        self.error = said.err
        assert "Traceback" not in said.err
        assert ended == code, said
        return said.out

    def json(self, *arguments: object, code: int = 0, stdin: bytes = b"") -> Any:
        """Run a command with --json, and read its answer."""
        return json.loads(self(*arguments, "--json", code=code, stdin=stdin))
