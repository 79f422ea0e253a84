"""The structure that the design promises, held by tests."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import evergreen
from local.demo.stack import ROOT

PACKAGE = ROOT / "layers/evergreen/evergreen"
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
}
JOBS = sorted(path.parent.name for path in PACKAGE.glob("jobs/*/__init__.py"))
PURE = ("customers", "statistics", "models", "reports")


def imports(path: Path) -> set[str]:
    """Name what a file imports, in full: `evergreen.store.keys`, `botocore`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def own(path: Path) -> set[str]:
    """Name the modules of the package that a file imports: `store.keys`, `errors`."""
    names = {name.removeprefix("evergreen.") for name in imports(path)}
    return names & MODULES.keys()


def wing(module: str) -> str:
    return module.split(".")[0]


def documented_order() -> list[str]:
    """Read the lines of the package's docstring: the wings, bottom to top."""
    lines = re.findall(r"^    (\w+(?:, \w+)*)  ", str(evergreen.__doc__), re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


def test_the_package_documents_exactly_its_wings() -> None:
    assert sorted(documented_order()) == sorted({wing(module) for module in MODULES})


@pytest.mark.parametrize("name", [name for name in documented_order() if "." not in name])
def test_a_wing_says_in_a_few_lines_what_lives_there(name: str) -> None:
    said = (
        ast.get_docstring(ast.parse(PACKAGE.joinpath(name, "__init__.py").read_text()))
        if (PACKAGE / name).is_dir()
        else "a module"
    )
    assert said
    assert len([line for line in said.splitlines() if line]) <= 3


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    order = documented_order()
    below = order[: order.index(wing(module))]
    used = own(MODULES[module])
    assert {wing(name) for name in used} <= {wing(module), *below}


@pytest.mark.parametrize(
    "part", sorted(path.parent.name for path in PACKAGE.glob("jobs/*/__init__.py"))
)
def test_a_part_of_the_jobs_says_in_a_line_what_lives_there(part: str) -> None:
    said = ast.get_docstring(ast.parse(PACKAGE.joinpath("jobs", part, "__init__.py").read_text()))
    assert said
    assert "\n" not in said


def test_parts_of_the_jobs_do_not_need_each_other_in_a_circle() -> None:
    needs: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        if wing(module) == "jobs":
            used = {name.split(".")[1] for name in own(path) if wing(name) == "jobs"}
            part = module.split(".")[1]
            needs.setdefault(part, set()).update(used - {part})
    TopologicalSorter(needs).prepare()


def test_no_module_is_needed_by_what_it_needs() -> None:
    TopologicalSorter({module: own(path) for module, path in MODULES.items()}).prepare()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_in_the_package_knows_of_http(module: str) -> None:
    assert not {name.split(".")[0] for name in imports(MODULES[module])} & {
        *("fastapi", "starlette", "mangum")
    }


@pytest.mark.parametrize("module", sorted(m for m in MODULES if wing(m) in PURE))
def test_what_judges_and_learns_knows_of_no_aws(module: str) -> None:
    names = {name.split(".")[0] for name in imports(MODULES[module])}
    assert not names & {"botocore", "os"}


def test_only_the_store_talks_to_aws() -> None:
    users = {
        wing(name)
        for name, path in MODULES.items()
        if "botocore" in {found.split(".")[0] for found in imports(path)}
    }
    assert users == {"store"}


def test_clients_are_made_in_one_place() -> None:
    makers = {"boto3", "botocore.session"}
    assert {name for name, path in MODULES.items() if makers & imports(path)} == {"store.aws"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_do_not_know_each_other(function: str) -> None:
    for file in (ROOT / "functions" / function).glob("*.py"):
        assert not [name for name in imports(file) if name.startswith("functions")]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_fits_one_screen(function: str) -> None:
    path = ROOT / "functions" / function / "app.py"
    assert len(path.read_text().splitlines()) <= 80


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_is_too_long(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) <= 350


@pytest.mark.parametrize("function", FUNCTIONS)
def test_importing_a_function_needs_no_environment_and_no_network(function: str) -> None:
    code = """
import sys
def deny(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise AssertionError(f"{event} {arguments}")
sys.addaudithook(deny)
for module in sys.argv[1:]:
    __import__(module)
"""
    folder = ROOT / "functions" / function
    done = run(code, folder, *(path.stem for path in sorted(folder.glob("*.py"))))
    assert done.returncode == 0, done.stderr


SERVE = """
import sys
def deny(event, arguments):
    if event == "pickle.find_class":
        raise AssertionError(f"unpickles {arguments}")
sys.addaudithook(deny)
from pathlib import Path
import app
from evergreen.models.artifact import CHAMPION, Artifact, Manifest
from evergreen.models.model import Model
folder = Path(sys.argv[1])
manifest = Manifest.parse((folder / "manifest.json").read_bytes())
files = {name: (folder / name).read_bytes() for name in CHAMPION}
model = Model.load(Artifact(manifest, files))
import numpy as np
model.probabilities(np.zeros((3, len(model.schema.features)), np.float32))
print(sorted({name.split(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("function", ["predict", "score"])
def test_nothing_that_answers_ever_unpickles(function: str, published: Path) -> None:
    done = run(SERVE, ROOT / "functions" / function, str(published))
    assert done.returncode == 0, done.stderr
    loaded = ast.literal_eval(done.stdout)
    assert "onnxruntime" in loaded
    assert not {"joblib", "cloudpickle", "sklearn", "skl2onnx", "pandas", "scipy"} & set(loaded)


@pytest.mark.parametrize("function", ["predict", "score"])
def test_nothing_that_answers_names_a_pickle(function: str) -> None:
    files = list((ROOT / "functions" / function).glob("*.py"))
    seen: set[str] = set()
    waiting = {name for file in files for name in own(file)}
    while waiting:
        seen |= waiting
        waiting = {name for module in waiting for name in own(MODULES[module])} - seen
    for file in [*files, *(MODULES[name] for name in seen)]:
        assert not {"pickle", "joblib"} & {name.split(".")[0] for name in imports(file)}
        assert "allow_pickle=True" not in file.read_text()


LAYERS = {
    "ServingLayer": {"joblib", "pandas", "scipy", "skl2onnx", "sklearn"},
    "TrainingLayer": {"fastapi", "mangum", "onnxruntime"},
}
"""What each layer has not, of all that is installed here."""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_what_its_layer_has(function: str) -> None:
    code = """
import sys
class Lacking:
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in sys.argv[1:]:
            raise ImportError(f"no {name} in the layer")
sys.meta_path.insert(0, Lacking())
import app
"""
    template = (ROOT / "template.yaml").read_text()
    described = template.split(f"CodeUri: functions/{function}\n")[1]
    (layer,) = [name for name in LAYERS if name in described.split("MemorySize")[0]]
    done = run(code, ROOT / "functions" / function, *LAYERS[layer])
    assert done.returncode == 0, done.stderr


def run(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
