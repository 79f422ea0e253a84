"""What can be set, read once from the environment into one frozen object."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from evergreen.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as drift."""

    alpha: float = 1e-5
    """The chance that one check finds a feature changed where none has. The hourly checks of a
    month, which overlap, are worth some 250 independent ones."""
    effect_floor: float = 0.1
    """The smallest D, total variation or change of the missing share that matters."""
    share: float = 0.3
    """The share of the features, or of the model's importance, that makes it the population."""
    min_rows: int = 200
    """Below this many distinct customers nothing is said."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of a function, as the README explains it."""

    data_bucket: str
    model_bucket: str
    log_bucket: str
    log_stream: str
    stack: str = ""
    """The name of the deployment, which events and metrics carry."""
    model_refresh: timedelta = timedelta(seconds=60)
    drift_thresholds: Thresholds = Thresholds()
    drift_window: timedelta = timedelta(hours=24)
    drift_max_window: timedelta = timedelta(hours=336)
    drift_part_bytes: int = 1_000_000_000
    """A window of more, as it lies in the log, is counted in parts."""
    drift_machine: str = ""
    """The ARN of the state machine that counts them; empty where there is none."""
    retrain_cooldown: timedelta = timedelta(hours=6)
    outcome_horizon: timedelta = timedelta(days=90)
    """An outcome tells of the predictions of its customer that are at most so much older."""
    score_part_bytes: int = 128_000_000
    """A larger upload is cut."""
    score_machine: str = ""
    """The ARN of the state machine that scores parts; empty where there is none."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from an environment.

        Raises:
            SettingsError: a variable is missing, or is not a number within its range.

        """
        return cls(
            data_bucket=_text(environ, "DATA_BUCKET"),
            model_bucket=_text(environ, "MODEL_BUCKET"),
            log_bucket=_text(environ, "LOG_BUCKET"),
            log_stream=_text(environ, "LOG_STREAM"),
            stack=environ.get("EVERGREEN_STACK", ""),
            model_refresh=timedelta(seconds=_number(environ, "MODEL_REFRESH_SECONDS", 60)),
            drift_thresholds=Thresholds(
                alpha=_number(environ, "DRIFT_ALPHA", 1e-5, high=1),
                effect_floor=_number(environ, "DRIFT_EFFECT_FLOOR", 0.1, high=1),
                share=_number(environ, "DRIFT_SHARE", 0.3, high=1),
                min_rows=int(_number(environ, "DRIFT_MIN_ROWS", 200)),
            ),
            drift_window=timedelta(hours=_number(environ, "DRIFT_WINDOW_HOURS", 24)),
            drift_max_window=timedelta(hours=_number(environ, "DRIFT_MAX_WINDOW_HOURS", 336)),
            drift_part_bytes=int(_number(environ, "DRIFT_PART_MEGABYTES", 1_000) * 1_000_000),
            drift_machine=environ.get("EVERGREEN_DRIFT_MACHINE", ""),
            retrain_cooldown=timedelta(hours=_number(environ, "RETRAIN_COOLDOWN_HOURS", 6)),
            outcome_horizon=timedelta(days=_number(environ, "OUTCOME_HORIZON_DAYS", 90, high=3650)),
            score_part_bytes=int(_number(environ, "SCORE_PART_MEGABYTES", 128) * 1_000_000),
            score_machine=environ.get("EVERGREEN_SCORE_MACHINE", ""),
        )


def _text(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(f"EVERGREEN_{name}", "")
    if not value:
        raise SettingsError(f"environment variable EVERGREEN_{name} is not set")
    return value


def _number(
    environ: Mapping[str, str], name: str, default: float, *, high: float = 1_000_000
) -> float:
    text = environ.get(f"EVERGREEN_{name}") or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= high:
        raise SettingsError(
            f"environment variable EVERGREEN_{name} must be a number from 0 to {high:,},"
            f" not {text!r}"
        )
    return value
