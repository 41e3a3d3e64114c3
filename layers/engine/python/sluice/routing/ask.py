"""Asking a pool, whatever it answers."""

from sluice.errors import Refusal, SwapRefused
from sluice.markets.snapshot import LivePool
from sluice.observability import logger
from sluice.venues.base import Pool, Quote, Trade


def ask(pool: LivePool, trade: Trade) -> Quote:
    """The pool's quote for `trade`.

    Raises `SwapRefused`, also where the program would accept a swap that moves nothing on one
    side, and where our own quote breaks: one pool must not stop the orders of all the others.
    """
    try:
        quote = pool.pool.quote(trade, pool.clock)
    except SwapRefused:
        raise
    except Exception as error:
        logger.error("quote broke", extra={"pool": pool.listed.address}, exc_info=error)
        raise SwapRefused(Refusal.BROKEN, f"quote broke: {type(error).__name__}") from error
    if not quote.amount_in or not quote.amount_out:
        raise SwapRefused(Refusal.ZERO_AMOUNT, "nothing to pay, or nothing to be paid")
    return quote


def spot_price(pool: Pool) -> int:
    """The pool's `price_x64`; 0, as of an empty pool, also where our own computation breaks."""
    try:
        return pool.price_x64
    except Exception as error:
        logger.error("price broke", extra={"pool": pool.address}, exc_info=error)
        return 0
