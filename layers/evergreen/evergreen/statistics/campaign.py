"""What a campaign did: how many of those who were contacted left, against the control group."""

from dataclasses import dataclass
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference of two shares, and where it lies with 95 % confidence."""

    value: float
    """The share of the contacted who left, less that of the control group; below 0 is good."""
    low: float
    high: float


def effect(left: int, contacted: int, control_left: int, control: int) -> Effect:
    """Compare the shares of two groups, neither of them empty, who left.

    Source: Newcombe, Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, 1998, method 10 (the hybrid score interval, not corrected for
    continuity), of Wilson's intervals for each share.
    """
    share, other = left / contacted, control_left / control
    low, high = wilson(share, contacted)
    other_low, other_high = wilson(other, control)
    value = share - other
    below = ((share - low) ** 2 + (other_high - other) ** 2) ** 0.5
    above = ((high - share) ** 2 + (other - other_low) ** 2) ** 0.5
    return Effect(value, value - below, value + above)


def wilson(share: float, customers: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson, 1927)."""
    spread = _Z**2 / customers
    middle, reach = share + spread / 2, (spread * (share * (1 - share) + spread / 4)) ** 0.5
    return (middle - reach) / (1 + spread), (middle + reach) / (1 + spread)
