"""What the Docker half says and reads, without an engine."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from evergreen.settings import Settings
from local.containers import base
from local.containers.engine import Engine, EngineError
from local.containers.sam import check, succeeded
from local.demo.stack import ROOT

COMPOSE = yaml.safe_load((ROOT / "local/compose.yaml").read_text())


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ('{"verdict": "no_drift"}', True),
        ('{"statusCode": 503, "body": "{}"}', True),
        ("null", True),
        ('a print of the function\'s\n{"status": "ok"}', True),
        ('{"errorType": "KeyError", "errorMessage": "detail", "stackTrace": []}', False),
        ('{"errorMessage": "Task timed out after 3.00 seconds"}', False),
        ("", False),
        ("no JSON", False),
    ],
)
def test_a_result_is_told_from_an_error(result: str, expected: bool) -> None:
    assert succeeded(result) is expected


def test_a_function_and_an_event_that_exist_are_taken() -> None:
    for function in (
        "PredictFunction",
        "ScoreFunction",
        "DriftFunction",
        "MeasureFunction",
        "RetrainFunction",
    ):
        check(function, ROOT / "local/events/schedule.json")


def test_an_unknown_function_and_a_missing_event_are_named_with_those_there_are() -> None:
    with pytest.raises(EngineError, match=r"FUNCTION is Drift; there are .*DriftFunction"):
        check("Drift", ROOT / "local/events/schedule.json")
    with pytest.raises(EngineError, match=r"there are .*local/events/schedule.json"):
        check("DriftFunction", Path("nowhere.json"))


def test_without_an_engine_the_command_says_so(tmp_path: Path) -> None:
    engine = Engine({"PATH": str(tmp_path)})
    with pytest.raises(EngineError, match="docker can't be run"):
        engine.run("version")


def locked(path: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / path).read_text(), re.MULTILINE))


def test_the_image_holds_what_the_serving_layer_holds() -> None:
    image = locked("local/image/requirements.txt")
    assert locked("layers/serving/requirements.txt").items() <= image.items()
    runtime = locked("local/runtime/requirements.txt")
    assert {name: image[name] for name in image.keys() & runtime.keys()}.items() <= runtime.items()


def test_docker_is_sent_what_the_images_copy_and_nothing_else() -> None:
    copied = set()
    for line in (ROOT / "local/Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= set(line.split()[1:-1])
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    for path in copied:
        assert any(fnmatch(path, entry) or entry.startswith(f"{path}/") for entry in sent), path
        assert (ROOT / path).exists()
    for entry in sent:
        assert any(entry == path or entry.startswith(f"{path}/") for path in copied), entry


def test_compose_gives_the_functions_their_settings() -> None:
    settings = Settings.read({k: str(v) for k, v in COMPOSE["x-environment"].items()})
    assert settings.log_stream == "evergreen-inference"
    for service in ("api", "setup"):
        assert COMPOSE["services"][service]["environment"] == COMPOSE["x-environment"]


def test_compose_publishes_on_the_loopback_interface_only() -> None:
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_compose_and_make_begin_with_the_same_images() -> None:
    text = (ROOT / "local/compose.yaml").read_text()
    assert f":-{base.localstack().name}}}" in text
    assert f":-{base.python().name}}}" in text
    assert f"ARG BASE={base.python().name}" in (ROOT / "local/Dockerfile").read_text()
