"""Tables such as companies export them, made small: what stands in them is drawn, not copied."""

from collections.abc import Sequence

import numpy as np

from evergreen.customers.dialect import Dialect
from evergreen.customers.table import Table

Columns = dict[str, Sequence[object]]


def table(columns: Columns, name: str = "customers.csv") -> Table:
    rows = len(next(iter(columns.values())))
    return Table(name, columns, range(2, rows + 2), dialect=Dialect())


def bank(rows: int = 1_000, seed: int = 1) -> Columns:
    """As banks do: a running number, an id that is a number, names, and 0 or 1 for who left."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    left = rng.random(rows) < 1 / (1 + np.exp(-(age - 55) / 8))
    return {
        "RowNumber": [str(n) for n in range(1, rows + 1)],
        "CustomerId": [str(15_565_701 + n) for n in rng.permutation(rows * 10)[:rows]],
        "Surname": [f"Name{_letters(n)}" for n in rng.integers(0, rows // 3, rows)],
        "CreditScore": [str(n) for n in rng.integers(350, 850, rows)],
        "Geography": rng.choice(["France", "Germany", "Spain"], rows).tolist(),
        "Age": [str(n) for n in age],
        "Balance": [
            f"{n:.2f}" for n in np.where(rng.random(rows) < 0.4, 0, rng.gamma(3, 4e4, rows))
        ],
        "NumOfProducts": [str(n) for n in rng.integers(1, 5, rows)],
        "HasCrCard": [str(n) for n in rng.integers(0, 2, rows)],
        "Exited": [str(int(n)) for n in left],
    }


def telecom(rows: int = 1_000, seed: int = 2) -> Columns:
    """As a telephone company does: states, a phone number, True. and False. with a full stop."""
    rng = np.random.default_rng(seed)
    calls = rng.poisson(1.5, rows)
    left = rng.random(rows) < 1 / (1 + np.exp(3 - calls))
    states = [f"{a}{b}" for a in "ACGKMNSTW" for b in "ADILNY"][:51]
    return {
        "State": rng.choice(states, rows).tolist(),
        "Account Length": [str(n) for n in rng.integers(1, 240, rows)],
        "Area Code": [str(n) for n in rng.choice([408, 415, 510], rows)],
        "Phone": [f"{300 + n // 10_000}-{n % 10_000:04d}" for n in rng.permutation(500_000)[:rows]],
        "Int'l Plan": rng.choice(["no", "yes"], rows, p=[0.9, 0.1]).tolist(),
        "Day Mins": [f"{n:.6f}" for n in rng.gamma(9, 20, rows)],
        "CustServ Calls": [str(n) for n in calls],
        "Churn?": np.where(left, "True.", "False.").tolist(),
    }


def german(rows: int = 1_000, seed: int = 3) -> Columns:
    """As a German utility does: decimal commas, dates, and why they gave notice."""
    rng = np.random.default_rng(seed)
    months = rng.integers(0, 120, rows)
    left = rng.random(rows) < 1 / (1 + np.exp(months / 24))
    why = np.where(left, rng.choice(["Preis", "Umzug", "Service"], rows), "").tolist()
    fee = [f"{n:,.2f}".translate(str.maketrans(",.", ".,")) for n in rng.gamma(2, 600, rows)]
    return {
        "Kundennummer": [f"{n:06d}" for n in rng.permutation(900_000)[:rows]],
        "Vertragsbeginn": [f"{1 + n % 28:02d}.{1 + n % 12:02d}.{2010 + n % 14}" for n in months],
        "Laufzeit": [str(n) for n in months],
        "PLZ": [f"{n:05d}" for n in rng.choice(np.arange(1_000, 99_000, 997), rows)],
        "Jahresbeitrag": fee,
        "Tarif": rng.choice(["Öko", "Basis", "Plus"], rows).tolist(),
        "Land": ["Deutschland"] * rows,
        "Bemerkung": [f"{_letters(n)} rief an" if n % 3 == 0 else "" for n in range(rows)],
        "Kündigungsgrund": why,
        "Gekündigt": np.where(left, "ja", "nein").tolist(),
    }


def _letters(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in str(number))
