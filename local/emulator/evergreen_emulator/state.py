"""The folder of an emulator, and who runs in it."""

import http.client
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from evergreen_emulator import procfs
from evergreen_emulator.settings import FOLDERS


class EmulatorError(Exception):
    """A command can't be carried out; the message is fit for people."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A LocalStack, named by pid and start time: its pid alone may be somebody else's by now."""

    pid: int
    started: int
    port: int

    @classmethod
    def of(cls, pid: int, port: int) -> Self:
        """The instance that a process is."""
        found = procfs.process(pid)
        return cls(pid, found.started if found else 0, port)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        found = procfs.process(self.pid)
        return found is not None and found.started == self.started

    @property
    def healthy(self) -> bool:
        """Whether it answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/_localstack/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def __str__(self) -> str:
        return f"http://127.0.0.1:{self.port} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class State:
    """All that an emulator writes is below this folder."""

    folder: Path

    @property
    def log(self) -> Path:
        """LocalStack's own log; it stays after the end, to be read."""
        return self.folder / "localstack.log"

    @property
    def data(self) -> Path:
        """Everything that ends with the instance."""
        return self.folder / "data"

    @property
    def _record(self) -> Path:
        return self.folder / "emulator.json"

    def running(self) -> Instance | None:
        """The instance that runs here, if one does."""
        try:
            instance = Instance(**json.loads(self._record.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return instance if instance.alive else None

    def begin(self) -> None:
        """Wipe it; a folder that may be anything but an emulator's is left alone."""
        if self.folder.exists() and not self._record.exists() and any(self.folder.iterdir()):
            raise EmulatorError(f"{self.folder} is not an emulator's state: name another folder")
        shutil.rmtree(self.data, ignore_errors=True)
        for folder in FOLDERS.values():
            (self.data / folder).mkdir(parents=True)
        self._record.write_text("{}")

    def record(self, instance: Instance) -> None:
        """Remember who runs here."""
        self._record.write_text(json.dumps(asdict(instance)))

    def end(self) -> None:
        """Remove what nobody uses any more."""
        if self._record.exists():
            shutil.rmtree(self.data, ignore_errors=True)
