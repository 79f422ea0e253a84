"""The API's description, with the customers of our generator: `python -m local.openapi`.

It is kept in infra/openapi.json, so that a change of the contract shows in its diff; a test fails
where the two differ.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evergreen.customers.schema import Schema

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Described:
    """As much of a champion as a description needs: a model that has a schema."""

    schema: Schema

    def model(self) -> "Described":
        """Return what has the schema."""
        return self


def describe() -> dict[str, Any]:
    """Return the OpenAPI document."""
    sys.path.insert(0, str(ROOT / "functions/predict"))
    import docs
    from api import create_app

    champion: Any = Described(Schema.parse((ROOT / "local/schemas/customers.json").read_bytes()))
    nowhere: Any = None
    description: dict[str, Any] = docs.describe(create_app(champion, nowhere, nowhere), champion)
    return description


if __name__ == "__main__":
    print(json.dumps(describe(), indent=2))
