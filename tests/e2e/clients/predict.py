"""What a developer writes with the package that openapi-python-client generates."""

import json
import sys

from evergreen_client import AuthenticatedClient
from evergreen_client.api.evergreen import health, model, predict, predict_batch, ready
from evergreen_client.models import (
    Batch,
    Customer,
    CustomerConnection,
    CustomerContract,
    CustomerPaymentMethod,
    CustomerRegion,
    CustomerSecurityAddon,
    CustomerStreamingAddon,
    Health,
    Model,
    Prediction,
    Problem,
    Readiness,
)


def customer(tenure_months: int) -> Customer:
    """Make a customer."""
    return Customer(
        tenure_months=tenure_months,
        contract=CustomerContract.TWO_YEAR,
        connection=CustomerConnection.FIBRE,
        monthly_fee=74.9,
        streaming_addon=CustomerStreamingAddon.NO,
        security_addon=CustomerSecurityAddon.YES,
        payment_method=CustomerPaymentMethod.CARD,
        region=CustomerRegion.NORTH,
        has_app=True,
        data_usage_gb=210.5,
        support_calls_90d=1,
        late_payments_12m=0,
        customer_id="C0001-000042",
        satisfaction=None,
    )


client = AuthenticatedClient(sys.argv[1], "a key", prefix="", auth_header_name="x-api-key")
runs = health.sync(client=client)
serves = ready.sync(client=client)
described = model.sync(client=client)
one = predict.sync(client=client, body=customer(14))
many = predict_batch.sync(client=client, body=[customer(0), customer(40)])
refused = predict.sync(client=client, body=customer(-1))
assert isinstance(runs, Health) and isinstance(serves, Readiness)
assert isinstance(described, Model) and described.version == serves.model_version
assert isinstance(one, Prediction) and isinstance(many, Batch)
assert isinstance(refused, Problem) and refused.errors
answers = [one, *filter(None, many.predictions)]
print(
    json.dumps(
        {
            "status": runs.status,
            "version": serves.model_version,
            "probabilities": [answer.churn_probability for answer in answers],
            "churn": [answer.will_churn for answer in answers],
            "refused": [refused.status, *(wrong.field for wrong in refused.errors)],
        }
    )
)
