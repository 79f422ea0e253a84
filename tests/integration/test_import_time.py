"""How much a cold start imports, so that it can't creep.

Time is not measured, which on a busy machine says little, but what takes it: the packages, and the
size of the code. The floor is what the function can't do without, so a ratio holds from one release
of those packages to the next.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.benchmarks.lambdas import PYTHON, ROOT, SERVING, TRAINING, link

IMPORT = """
import json, sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
files = {spec.name: spec.origin for spec in specs if spec and spec.has_location}
print(json.dumps(files))
"""


@dataclass(frozen=True)
class Start:
    """What the start of a function imports."""

    layer: str
    floor: tuple[str, ...]
    """What it can't do without, …"""
    small: set[str]
    """… and what else it may import beside the package, which is of little weight."""
    ratio: float
    """How much code all of it may be, against that of the floor."""


STARTS = {
    "predict": Start(
        SERVING,
        ("fastapi", "mangum", "boto3"),
        {"aws_lambda_powertools", "numpy", "onnxruntime", "snapshot_restore_py"},
        1.23,
    ),
    "score": Start(
        SERVING,
        ("botocore.session", "numpy", "onnxruntime"),
        {"aws_lambda_powertools", "orjson", "typing_extensions"},
        1.13,
    ),
    "drift": Start(
        TRAINING,
        ("botocore.session", "numpy", "scipy.stats", "sklearn.ensemble", "onnx.reference"),
        {"aws_lambda_powertools", "orjson"},
        1.05,
    ),
    "measure": Start(
        TRAINING,
        ("botocore.session", "numpy", "scipy.stats", "onnx.reference"),
        {"aws_lambda_powertools", "orjson"},
        1.02,
    ),
    "retrain": Start(
        TRAINING,
        (
            "botocore.session",
            "numpy",
            "pandas",
            "scipy.stats",
            "sklearn",
            "skl2onnx",
            "onnx.reference",
        ),
        {"aws_lambda_powertools", "orjson"},
        1.05,
    ),
}

Layer = Callable[[str], Path]


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Layer:
    """Make folders of what a layer and AWS's image hold."""
    folder, made = tmp_path_factory.mktemp("layers"), dict[str, Path]()

    def of(name: str) -> Path:
        if name not in made:
            made[name] = link(folder / Path(name).name, name)
        return made[name]

    return of


def test_every_function_is_held() -> None:
    assert STARTS.keys() == {path.parent.name for path in ROOT.glob("functions/*/app.py")}


@pytest.mark.parametrize("function", STARTS)
def test_a_start_imports_little_more_than_it_has_to(function: str, layer: Layer) -> None:
    start = STARTS[function]
    floor = imported([layer(start.layer)], *start.floor)
    paths = [ROOT / "functions" / function, ROOT / "layers/evergreen", layer(start.layer)]
    ours = imported(paths, "app")
    own = {path.stem for path in paths[0].glob("*.py")} | {"evergreen"}
    more = packages(ours) - packages(floor) - own - sys.stdlib_module_names
    assert more <= start.small
    assert size(ours) <= start.ratio * size(floor), f"{size(ours) / size(floor):.3f}"


def imported(paths: list[Path], *modules: str) -> dict[str, Path]:
    """Import modules in a process of their own; return the files of all that this imported."""
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [PYTHON, "-c", IMPORT, *modules]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: Path(file) for name, file in json.loads(done.stdout).items()}


def packages(files: dict[str, Path]) -> set[str]:
    return {name.partition(".")[0] for name in files}


def size(files: dict[str, Path]) -> int:
    """Return the bytes of the Python among some files."""
    return sum(file.stat().st_size for file in set(files.values()) if file.suffix == ".py")
