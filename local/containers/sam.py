"""`sam local`: the functions of the template in containers like Lambda's."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from local.containers import base
from local.containers.engine import Engine, EngineError, interrupt
from local.containers.localstack import LocalStack
from local.demo.stack import ROOT

BUILT = ROOT / ".aws-sam/build"
_LISTENS_WITHIN, _ENDS_WITHIN = 60.0, 20.0


@dataclass(frozen=True, slots=True)
class Sam:
    """The built template on an engine, beside a LocalStack."""

    engine: Engine
    localstack: LocalStack

    @contextmanager
    def api(self, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """Serve the API on a port of the loopback interface; raises EngineError."""
        options = ("--port", str(port), "--host", "127.0.0.1", "--warm-containers", "LAZY")
        with self._started("start-api", *options, "--no-watch") as process:
            _await_port(port, process)
            yield process

    def invoke(self, function: str, event: Path) -> bool:
        """Run a function on an event, show its log and its result; False where it failed."""
        with self._started(
            "invoke", function, "--event", str(event), stdout=subprocess.PIPE
        ) as process:
            result = process.communicate()[0].decode(errors="replace").strip()
        print(result)
        return process.returncode == 0 and succeeded(result)

    @contextmanager
    def _started(
        self, verb: str, *arguments: str, stdout: int | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run `sam local`; with the block, it and its containers end."""
        with TemporaryDirectory(prefix="evergreen-") as folder:
            variables = Path(folder, "variables.json")
            variables.write_text(json.dumps({"Parameters": self.localstack.environ}))
            command = [
                *("setpriv", "--pdeathsig", "INT"),  # where we are killed, it ends as well
                *("sam", "local", verb, *arguments),
                *("--template", str(_template()), "--env-vars", str(variables)),
                *("--docker-network", self.localstack.network),
                *self._image(),
            ]
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environ(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                start_new_session=True,  # Ctrl-C is ours to pass on, once
            )
            try:
                yield process
            finally:
                interrupt(process, _ENDS_WITHIN)
                self._remove_containers()

    def _environ(self) -> dict[str, str]:
        docker = self.engine.environ
        environ = self.localstack.host.environ
        del environ["AWS_ENDPOINT_URL"]  # for the functions; not for what sam itself asks AWS
        return {
            **environ,
            **{name: docker[name] for name in docker if name.startswith("DOCKER_")},
            "PATH": f"{ROOT / '.tools/sam/bin'}:{docker['PATH']}",
            "AWS_MAX_ATTEMPTS": "1",  # AWS does not know our credentials, and is asked once
        }

    def _image(self) -> list[str]:
        aws = base.lambda_python()
        image = aws.ensure(self.engine)
        return ["--skip-pull-image", *(["--invoke-image", image] if image != aws.name else [])]

    def _remove_containers(self) -> None:
        """Remove what sam left; it is ours where it has the code of this folder."""
        for function in BUILT.glob("*Function"):
            found = self.engine.run("ps", "--all", "--quiet", "--filter", f"volume={function}")
            if found:
                self.engine.run("rm", "--force", "--volumes", *found.split())


def check(function: str, event: Path) -> None:
    """Raise EngineError where there is no such function, or no such event."""
    template = (ROOT / "template.yaml").read_text()
    known = re.findall(r"^  (\w+):\n    Type: AWS::Serverless::Function$", template, re.MULTILINE)
    if function not in known:
        raise EngineError(f"FUNCTION is {function or 'missing'}; there are {', '.join(known)}")
    if not event.is_file():
        events = sorted(ROOT.glob("local/events/*.json"))
        names = ", ".join(str(path.relative_to(ROOT)) for path in events)
        raise EngineError(f"EVENT is no file; there are {names}")


def _template() -> Path:
    """Write the built template with one more variable: sam passes on only what a template has."""
    built = BUILT / "template.yaml"
    if not built.is_file():
        raise EngineError("nothing is built: make build")
    template = yaml.safe_load(built.read_text())
    template["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = ""
    path = BUILT / "sam-local.yaml"  # beside it, as its paths are relative
    path.write_text(yaml.safe_dump(template, sort_keys=False))
    return path


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _LISTENS_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise EngineError("sam local start-api does not answer; what it printed says why")


def succeeded(result: str) -> bool:
    """Tell a result from the error that sam prints in its place, or from nothing at all."""
    try:
        value = json.loads(result.rpartition("\n")[2])
    except ValueError:
        return False
    return not (isinstance(value, dict) and {"errorType", "errorMessage"} & set(value))
