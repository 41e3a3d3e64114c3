"""The client's own limits on what an order may pay."""

from fractions import Fraction

from sluice.errors import FailReason
from sluice.orders.model import OrderTerms, Side, SwapMode

BPS = 10_000


def refused_by_terms(
    terms: OrderTerms, amount_in: int, amount_out: int, decimals_in: int, decimals_out: int
) -> FailReason | None:
    """Which of the client's limits these amounts (base units) break: minAmountOut or limitPrice."""
    if terms.min_amount_out is not None and amount_out < terms.min_amount_out:
        return FailReason.SLIPPAGE_EXCEEDED
    if terms.limit_price is None:
        return None
    paid = Fraction(amount_in, 10**decimals_in)
    got = Fraction(amount_out, 10**decimals_out)
    limit = Fraction(terms.limit_price)
    within = paid <= limit * got if terms.side is Side.BUY else got >= limit * paid
    return None if within else FailReason.PRICE_LIMIT


def slipped(
    terms: OrderTerms, quoted_in: int, quoted_out: int, amount_in: int, amount_out: int
) -> bool:
    """Whether a fill is worse than the quote that decided by more than `slippage_bps`."""
    if terms.swap_mode is SwapMode.EXACT_IN:
        return amount_out * BPS < quoted_out * (BPS - terms.slippage_bps)
    return amount_in * BPS > quoted_in * (BPS + terms.slippage_bps)
