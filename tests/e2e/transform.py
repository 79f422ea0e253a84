"""SAM's transform, as CloudFormation runs it; for the interpreter of SAM's environment.

    python transform.py template.yaml LOGICAL_ID=S3_URI ... → the transformed template as JSON

Each LOGICAL_ID is a function's, a layer's or a state machine's, and S3_URI is where `sam deploy`
would have put it.
"""

import json
import sys
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

PLACES = {
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


class NoPolicies:
    """AWS's managed policies, which the template does without."""

    def load(self) -> dict[str, str]:
        """Return them by their names."""
        return {}


template = yaml_parse(Path(sys.argv[1]).read_text())
for argument in sys.argv[2:]:
    name, uri = argument.split("=")
    resource = template["Resources"][name]
    resource["Properties"][PLACES.get(resource["Type"], "CodeUri")] = uri
json.dump(transform(template, {}, NoPolicies()), sys.stdout)
