"""SAM's transform, as CloudFormation runs it; for the interpreter of SAM's environment.

    python transform.py template.yaml < changes → the transformed templates, one for each change

A change is a JSON array of two objects: properties by logical id, which replace those in the
template (as `sam deploy` does for CodeUri and its like), and values of parameters.
"""

import json
import sys
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoPolicies:
    """AWS's managed policies, which the template does without."""

    def load(self) -> dict[str, str]:
        """Return them by their names."""
        return {}


def changed(text: str, properties: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """Return what becomes of a template with these changes."""
    template = yaml_parse(text)
    for name, values in properties.items():
        template["Resources"][name]["Properties"] |= values
    return transform(template, parameters, NoPolicies())


text = Path(sys.argv[1]).read_text()
json.dump([changed(text, *change) for change in json.load(sys.stdin)], sys.stdout)
