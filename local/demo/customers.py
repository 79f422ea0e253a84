"""Customers of a company that does not exist, with a known reason to leave.

Every field is drawn by itself, so a shift of the mix shows in the `SHIFTED` fields and nowhere
else; what binds them together is `churn_probability`, the mechanism that decides who leaves.
"""

import argparse
import sys

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

Floats = npt.NDArray[np.float64]


def customers(rows: int, *, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Make customers, each cell as text, as it would stand in a CSV.

    Args:
        rows: how many.
        seed: the same seed makes the same customers; other seeds make others, with other ids.
        shift: the share, from 0 to 1, of customers of a new kind: new on a monthly contract,
            on fibre, at higher prices, without add-ons, and quicker to leave over the price.

    """
    rng = np.random.default_rng(seed)
    new = rng.random(rows) < shift
    frame = pd.DataFrame(
        {
            "tenure_months": np.where(new, rng.gamma(1.2, 5, rows), rng.gamma(2, 16, rows)),
            "contract": _choice(
                rng, new, ("monthly", "yearly", "two-year"), (45, 32, 23), (95, 4, 1)
            ),
            "connection": _choice(rng, new, ("dsl", "cable", "fibre"), (38, 30, 32), (5, 5, 90)),
            "monthly_fee": np.where(new, rng.normal(84, 15, rows), rng.normal(60, 15, rows)),
            "streaming_addon": _choice(rng, new, ("yes", "no"), (50, 50), (2, 98)),
            "security_addon": _choice(rng, new, ("yes", "no"), (52, 48), (2, 98)),
            "payment_method": _choice(rng, new, ("card", "debit", "invoice"), (45, 35, 20)),
            "region": _choice(rng, new, ("north", "east", "south", "west"), (30, 20, 30, 20)),
            "has_app": _choice(rng, new, ("true", "false"), (65, 35)),
            "data_usage_gb": rng.gamma(2.5, 60, rows),
            "support_calls_90d": rng.poisson(0.9, rows),
            "late_payments_12m": rng.poisson(0.5, rows),
            "days_since_last_login": rng.geometric(0.08, rows),
            "satisfaction": rng.integers(1, 6, rows),
        }
    )
    frame["tenure_months"] = frame["tenure_months"].round()
    frame["monthly_fee"] = frame["monthly_fee"].clip(10).round(2)
    frame["data_usage_gb"] = frame["data_usage_gb"].round(1)
    left = rng.random(rows) < churn_probability(frame, new)
    unknown = {"satisfaction": 0.15, "days_since_last_login": 0.05}
    text = frame.map(lambda cell: cell if isinstance(cell, str) else f"{cell:g}")
    for name, share in unknown.items():
        text[name] = text[name].mask(rng.random(rows) < share, "")
    text.insert(0, "customer_id", [f"C{seed:04d}-{number:06d}" for number in range(rows)])
    text["churned"] = np.where(left, "yes", "no")
    return text


def churn_probability(frame: pd.DataFrame, new: npt.NDArray[np.bool_]) -> Floats:
    """Return the true probability that each customer leaves, shape (rows,).

    A logistic model: tenure counts by its logarithm, usage by its distance from the usual, the
    price more on a monthly contract and more still for customers of the new kind, shape (rows,).
    """
    monthly = (frame["contract"] == "monthly").to_numpy()
    price = (frame["monthly_fee"].to_numpy() - 60) / 15
    logit = (
        -1.35
        - 0.85 * (np.log1p(frame["tenure_months"].to_numpy()) - 3)
        + 1.1 * monthly
        - 0.9 * (frame["contract"] == "two-year").to_numpy()
        + 0.7 * (frame["connection"] == "fibre").to_numpy()
        + price * (0.35 + 0.45 * monthly)
        - 0.6 * (frame["security_addon"] == "yes").to_numpy()
        - 0.3 * (frame["streaming_addon"] == "yes").to_numpy()
        + 0.45 * (frame["payment_method"] == "invoice").to_numpy()
        - 0.4 * (frame["has_app"] == "true").to_numpy()
        + 0.6 * np.abs(np.log(frame["data_usage_gb"].to_numpy() / 140 + 0.05))
        + 0.55 * (frame["support_calls_90d"].to_numpy() - 0.9)
        + 0.7 * (frame["late_payments_12m"].to_numpy() - 0.5)
        + 0.03 * (frame["days_since_last_login"].to_numpy() - 12)
        - 0.5 * (frame["satisfaction"].to_numpy() - 3)
        + new * (0.8 * price - 4.2)
    )
    return np.asarray(1 / (1 + np.exp(0.4 - 1.4 * logit)))


def _choice(
    rng: np.random.Generator,
    new: npt.NDArray[np.bool_],
    levels: tuple[str, ...],
    weights: tuple[int, ...],
    new_weights: tuple[int, ...] | None = None,
) -> npt.NDArray[np.str_]:
    """Draw a level for each customer, by other weights (per cent) for customers of the new kind."""
    usual = rng.choice(levels, len(new), p=np.array(weights) / 100)
    other = rng.choice(levels, len(new), p=np.array(new_weights or weights) / 100)
    return np.where(new, other, usual)


def main() -> None:
    """Write customers to standard output, as a CSV."""
    parser = argparse.ArgumentParser(description="Make labelled customers, as a CSV.")
    parser.add_argument("--rows", type=int, default=7_000, help="how many (default: 7000)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default: 1)")
    parser.add_argument("--shift", type=float, default=0.0, help="share of a new kind, 0 to 1")
    arguments = parser.parse_args()
    made = customers(arguments.rows, seed=arguments.seed, shift=arguments.shift)
    made.to_csv(sys.stdout, index=False)


if __name__ == "__main__":
    main()
