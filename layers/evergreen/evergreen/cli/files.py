"""Files on this machine: read with errors that name them, written whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evergreen.customers.files import Kind
from evergreen.errors import InputError


def content(file: str | Path) -> bytes:
    """Read a file; raises InputError."""
    try:
        return Path(file).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{file} does not exist") from None
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}") from None


@contextmanager
def beside(file: Path) -> Iterator[Path]:
    """Make a folder beside a file that is gone afterwards, whatever happens.

    What is written there is moved to its place at once, and by then complete.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix=".evergreen-", dir=file.resolve().parent)
    except OSError as error:
        raise InputError(f"nothing can be written beside {file}: {error.strerror}") from None
    with folder as name:
        yield Path(name)


def named(file: Path, result: str, kind: Kind) -> Path:
    """Name a result of a file: customers.csv.gz → customers.scored.csv.gz."""
    gz = file.suffix if kind.gzipped else ""
    plain = Path(file.name.removesuffix(gz))
    return file.with_name(f"{plain.stem}.{result}{plain.suffix}{gz}")
