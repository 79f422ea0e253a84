import re
import sys

import boto3
import botocore
import pytest

from evergreen.errors import SettingsError
from evergreen.settings import Settings
from evergreen.store import patience, s3
from local.demo.stack import ROOT

SETTINGS = Settings("data", "models", "logs", "stream")


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.mark.parametrize("version", ["1.34.145", "1.35.68", "1.9.253"])
def test_a_runtime_that_is_too_old_says_so_at_the_start(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(botocore, "__version__", version)
    for connect in (
        s3.client,
        lambda: patience.patient(SETTINGS),
        lambda: patience.impatient(SETTINGS),
    ):
        with pytest.raises(
            SettingsError, match=f"botocore {version} is older than 1.35.69: .*Auto"
        ):
            connect()


@pytest.mark.parametrize("version", ["1.35.69", "1.36.0", "1.44.5", "2.0.0"])
def test_one_that_is_not_too_old_is_used(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(botocore, "__version__", version)
    assert s3.client().meta.service_model.service_name == "s3"


def locked(environment: str) -> list[str]:
    lock = (ROOT / f"local/{environment}/requirements.txt").read_text()
    return re.findall(r"^boto(?:3|core)==(\S+)", lock, re.M)


def test_the_oldest_that_we_work_with_is_tested() -> None:
    """With `make test-oldest`, which is to run with just that."""
    assert locked("oldest") == [s3.OLDEST, s3.OLDEST]
    run = "oldest" if any(path.endswith(".tools/oldest") for path in sys.path) else "runtime"
    assert [boto3.__version__, botocore.__version__] == locked(run)
