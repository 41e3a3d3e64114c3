"""What every program refuses alike: made only then, for a quote must not pay for it."""

from sluice.errors import Refusal, SwapRefused
from sluice.venues.base import Trade


def bad_amount(trade: Trade) -> SwapRefused:
    """For an amount (base units) that is not above zero, or not within u64."""
    refusal = Refusal.OVERFLOW if trade.amount > 0 else Refusal.ZERO_AMOUNT
    return SwapRefused(refusal, f"amount {trade.amount}")


def all_or_nothing() -> SwapRefused:
    """For a partial fill asked of a program that knows none."""
    return SwapRefused(Refusal.UNSUPPORTED, "the program fills all or nothing")
