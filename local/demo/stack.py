"""The deployed template on this machine: LocalStack, `sam build`, `sam deploy`, and its outputs."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
REGION = "us-east-1"
STACK = "evergreen"

_BUILD = ROOT / ".aws-sam"
_BUILT = _BUILD / "build/built-from"  # another build removes it
_BUILT_FROM = {"", ".mk", ".py", ".txt"}


class StackError(Exception):
    """A command that builds or runs the stack failed; the message is fit for people."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """LocalStack on one port of the loopback interface, with its state in one folder."""

    port: int
    state: Path

    @property
    def endpoint(self) -> str:
        """The address of every AWS API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which AWS clients talk to the emulator, and to nothing else."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PATH": f"{TOOLS / 'sam/bin'}:{TOOLS / 'uv/bin'}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
            "SAM_CLI_POLL_DELAY": "1",  # seconds; its default is meant for AWS
        }

    def start(self) -> None:
        """Start from nothing; what an earlier emulator of this state folder held is gone."""
        self.stop()
        self._control("start", "--port", str(self.port), "--lambda-python", str(_python("runtime")))

    def stop(self) -> None:
        """End the emulator and all it started; one that does not run is fine."""
        self._control("stop")

    def client(self, service: str) -> Any:
        """Make a boto3 client for one of the emulator's services."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def _control(self, verb: str, *arguments: str) -> None:
        command = [_python("emulator"), "-m", "evergreen_emulator", verb]
        _run([*map(str, command), "--state", str(self.state), *arguments], os.environ)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a deployment tells."""

    api_url: str
    api_key: str
    data_bucket: str
    model_bucket: str
    log_bucket: str
    predict_function: str
    drift_function: str
    score_function: str
    measure_function: str
    retrain_function: str
    retrain_logs: str
    failure_queue_url: str


def build(emulator: Emulator) -> None:
    """Run `sam build`, unless its last build here was of the same files."""
    _BUILD.mkdir(exist_ok=True)
    with (_BUILD / "lock").open("w") as lock:
        flock(lock, LOCK_EX)  # two builds at once would spoil each other's files
        sources = _sources()
        if not _BUILT.is_file() or _BUILT.read_text() != sources:
            _run(["sam", "build", "--config-env", "local"], emulator.environ)
            _BUILT.write_text(sources)


def deploy(emulator: Emulator) -> Outputs:
    """Run `sam deploy` against an emulator and read the stack's outputs."""
    emulator.client("s3").create_bucket(Bucket="evergreen-deployments")
    _run(["sam", "deploy", "--config-env", "local"], emulator.environ)
    return outputs(emulator)


def outputs(emulator: Emulator) -> Outputs:
    """Read the outputs of the deployed stack."""
    (stack,) = emulator.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    found = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    key = emulator.client("apigateway").get_api_key(apiKey=found["ApiKeyId"], includeValue=True)
    return Outputs(
        # the address in the output is AWS's; the emulator answers under this one
        api_url=f"{emulator.endpoint}/_aws/execute-api/{found['ApiId']}/local",
        api_key=key["value"],
        data_bucket=found["DataBucket"],
        model_bucket=found["ModelBucket"],
        log_bucket=found["LogBucket"],
        predict_function=found["PredictFunction"],
        drift_function=found["DriftFunction"],
        score_function=found["ScoreFunction"],
        measure_function=found["MeasureFunction"],
        retrain_function=found["RetrainFunction"],
        # the emulator does not know of LoggingConfig
        retrain_logs=f"/aws/lambda/{found['RetrainFunction']}",
        failure_queue_url=found["FailureQueueUrl"],
    )


def _sources() -> str:
    """Fingerprint what a build depends on."""
    files = [ROOT / "template.yaml", ROOT / "samconfig.toml", ROOT / "infra/monitoring.yaml"]
    files += sorted(ROOT.glob("infra/*.asl.json"))
    for folder in ("functions", "layers"):
        files += [p for p in sorted((ROOT / folder).rglob("*")) if p.suffix in _BUILT_FROM]
    stats = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    return hashlib.sha256(repr(stats).encode()).hexdigest()


def _python(environment: str) -> Path:
    return TOOLS / environment / "bin/python"


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    """Run a command; its output is shown only where it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = done.stdout.strip().splitlines()
        raise StackError("\n".join(lines[-20:]) or f"{command[0]} failed")
