"""An engine of one's own ends with its block, whatever happens in it."""

import subprocess
from pathlib import Path

import pytest

from local.containers import base
from local.containers.engine import missing, private

from .conftest import require_docker


def links() -> set[str]:
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    return {line.split()[1].partition("@")[0] for line in shown.stdout.splitlines()}


def processes_of(folder: Path) -> list[Path]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder) in (entry / "cmdline").read_text():
                found.append(entry)
        except OSError:
            continue  # it has ended
    return found


def test_a_failure_in_its_block_leaves_nothing() -> None:
    require_docker(missing())
    before = links()
    with pytest.raises(ZeroDivisionError), private() as engine:
        folder = Path(engine.environ["DOCKER_HOST"].removeprefix("unix://")).parent
        python = base.python().ensure(engine)
        engine.run("network", "create", "left-behind")
        engine.run("run", "--detach", "--network", "left-behind", python, "python", "-c", WAIT)
        assert processes_of(folder)
        assert links() > before
        1 / 0  # noqa: B018
    assert not processes_of(folder)
    assert not folder.exists()
    assert links() == before


WAIT = "import time; time.sleep(600)"
