"""The Docker engine: the machine's own or, for tests, one that lives no longer than they do."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

from local.demo.stack import TOOLS

PACKAGED = TOOLS / "docker"
"""Where `make docker` unpacks Debian's packages."""

_BRIDGE = "evg"
_UP_WITHIN, _DOWN_WITHIN = 30.0, 20.0


class EngineError(Exception):
    """Docker did not do what it was asked to; the message is fit for people."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine, as its command line sees it."""

    environ: Mapping[str, str]
    """The environment of every command that talks to it."""

    def run(self, *arguments: str, given: bytes | None = None) -> str:
        """Run `docker` and return what it prints; raises EngineError with the end of its stderr."""
        return self.command("docker", *arguments, given=given)

    def command(self, *command: str, given: bytes | None = None) -> str:
        """Run any command that talks to the engine, as `run` does."""
        try:
            done = subprocess.run(
                command,
                env=dict(self.environ),
                input=given or b"",
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise EngineError(f"{command[0]} can't be run: {error.strerror}") from None
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise EngineError("\n".join(lines[-15:]) or f"{' '.join(command)} failed")
        return done.stdout.decode().strip()

    def gateway(self) -> str:
        """Return this machine's address on the bridge where containers are by default."""
        template = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"
        return self.run("network", "inspect", "bridge", "--format", template).split()[0]


def find() -> Engine:
    """Find the engine that Docker's own command line would use; raises EngineError."""
    engine = Engine(_environ())
    try:
        engine.run("version", "--format", "{{.Server.Version}}")
    except EngineError as error:
        raise EngineError(
            f"no Docker engine answers ({error}): start it, or see `make docker` and `make engine`"
        ) from None
    return engine


def missing() -> str | None:
    """Say what a private engine would need and this machine lacks; None where it has it all."""
    if os.geteuid() != 0:
        return "only root can start an engine"
    path = _environ()["PATH"]
    for program in ("dockerd", "containerd", "runc", "docker-proxy", "docker", "ip", "setpriv"):
        if not shutil.which(program, path=path):
            return f"{program} is not installed: `make docker` unpacks it, on Debian"
    return None


@contextmanager
def private() -> Iterator[Engine]:
    """Run an engine of one's own, with its state in a folder of its own and without iptables.

    Its containers reach this machine at the bridge's address, and nothing beyond: what is built
    needs `--network host` for downloads. With the block the engine ends, and all that it made.

    Raises:
        EngineError: something is missing, or the engine does not start.

    """
    if lacking := missing():
        raise EngineError(lacking)
    folder = Path(mkdtemp(prefix="evg-", dir="/tmp"))  # a socket's path can't be long
    bridge = _bridge()
    environ = _environ() | {
        "DOCKER_HOST": f"unix://{folder}/docker.sock",
        "DOCKER_CONFIG": str(folder / "config"),
        "BUILD_NETWORK": "host",
    }
    command = [
        *("setpriv", "--pdeathsig", "TERM"),  # where we are killed, it ends as well
        *("dockerd", "--host", environ["DOCKER_HOST"], "--bridge", bridge),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/run"),
        *("--pidfile", f"{folder}/pid", "--iptables=false", "--ip6tables=false"),
    ]
    engine = Engine(environ)
    try:
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            _await(engine, daemon, folder / "log")
            yield engine
        finally:
            _end(engine, daemon)
    finally:
        _ip("link", "del", bridge)
        _remove(folder)


def interrupt(process: subprocess.Popen[bytes], within: float) -> None:
    """Press Ctrl-C for a process that works with the engine; kill it if it does not end in time."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environ() -> dict[str, str]:
    packaged = f"{PACKAGED}/bin:{PACKAGED}/usr/bin:{PACKAGED}/usr/sbin"
    return {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin:{packaged}"}


def _bridge() -> str:
    """Make a bridge that is named for this process, and remove those whose process is gone."""
    names = set()
    for line in _ip("-o", "link", "show", "type", "bridge").splitlines():
        name = line.split()[1].rstrip(":")
        names.add(name)
        if name.startswith(_BRIDGE) and not Path("/proc", name.rpartition("-")[2]).exists():
            _ip("link", "del", name)
    ours = (f"{_BRIDGE}{n}-{os.getpid()}" for n in count())
    name = next(n for n in ours if n not in names)
    taken = _ip("-o", "-4", "addr")
    networks = (f"172.30.{(os.getpid() + n) % 256}" for n in range(256))
    network = next(n for n in networks if f" {n}." not in taken)
    _ip("link", "add", name, "type", "bridge")
    _ip("addr", "add", f"{network}.1/24", "dev", name)
    _ip("link", "set", name, "up")
    return name


def _ip(*arguments: str) -> str:
    return Engine(_environ()).command("ip", *arguments)


def _await(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _UP_WITHIN
    while True:
        with suppress(EngineError):
            engine.run("version")
            return
        if daemon.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").splitlines()
            raise EngineError("\n".join(["dockerd does not start:", *lines[-5:]]))
        time.sleep(0.1)


def _remove(folder: Path) -> None:
    """Remove a folder, and first the mounts that an engine may have left in it."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{folder}/")), reverse=True):
        Engine(_environ()).command("umount", "--lazy", mount)
    shutil.rmtree(folder)


def _end(engine: Engine, daemon: subprocess.Popen[bytes]) -> None:
    with suppress(EngineError):
        if containers := engine.run("ps", "--all", "--quiet").split():
            engine.run("rm", "--force", "--volumes", *containers)
        engine.run("network", "prune", "--force")
    daemon.terminate()
    try:
        daemon.wait(_DOWN_WITHIN)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
