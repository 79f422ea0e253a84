"""How much memory a drift check takes beyond what its process holds before, in KiB."""

import sys
from pathlib import Path

from tests.benchmarks.drift import checked
from tests.benchmarks.score_evergreen import peak_memory


def main() -> None:
    """Check a log in a folder: `python -m tests.benchmarks.drift_memory folder logs`."""
    folder, log = sys.argv[1:]
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak_memory()
    checked(Path(folder), log)
    print(peak_memory() - before)


if __name__ == "__main__":
    main()
