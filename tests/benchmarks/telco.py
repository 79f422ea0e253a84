"""The Telco table, and a version trained on it."""

import os
from pathlib import Path

from evergreen.jobs.learning.history import History
from evergreen.models.training import train, version_files
from local.demo.source import find

ROOT = Path(__file__).resolve().parents[2]


def table() -> Path:
    """Find the Telco table."""
    found = Path(os.environ.get("EVERGREEN_TELCO_CSV", ROOT.parent / "shared/data/telco.csv"))
    if not found.is_file():
        raise SystemExit(f"no Telco table: {found} is no file; say EVERGREEN_TELCO_CSV=<file>")
    return found


def version(folder: Path) -> dict[str, bytes]:
    """Train on the table, write the version's files into a new folder, and return them."""
    source = find(table(), None)
    labelled = History.of({"telco": source.history()}).labelled(source.schema)
    files = version_files(source.schema, labelled, train(source.schema, labelled))
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return files
