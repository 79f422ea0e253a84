"""`sam build` as whoever does not use make runs it: nothing is set for it, and there is no uv."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from local.demo.stack import ROOT, TOOLS

MACHINES = {"x86_64": 62, "arm64": 183}
"""As the head of an ELF file names them."""
NOT_OURS = ("AWS_", "MAKE", "PYTHON", "SAM_", "UV_", "VIRTUAL_ENV")


def build(folder: Path, layer: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Build one layer of a copy of the project."""
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("functions", "infra", "layers"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    return subprocess.run(
        ["sam", "build", layer, *options],
        cwd=folder,
        env={**environ, "PATH": f"{TOOLS / 'sam/bin'}:/usr/bin:/bin", "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def machines(folder: Path) -> set[int]:
    """Return the machines that compiled code is for."""
    heads = [path.read_bytes()[:20] for path in folder.rglob("*.so*")]
    return {int.from_bytes(head[18:20], "little") for head in heads if head[:4] == b"\x7fELF"}


@pytest.mark.parametrize(
    ("layer", "architecture"), [("TrainingLayer", "x86_64"), ("ServingLayer", "arm64")]
)
def test_a_layer_is_built_for_the_architecture_that_was_asked_for(
    tmp_path: Path, layer: str, architecture: str
) -> None:
    done = build(tmp_path, layer, "--parameter-overrides", f"Architecture={architecture}")
    assert done.returncode == 0, done.stderr
    built = tmp_path / ".aws-sam/build" / layer / "python"
    assert machines(built) == {MACHINES[architecture]}
