"""The orders that throughput is measured with: both ways, of many sizes and accounts.

Each goes to the one pool that pays most, as the reference's goes to the better of its two venues:
looking for splits is a job that the reference does not do.
"""

from datetime import UTC, datetime
from typing import Any, Final

from uuid_utils.compat import uuid7

from sluice.orders.model import OrderTerms, OrderType, Side
from sluice.routing.router import SOL, USDC
from sluice.venues.base import Address

SIZES: Final = 400
ACCOUNTS: Final = 500
ONE_POOL: Final = 1
ONE_USDC: Final = 10**6
HUNDREDTH_SOL: Final = 10**7


def account(number: int) -> str:
    """Whose order it is."""
    return f"bench-{number % ACCOUNTS}"


def body(number: int) -> dict[str, Any]:
    """As a client posts it: 1 to 400 USDC, or 0.01 to 4 SOL."""
    size = 1 + number % SIZES
    if number % 2:
        return _body("SELL", "SOL", "USDC", size / 100)
    return _body("BUY", "USDC", "SOL", size)


def _body(side: str, token_in: str, token_out: str, amount: float) -> dict[str, Any]:
    return {
        "type": "MARKET",
        "side": side,
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": amount,
        "maxSplits": ONE_POOL,
    }


def terms(number: int) -> OrderTerms:
    """The same, accepted just now."""
    size = 1 + number % SIZES
    if number % 2:
        return _terms(number, Side.SELL, SOL, USDC, size * HUNDREDTH_SOL)
    return _terms(number, Side.BUY, USDC, SOL, size * ONE_USDC)


def _terms(
    number: int, side: Side, token_in: Address, token_out: Address, amount: int
) -> OrderTerms:
    return OrderTerms(
        uuid7(),
        account(number),
        OrderType.MARKET,
        side,
        token_in,
        token_out,
        amount,
        datetime.now(UTC),
        max_splits=ONE_POOL,
    )
