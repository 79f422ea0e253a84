import pytest

from evergreen.customers.names import meant

FIELDS = ("tenure_months", "visits_90d", "outbound_calls", "contract", "data_usage_gb", "id", "€")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("tenur_month", "tenure_months"),
        ("tenrue_months", "tenure_months"),
        ("TenureMonths", "tenure_months"),
        ("tenuremonths", "tenure_months"),
        ("Tenure Months", "tenure_months"),
        ("visit_90d", "visits_90d"),
        (" contract ", "contract"),
        ("Contarct", "contract"),
        ("ID", "id"),
    ],
)
def test_a_slip_is_known_by_the_field_that_was_meant(name: str, field: str) -> None:
    assert meant(name, FIELDS) == field


@pytest.mark.parametrize(
    "name",
    ["visits_30d", "inbound_calls", "data_usage_mb", "contract_type", "months", "ip", "", "$", "_"],
)
def test_the_name_of_another_thing_is_no_slip(name: str) -> None:
    assert meant(name, FIELDS) is None
