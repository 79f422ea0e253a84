"""What /proc tells about processes and their sockets."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Process:
    """A running process; `pid` and `started` together name it for as long as the machine is up."""

    pid: int
    parent: int
    group: int
    started: int
    resident: int


def process(pid: int) -> Process | None:
    """Look a process up; one that has exited is gone, even if its status was not collected."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # after the command, in brackets and free to hold anything, come fields 3 and up of proc(5)
    state, *fields = stat.rpartition(")")[2].split()
    if state in "ZX":
        return None
    parent, group, started, pages = (int(fields[i]) for i in (0, 1, 18, 20))
    return Process(pid, parent, group, started, pages * _PAGE)


def processes() -> Iterator[Process]:
    """Every process that runs."""
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (found := process(int(entry.name))):
            yield found


def descendants(pid: int) -> list[Process]:
    """The children of a process, their children, and so on."""
    running = list(processes())
    family = {pid}
    found: list[Process] = []
    while generation := [p for p in running if p.parent in family and p.pid not in family]:
        found += generation
        family |= {p.pid for p in generation}
    return found


def group_memory(group: int) -> int:
    """The resident bytes of a process group."""
    return sum(p.resident for p in processes() if p.group == group)


def peak_memory(pid: int) -> int:
    """The most resident bytes a process has had; 0 if it is gone."""
    try:
        status = (PROC / str(pid) / "status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def command(pid: int) -> str:
    """The command line of a process, as far as we may see it."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    return b" ".join(words).decode(errors="replace").strip()


def listener(port: int) -> int | None:
    """The pid that listens on a TCP port; None if there is none or we may not see whose it is."""
    sockets = {
        f"socket:[{inode}]"
        for table in ("tcp", "tcp6")
        for inode in _listening_inodes(PROC / "net" / table, port)
    }
    for entry in PROC.iterdir():
        if entry.name.isdigit() and sockets & set(_open_files(entry)):
            return int(entry.name)
    return None


def _listening_inodes(table: Path, port: int) -> Iterator[str]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        _, local, _, state, *rest = line.split()
        if state == _LISTEN and int(local.rpartition(":")[2], 16) == port:
            yield rest[5]


def _open_files(entry: Path) -> Iterator[str]:
    try:
        for fd in (entry / "fd").iterdir():
            yield str(fd.readlink())
    except OSError:
        return  # not ours to see, or gone meanwhile
