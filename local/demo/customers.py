"""Customers of a company that does not exist, with a known reason to leave.

Every field is drawn by itself, so a shift of the mix shows in the `SHIFTED` fields and nowhere
else; what binds them together is `churn_probability`, the mechanism that decides who leaves.
`local/schemas/customers.json` describes the fields.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

SHIFTED = (
    "tenure_months",
    "contract",
    "connection",
    "monthly_fee",
    "streaming_addon",
    "security_addon",
)
"""The fields in which customers of the new kind differ."""

UNKNOWN = {"days_since_last_login": 0.05, "satisfaction": 0.15}
"""The fields that may be empty, and the share of customers where they are."""

Floats = npt.NDArray[np.float64]


def customers(rows: int, *, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Make customers, each cell as text, as it would stand in a CSV.

    Args:
        rows: how many.
        seed: which ones. The same seed makes the same customers, other seeds make others with
            other ids. At another shift, the same ids and the same values in all fields that are
            not `SHIFTED`.
        shift: how far the market has changed, from 0 to 1: the share of customers of a new kind
            (new on a monthly contract, on fibre, at higher prices, without add-ons), and how much
            all customers have changed their reasons to leave.

    Returns:
        One row a customer: `customer_id`, the features, and `churned`, "yes" or "no".

    Raises:
        ValueError: the shift is not from 0 to 1.

    """
    if not 0 <= shift <= 1:
        raise ValueError(f"shift must be from 0 to 1, not {shift}")
    rng = np.random.default_rng(seed)
    frame = _features(rng, rng.random(rows) < shift)
    for name, share in UNKNOWN.items():
        frame[name] = frame[name].mask(rng.random(rows) < share, "")
    left = rng.random(rows) < churn_probability(frame, shift=shift)
    frame.insert(0, "customer_id", [f"C{seed:04d}-{number:06d}" for number in range(rows)])
    frame["churned"] = np.where(left, "yes", "no")
    return frame


def churn_probability(frame: pd.DataFrame, *, shift: float = 0.0) -> Floats:
    """Return the true probability that each customer leaves, shape (rows,).

    A logistic model. Not linear: tenure counts by its logarithm, and unusual usage, high or low,
    by the distance of its logarithm from the usual. An interaction: the price counts for more than
    twice as much on a monthly contract. An empty field counts as the usual value.

    As the market shifts, the price is measured against the new going rate and counts up to 2.2
    times as much, while a loose bond (new, monthly, on fibre, without add-ons) has become normal
    and counts for less. A model of the old market thinks nearly everyone in the new one is leaving.
    """
    number = {name: pd.to_numeric(frame[name]).to_numpy(np.float64) for name in _NUMERIC}
    monthly = _is(frame, "contract", "monthly")
    price = (number["monthly_fee"] - 60 - 24 * shift) / 15
    bond = (
        0.85 * (np.log1p(number["tenure_months"]) - 3)
        - 1.1 * monthly
        + 0.9 * _is(frame, "contract", "two-year")
        - 0.7 * _is(frame, "connection", "fibre")
        + 0.6 * _is(frame, "security_addon", "yes")
        + 0.3 * _is(frame, "streaming_addon", "yes")
    )
    troubles = (
        0.6 * np.abs(np.log((number["data_usage_gb"] + 7) / 140))
        + 0.45 * number["support_calls_90d"]
        + 0.6 * number["late_payments_12m"]
        + 0.03 * np.nan_to_num(number["days_since_last_login"] - 12)
        - 0.45 * np.nan_to_num(number["satisfaction"] - 3)
        + 0.45 * _is(frame, "payment_method", "invoice")
        - 0.4 * _is(frame, "has_app", "true")
    )
    dear = price * (0.35 + 0.45 * monthly) * (1 + 1.2 * shift)
    return np.asarray(1 / (1 + np.exp(2.55 + 1.2 * (bond * (1 - 0.6 * shift) - dear - troubles))))


_NUMERIC = (
    "tenure_months",
    "monthly_fee",
    "data_usage_gb",
    "support_calls_90d",
    "late_payments_12m",
    "days_since_last_login",
    "satisfaction",
)


def _features(rng: np.random.Generator, new: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Draw the features, as text; `new`, shape (rows,), says who is of the new kind.

    Both kinds are drawn for everyone, so the other fields come out the same whoever is new.
    """
    rows = len(new)
    tenure = np.where(new, rng.gamma(1.2, 5, rows), rng.gamma(2, 16, rows))
    fee = np.where(new, rng.normal(84, 15, rows), rng.normal(60, 15, rows)).clip(10)
    return pd.DataFrame(
        {
            "tenure_months": _text(tenure, 0),
            "contract": _choice(
                rng, new, ("monthly", "yearly", "two-year"), (45, 32, 23), (95, 4, 1)
            ),
            "connection": _choice(rng, new, ("dsl", "cable", "fibre"), (38, 30, 32), (5, 5, 90)),
            "monthly_fee": _text(fee, 2),
            "streaming_addon": _choice(rng, new, ("yes", "no"), (52, 48), (2, 98)),
            "security_addon": _choice(rng, new, ("yes", "no"), (52, 48), (2, 98)),
            "payment_method": _choice(rng, new, ("card", "debit", "invoice"), (45, 35, 20)),
            "region": _choice(rng, new, ("north", "east", "south", "west"), (30, 20, 30, 20)),
            "has_app": _choice(rng, new, ("true", "false"), (65, 35)),
            "data_usage_gb": _text(rng.gamma(2.5, 60, rows), 1),
            "support_calls_90d": _text(rng.poisson(0.9, rows), 0),
            "late_payments_12m": _text(rng.poisson(0.5, rows), 0),
            "days_since_last_login": _text(rng.geometric(0.08, rows), 0),
            "satisfaction": _text(rng.integers(1, 6, rows), 0),
        },
        dtype=object,
    )


def _choice(
    rng: np.random.Generator,
    new: npt.NDArray[np.bool_],
    levels: tuple[str, ...],
    weights: tuple[int, ...],
    new_weights: tuple[int, ...] | None = None,
) -> npt.NDArray[np.str_]:
    """Draw a level for each customer, by other weights (per cent) for customers of the new kind."""
    usual = rng.choice(levels, len(new), p=np.array(weights) / 100)
    if new_weights is None:
        return usual
    return np.where(new, rng.choice(levels, len(new), p=np.array(new_weights) / 100), usual)


def _text(values: npt.NDArray[np.float64 | np.int64], digits: int) -> list[str]:
    return [f"{value:.{digits}f}" for value in values.tolist()]


def _is(frame: pd.DataFrame, name: str, level: str) -> npt.NDArray[np.bool_]:
    return np.asarray(frame[name] == level)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write customers to standard output, as a CSV."""
    parser = argparse.ArgumentParser(description="Make labelled customers, as a CSV.")
    parser.add_argument("--rows", type=int, default=7_000, help="how many (default: 7000)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default: 1)")
    parser.add_argument(
        "--shift", type=float, default=0.0, help="how far the market has changed, 0 (default) to 1"
    )
    asked = parser.parse_args(arguments)
    if asked.rows < 0 or asked.seed < 0 or not 0 <= asked.shift <= 1:
        parser.error("--rows and --seed can't be negative, and --shift is from 0 to 1")
    made = customers(asked.rows, seed=asked.seed, shift=asked.shift)
    made.to_csv(sys.stdout, index=False, lineterminator="\n")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `| head` ends it quietly
    main()
