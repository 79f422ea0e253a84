from datetime import timedelta

import pytest

from evergreen.errors import SettingsError
from evergreen.settings import Settings

ENVIRON = {
    "EVERGREEN_DATA_BUCKET": "data",
    "EVERGREEN_MODEL_BUCKET": "models",
    "EVERGREEN_LOG_BUCKET": "logs",
    "EVERGREEN_LOG_STREAM": "stream",
}


def test_what_is_not_set_has_the_defaults_of_the_class() -> None:
    assert Settings.read(ENVIRON) == Settings("data", "models", "logs", "stream")


def test_what_is_set_is_read() -> None:
    environ = ENVIRON | {"EVERGREEN_DRIFT_ALPHA": "0.01", "EVERGREEN_RETRAIN_COOLDOWN_HOURS": "0.5"}
    environ |= {"EVERGREEN_STACK": "ours", "EVERGREEN_OUTCOME_HORIZON_DAYS": "30"}
    settings = Settings.read(environ)
    assert settings.stack == "ours"
    assert settings.drift_thresholds.alpha == 0.01
    assert settings.retrain_cooldown == timedelta(minutes=30)
    assert settings.outcome_horizon == timedelta(days=30)


@pytest.mark.parametrize("name", sorted(ENVIRON))
def test_a_name_that_is_missing_or_empty_is_an_error_that_names_it(name: str) -> None:
    for environ in (ENVIRON | {name: ""}, {k: v for k, v in ENVIRON.items() if k != name}):
        with pytest.raises(SettingsError, match=f"{name} is not set"):
            Settings.read(environ)


@pytest.mark.parametrize("value", ["much", "-1", "1.1", "nan"])
def test_a_number_out_of_range_is_an_error_that_names_it(value: str) -> None:
    with pytest.raises(SettingsError, match=f"EVERGREEN_DRIFT_ALPHA must be .* not '{value}'"):
        Settings.read(ENVIRON | {"EVERGREEN_DRIFT_ALPHA": value})
