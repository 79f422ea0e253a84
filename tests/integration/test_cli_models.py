"""`evergreen models show|diff|verify` and what the command is as a whole."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError
from botocore.stub import Stubber

from evergreen.cli import app as cli
from evergreen.cli import deployment
from evergreen.models import artifact
from evergreen.models.artifact import Artifact
from evergreen.store import aws, keys, stack
from evergreen.store.registry import Pointer, Registry

from .commands import Shell, ShellOn, shell_on
from .conftest import another

__all__ = ["shell_on"]

CHAMPION = "20260101T000000Z-0123abcd"
OTHER = "20260102T000000Z-0123abcd"


@pytest.fixture
def shell(shell_on: ShellOn) -> Shell:
    return shell_on()


@pytest.fixture
def changed(registry: Registry, version: Artifact, promoted: Pointer) -> Artifact:
    """A second version that differs in a few things, and waits for a person."""
    files = dict(version.files)
    metrics = json.loads(files[artifact.METRICS])
    metrics["threshold"] = 0.5
    metrics["held_out"]["roc_auc"] = 0.9
    schema = json.loads(files[artifact.SCHEMA])
    schema["fields"].append({"name": "new", "type": "number"})
    files |= {artifact.METRICS: json.dumps(metrics).encode()}
    files |= {artifact.SCHEMA: json.dumps(schema).encode()}
    manifest = replace(
        version.manifest,
        version=OTHER,
        parent=CHAMPION,
        warnings=["region has few customers"],
        decision={"promoted": False, "waits": True, "reason": "the schema is another"},
        sources={"training/b.csv": '"b"'},
        files={name: artifact.sha256(content) for name, content in files.items()},
    )
    registry.publish(manifest, files)
    return Artifact(manifest, files)


def test_a_version_is_shown_with_its_metrics_decision_warnings_and_sources(
    shell: Shell, changed: Artifact
) -> None:
    told = shell.json("models", "show", OTHER)
    assert told["version"] == OTHER
    assert told["serves"] is False
    assert told["decision"]["reason"] == "the schema is another"
    assert told["metrics"]["held_out"]["roc_auc"] == 0.9
    assert told["sources"] == {"training/b.csv": '"b"'}
    said = shell("models", "show", OTHER)
    for part in ("waits: the schema is another", "region has few", "roc_auc", "training/b.csv"):
        assert part in said


def test_without_a_name_it_is_the_one_that_serves(shell: Shell, changed: Artifact) -> None:
    told = shell.json("models", "show")
    assert (told["version"], told["serves"]) == (CHAMPION, True)


def test_two_versions_are_compared_side_by_side(shell: Shell, changed: Artifact) -> None:
    told = shell.json("models", "diff", CHAMPION, OTHER)
    assert told["versions"] == [CHAMPION, OTHER]
    assert [*told["parts"]] == ["schema", "metric", "importance", "setting", "source"]
    assert told["parts"]["schema"] == {"new": [None, "type number"]}
    assert told["parts"]["metric"]["roc_auc"][1] == 0.9
    assert told["parts"]["importance"] == {}
    assert told["parts"]["setting"]["threshold"][1] == 0.5
    assert told["parts"]["source"] == {"training/b.csv": [None, '"b"']}
    said = shell("models", "diff", OTHER)
    assert "importance: the same" in said
    assert said.index(OTHER) < said.index(CHAMPION)


def test_a_sound_version_verifies(shell: Shell, promoted: Pointer) -> None:
    assert shell.json("models", "verify") == [{"version": CHAMPION, "sound": True, "fault": None}]


@pytest.mark.parametrize("name", [artifact.PIPELINE, artifact.ONNX, keys.MANIFEST])
def test_a_version_that_was_spoilt_ends_with_1_among_sound_ones(
    shell: Shell, registry: Registry, version: Artifact, promoted: Pointer, name: str
) -> None:
    registry.publish(another(version, OTHER).manifest, version.files)
    registry.bucket.put(keys.model_file(OTHER, name), b"{}")
    broken, sound = shell.json("models", "verify", "--all", code=1)
    assert (broken["version"], broken["sound"]) == (OTHER, False)
    assert broken["fault"]
    assert (sound["version"], sound["sound"]) == (CHAMPION, True)
    assert not shell.json("models", "verify", OTHER, code=1)[0]["sound"]


def test_a_version_that_lacks_a_file_is_broken(
    shell: Shell, registry: Registry, promoted: Pointer
) -> None:
    registry.bucket.delete(keys.model_file(CHAMPION, artifact.CUSTOMERS))
    (told,) = shell.json("models", "verify", code=1)
    assert artifact.CUSTOMERS in told["fault"]


def test_answers_that_are_not_the_golden_ones_are_found(
    shell: Shell, registry: Registry, version: Artifact, promoted: Pointer
) -> None:
    """Also where every hash is right."""
    files = dict(version.files)
    metrics = json.loads(files[artifact.METRICS])
    files[artifact.METRICS] = json.dumps({**metrics, "threshold": "none"}).encode()
    hashes = {name: artifact.sha256(content) for name, content in files.items()}
    registry.publish(replace(version.manifest, version=OTHER, files=hashes), files)
    (told,) = shell.json("models", "verify", OTHER, code=1)
    assert OTHER in told["fault"]


@pytest.mark.parametrize("command", ["show", "verify", "diff"])
def test_a_version_that_is_not_there_is_told_with_the_way_out(
    shell: Shell, promoted: Pointer, command: str
) -> None:
    shell("models", command, "nothing", code=1)
    assert "there is no version nothing: `evergreen models list` names them" in shell.error
    assert len(shell.error.strip().splitlines()) == 1


def test_moves_and_decisions_are_told_as_json(
    shell: Shell, registry: Registry, changed: Artifact
) -> None:
    move = shell.json("models", "promote", OTHER, "--reason", "looked at")["move"]
    assert (move["version"], move["previous"]) == (OTHER, CHAMPION)
    told = shell.json("models", "rollback", "--reason", "no")
    assert told["move"]["version"] == CHAMPION
    assert [each["key"] for each in told["set_aside"]] == ["training/b.csv"]
    (released,) = shell.json("sources", "release", "training/b.csv", "--reason", "fine")
    assert released["release_reason"] == "fine"


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "show", "--no-such"),
        ("nothing",),
        ("models", "verify", "v", "--all"),
        ("models", "rollback"),
    ],
)
def test_wrong_usage_ends_with_2(shell: Shell, promoted: Pointer, arguments: tuple[str]) -> None:
    shell(*arguments, code=2)
    assert "Usage:" in shell.error


def test_ctrl_c_ends_with_130(
    shell: Shell, promoted: Pointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(stack, "outputs", interrupted)
    shell("models", "list", code=130)
    assert shell.error == ""


def test_faults_of_aws_are_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(name: str) -> object:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr(stack, "outputs", away)
    shell("models", "list", code=1)
    assert len(shell.error.strip().splitlines()) == 1


def test_a_stack_that_is_not_there_is_told_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = aws.client("cloudformation")
    answers = Stubber(client)
    answers.add_client_error("describe_stacks", "ValidationError", "Stack nothing does not exist")
    monkeypatch.setattr(aws, "client", lambda service: client)
    monkeypatch.setattr(sys, "argv", ["evergreen", "models", "list", "--stack", "nothing"])
    with answers:
        assert cli.main() == 1
    said = capsys.readouterr().err
    assert "does not exist" in said
    assert "name one of us-east-1's with --stack or EVERGREEN_STACK" in said


@pytest.mark.parametrize(
    ("error", "advice"),
    [(NoRegionError(), "set AWS_DEFAULT_REGION"), (NoCredentialsError(), "set AWS_PROFILE")],
)
def test_an_environment_that_says_too_little_is_told_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    advice: str,
) -> None:
    def client(service: str) -> object:
        raise error

    monkeypatch.setattr(aws, "client", client)
    monkeypatch.setattr(sys, "argv", ["evergreen", "models", "list"])
    assert cli.main() == 1
    assert advice in capsys.readouterr().err


def test_a_stack_of_something_else_is_told(shell: Shell) -> None:
    shell("models", "list", "--stack", "something", code=1)
    assert "has no output ModelBucket" in shell.error
    with pytest.raises(Exception, match="no output LogBucket"):
        deployment.Deployment("something", {}).output("LogBucket")


@pytest.mark.parametrize("name", [*cli.COMMANDS])
def test_every_command_has_help_with_an_example(shell: Shell, name: str) -> None:
    said = shell(name, "--help")
    if "Commands:" in said:
        listed = said[said.index("Commands:") :].splitlines()[1:]
        names = [line.split()[0] for line in listed if line[:3].strip() and line.startswith("  ")]
        assert names
        for each in names:
            assert f"evergreen {name} {each}" in shell(name, each, "--help")
    else:
        assert f"  evergreen {name}" in said


def test_the_help_and_the_version_load_nothing_heavy() -> None:
    code = """
import sys
from evergreen.cli import app
sys.argv = ["evergreen", sys.argv[1]]
app.main()
print(sorted({n.split(".")[0] for n in sys.modules} & {"botocore", "numpy", "rich", "sklearn"}))
"""
    for asked in ("--help", "--version"):
        run = [sys.executable, "-c", code, asked]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "[]"


def test_shells_complete_commands(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_EVERGREEN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "evergreen models ver")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert shell().split() == ["verify"]
