"""Our side of `scoring`: what ScoreFunction does with an upload, apart from S3 and the log."""

import io
import json
import re
import sys
import time
from pathlib import Path

from evergreen.customers.files import Kind
from evergreen.jobs.files.scoring import score
from evergreen.jobs.files.streaming import Results
from evergreen.jobs.files.summary import Summary
from evergreen.models import artifact
from evergreen.models.model import Model


def main() -> None:
    """Score a file by the version in a folder; print the seconds and the peak of memory in KiB."""
    folder, source, target = map(Path, sys.argv[1:])
    started = time.perf_counter()
    model = load(folder)
    rejected = io.BytesIO()
    with source.open("rb") as file, target.open("wb") as answered:
        results = Results(answered, rejected, lambda _: None)
        kind = Kind(json=False, gzipped=False)
        summary = score(model, file, kind, results, Summary(source.name, "1", model.version))
    seconds = time.perf_counter() - started
    peak = peak_memory()
    print(json.dumps({"seconds": seconds, "peak": peak, "rejected": summary.rejected}))


def peak_memory() -> int:
    """Return the most memory that this process has held, in KiB.

    Not by `getrusage`, which goes on from that of the process which started this one.
    """
    status = Path("/proc/self/status").read_text()
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(peak)


def load(folder: Path) -> Model:
    """Load the version that lies in a folder, as if it came from the registry."""
    names = [n for n in (*artifact.CHAMPION, *artifact.FASTER) if (folder / n).exists()]
    files = {name: (folder / name).read_bytes() for name in names}
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    manifest = artifact.Manifest("bench", "", None, "", "", {}, {}, {}, hashes)
    return Model.load(artifact.Artifact(manifest, files))


if __name__ == "__main__":
    main()
