"""Make an installed dependency layer small to store and quick to import."""

import argparse
import compileall
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

# Lambda takes 262,144,000 bytes, unzipped, of a function with all its layers. What this leaves is
# for the functions, the evergreen layer and the next releases of what is locked.
MAX_BYTES = 255_000_000

# Sources stay, though there is bytecode: anyio finds what it exports by reading its own.
BUILD_ONLY = {
    *(".a", ".build", ".c", ".cc", ".cpp", ".f", ".f90", ".h", ".hpp", ".proto"),
    *(".pxd", ".pxi", ".pyi", ".pyx", ".tp"),
}
TEST_FOLDERS = {"test", "tests"}


def unused(target: Path, patterns: Path) -> Iterator[Path]:
    """Yield what the layer's own list names.

    Raises:
        SystemExit: a pattern matches nothing, as after a release that moved what it named.

    """
    for line in patterns.read_text().splitlines():
        pattern = line.partition("#")[0].strip()
        if pattern:
            matches = list(target.glob(pattern))
            if not matches:
                sys.exit(f"{patterns.name}: nothing matches {pattern}")
            yield from matches


def never_imported(target: Path) -> Iterator[Path]:
    """Yield what no package needs at run time.

    The .dist-info folders stay: entry points, versions and licences are read there or owed.
    """
    yield target / "bin"  # console scripts, which start with a path of the building machine
    yield target / ".lock"  # uv's own
    yield from target.glob("*.dist-info/RECORD")  # no longer true
    for folder, folders, files in target.walk():
        if folder.suffix == ".dist-info":
            folders.clear()
            continue
        yield from (folder / name for name in folders if name in TEST_FOLDERS)
        yield from (folder / name for name in files if Path(name).suffix in BUILD_ONLY)


def remove(paths: Iterable[Path]) -> None:
    """Delete files, and folders with all in them."""
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def compile_sources(target: Path) -> None:
    """Write the bytecode that Lambda can't: its file system is read-only.

    Unchecked, because nothing edits a layer in place, and a timestamp would not survive the zip.
    One process, because bytecode varies with what its process has compiled before.
    """
    compileall.compile_dir(
        target,
        quiet=1,
        workers=1,
        stripdir=target,
        prependdir="/opt/python",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def size(target: Path) -> int:
    """Return the bytes of all files."""
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def main() -> None:
    """Slim a layer in place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, help="the folder that the layer was installed into")
    parser.add_argument("--unused", type=Path, required=True, help="patterns of what to drop")
    arguments = parser.parse_args()
    target: Path = arguments.target
    remove(never_imported(target))
    compile_sources(target)
    remove(unused(target, arguments.unused))
    total = size(target)
    print(f"{target.parent.name}: {total:,} bytes of at most {MAX_BYTES:,}")
    if total > MAX_BYTES:
        sys.exit("too large: name more of what is not used in unused.txt")


if __name__ == "__main__":
    main()
