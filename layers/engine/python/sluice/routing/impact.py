"""How far a swap moves the price against whoever makes it."""

from sluice.routing.ask import spot_price
from sluice.venues.base import Pool, Quote, Trade

MILLION = 1_000_000


def price_impact(pool: Pool, trade: Trade, quote: Quote) -> int:
    """The loss against the spot price before the swap, fees aside, in millionths; never negative.

    What reached the pool, at its spot price, against what left it.
    """
    mint_in, mint_out = trade.input, _other(pool, trade)
    reached = quote.amount_in - sum(fee.amount for fee in quote.fees if fee.mint == mint_in)
    left = quote.amount_out + sum(fee.amount for fee in quote.fees if fee.mint == mint_out)
    price = spot_price(pool)
    if not price or reached <= 0:
        return 0
    ideal = reached * price >> 64 if mint_in == pool.mints[0] else (reached << 64) // price
    return max(0, (ideal - left) * MILLION // ideal) if ideal else 0


def _other(pool: Pool, trade: Trade) -> str:
    first, second = pool.mints
    return second if trade.input == first else first
