"""How far a swap moves the price against whoever makes it."""

from sluice.routing.ask import spot_price
from sluice.venues.base import Address, Pool, Quote, Trade

MILLION = 1_000_000


def price_impact(pool: Pool, trade: Trade, quote: Quote) -> int:
    """The loss against the spot price before the swap, fees aside, in millionths; never negative.

    What reached the pool, at its spot price, against what left it.
    """
    return impact_at(spot_price(pool), pool.mints, trade.input, quote)


def impact_at(price: int, mints: tuple[Address, Address], mint_in: Address, quote: Quote) -> int:
    """`price_impact` at a spot price that is known: base units of the second mint, Q64.64."""
    reached, left = quote.amount_in, quote.amount_out
    for fee in quote.fees:
        if fee.mint == mint_in:
            reached -= fee.amount
        else:
            left += fee.amount
    if not price or reached <= 0:
        return 0
    ideal = reached * price >> 64 if mint_in == mints[0] else (reached << 64) // price
    return max(0, (ideal - left) * MILLION // ideal) if ideal else 0
