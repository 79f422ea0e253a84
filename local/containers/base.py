"""The images that ours are built on: pulled, or made out of this machine where nothing can be."""

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.containers.engine import Engine, EngineError
from local.demo.stack import ROOT, TOOLS

File = tuple[Path, str]
"""A file or folder of this machine, and its path in an image."""

_AWS_REGISTRY = "public.ecr.aws/"
_PULL_WITHIN = 300
_PYTHON = Path(sys.base_prefix)
_LEAN = re.compile(r"/(test|tests|idlelib|turtledemo|lib2to3)(/|$)|/_tkinter|/config-3")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class Base:
    """An image from a registry, and how to make one that serves in its place."""

    name: str
    files: Callable[[], Iterator[File]]
    environ: tuple[str, ...]
    command: tuple[str, ...] = ()

    @property
    def stand_in(self) -> str:
        """The stand-in's name."""
        return "evergreen-stand-in/" + self.name.removeprefix(_AWS_REGISTRY)

    def ensure(self, engine: Engine) -> str:
        """Return the name of an image to build on: the real one wherever it is to be had."""
        if _has(engine, self.name):
            return self.name
        if not _has(engine, self.stand_in):
            if _pulled(engine, self.name):
                return self.name
            self._make(engine)
        return self.stand_in

    def _make(self, engine: Engine) -> None:
        changes = [f"ENV {variable}" for variable in self.environ]
        if self.command:
            changes.append("CMD [" + ", ".join(f'"{word}"' for word in self.command) + "]")
        options = [option for change in changes for option in ("--change", change)]
        engine.run("import", *options, "-", self.stand_in, given=_tar(self.files()))


def python() -> Base:
    """Python on a slim Debian."""
    return Base("python:3.13-slim", lambda: _python("usr/local"), _environ("/usr/local"))


def lambda_python() -> Base:
    """AWS's own image of the Lambda runtime, which `sam local` runs functions in."""

    def files() -> Iterator[File]:
        yield from _python("var/lang")
        for package in _site_packages("runtime").iterdir():
            yield package, f"var/runtime/{package.name}"
        yield Path(__file__).with_name("bootstrap"), "var/runtime/bootstrap"

    libraries = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/opt/lib"
    environ = (
        *_environ("/var/lang"),
        f"LD_LIBRARY_PATH={libraries}",
        "LAMBDA_TASK_ROOT=/var/task",
        "LAMBDA_RUNTIME_DIR=/var/runtime",
        "TZ=UTC",
    )
    return Base(f"{_AWS_REGISTRY}lambda/python:3.13-x86_64", files, environ)


def localstack() -> Base:
    """The last LocalStack that needs no token; its stand-in is the one of local/emulator."""

    def files() -> Iterator[File]:
        yield from _python("usr/local")
        for package in _site_packages("emulator").iterdir():
            yield package, f"usr/local/lib/python3.13/site-packages/{package.name}"

    return Base(
        "localstack/localstack:4.14.0",
        files,
        (*_environ("/usr/local"), "GATEWAY_LISTEN=0.0.0.0:4566", "FILESYSTEM_ROOT=/tmp/localstack"),
        ("python", "-m", "localstack.runtime.main"),
    )


def _has(engine: Engine, image: str) -> bool:
    return bool(engine.run("images", "--quiet", image))


def _pulled(engine: Engine, image: str) -> bool:
    """Try to pull an image, in sight of whoever waits for it."""
    try:
        done = subprocess.run(
            ["docker", "pull", image],
            env=dict(engine.environ),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PULL_WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _site_packages(environment: str) -> Path:
    folder = TOOLS / environment / "lib/python3.13/site-packages"
    if not folder.is_dir():
        raise EngineError(f"{folder.relative_to(ROOT)} is missing: make installs it")
    return folder


def _environ(prefix: str) -> tuple[str, ...]:
    return (
        f"PATH={prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        f"LD_LIBRARY_PATH={prefix}/lib",
        "LANG=C.UTF-8",
        f"SSL_CERT_FILE={_CERTIFICATES}",  # this machine's, whoever signs what it reaches
    )


def _python(prefix: str) -> Iterator[File]:
    """Yield the interpreter of this process with pip, and all that it and a shell need to run."""
    if sys.version_info[:2] != (3, 13):
        raise EngineError(f"{sys.executable} is no Python 3.13")
    library = _PYTHON / "lib/python3.13"
    yield _PYTHON / "bin/python3.13", f"{prefix}/bin/python3.13"
    yield from ((_PYTHON / "bin/python3.13", f"{prefix}/bin/{n}") for n in ("python", "python3"))
    yield from ((path, f"{prefix}/lib/{path.name}") for path in _PYTHON.glob("lib/libpython3*.so*"))
    for path in library.iterdir():
        if path.name != "site-packages":
            yield path, f"{prefix}/lib/python3.13/{path.name}"
    for path in library.glob("site-packages/pip*"):
        yield path, f"{prefix}/lib/python3.13/site-packages/{path.name}"
    tools = [Path("/bin", name) for name in ("sh", "cat", "chmod", "cp", "mkdir", "mv", "rm")]
    for path in sorted({*tools, *_debian_libraries(), *_linked([*tools, *_binaries()])}):
        yield path, str(path).lstrip("/")
    for path in (Path(_CERTIFICATES), Path("/usr/share/zoneinfo")):
        yield path, str(path).lstrip("/")


def _binaries() -> Iterator[Path]:
    yield _PYTHON / "bin/python3.13"
    yield from (_PYTHON / "lib/python3.13/lib-dynload").glob("*.so")


def _debian_libraries() -> Iterator[Path]:
    """Yield those that wheels may take for granted, as the manylinux policies have it."""
    packages = ("libc6", "libgcc-s1", "libstdc++6")
    listed = subprocess.run(["dpkg", "-L", *packages], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        if re.match(r"(/usr)?/lib.*\.so", line):
            yield Path(line)


def _linked(binaries: list[Path]) -> Iterator[Path]:
    """Yield the libraries of this machine that binaries are linked to."""
    environ = os.environ | {"LD_LIBRARY_PATH": f"{_PYTHON}/lib"}
    found = subprocess.run(
        ["ldd", *map(str, binaries)], env=environ, capture_output=True, text=True, check=False
    )
    for path in re.findall(r" => (/\S+)", found.stdout):
        if not path.startswith(f"{_PYTHON}/"):
            yield Path(path)


def _tar(files: Iterator[File]) -> bytes:
    def owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if _LEAN.search(f"/{entry.name}"):
            return None
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        return entry

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", dereference=True) as archive:
        for folder, mode in (("proc", 0o755), ("sys", 0o755), ("dev", 0o755), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for name, content in (
            ("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"),
            ("etc/nsswitch.conf", b"hosts: files dns\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for path, name in files:
            archive.add(path, name, filter=owned_by_root)
    return out.getvalue()
