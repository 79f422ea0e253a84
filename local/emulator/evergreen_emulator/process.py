"""A runtime process and all that it starts."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from evergreen_emulator import procfs

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


class RuntimeProcess:
    """Lives no longer than LocalStack does, however that ends."""

    def __init__(
        self, python: str, handler: str, code: Path, environ: Mapping[str, str], output: int
    ) -> None:
        """Start it, with both its output streams going to the file descriptor `output`."""
        lifeline, held = os.pipe()
        try:
            self._process = subprocess.Popen(
                [python, "-P", str(_BOOTSTRAP), str(lifeline), handler],
                cwd=code,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[lifeline],
                start_new_session=True,
            )
        except OSError:
            os.close(held)
            raise
        finally:
            os.close(lifeline)
        self._lifeline = held
        self._pidfd = os.pidfd_open(self._process.pid)
        self._killing = threading.Lock()
        self._killed = False

    def fileno(self) -> int:
        """What to wait on for its exit."""
        return self._pidfd

    @property
    def alive(self) -> bool:
        """Whether it runs and nobody has killed it."""
        return not self._killed and procfs.process(self._process.pid) is not None

    @property
    def memory(self) -> int:
        """The resident bytes of the process and what it started."""
        return procfs.group_memory(self._process.pid)

    @property
    def peak(self) -> int:
        """The most resident bytes that the process itself has had."""
        return procfs.peak_memory(self._process.pid)

    def kill(self) -> None:
        """Kill it and what it started. May be called from any thread, and more than once."""
        with self._killing:
            self._killed = True
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill what is left of it and collect its exit status."""
        self.kill()
        with self._killing:
            return self._process.wait()

    def close(self) -> None:
        """End it and give everything back."""
        self.end()
        os.close(self._pidfd)
        os.close(self._lifeline)
