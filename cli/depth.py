"""What a pool's quotes say about it: price, depth and fee. Integers and fractions, no floats."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from sluice.errors import SwapRefused
from sluice.markets.snapshot import LivePool
from sluice.venues.base import Address, FeeKind, Quote, Trade

from .markets import Market

MOVE: Final = Fraction(1, 100)
"""How far from mid the price paid may be for an amount to count as depth."""
U64_BITS: Final = 64
PROBE_SHARE: Final = 1000
"""The fee is read from a sale of this share of the depth: no price moves by that."""


@dataclass(frozen=True, slots=True)
class Depth:
    """One pool at one moment; amounts in base units of the base token.

    `mid` is quote per base in whole tokens, without fees. `sell` and `buy` are how much base can be
    sold and bought before the price paid, fees included, is 1 % away from mid. `fee` is the pool's
    share of a small sale; None where the pool refuses it.
    """

    mid: Fraction
    sell: int
    buy: int
    fee: Fraction | None


def depth_of(live: LivePool, market: Market) -> Depth:
    """What the pool shows now."""
    raw = _price(live, market)
    scale = Fraction(10**market.base.decimals, 10**market.quote.decimals)
    if not raw:
        return Depth(raw, 0, 0, None)
    sell = _largest(
        lambda amount: _quote(live, market.base.mint, amount),
        lambda quote: quote.amount_out >= quote.amount_in * raw * (1 - MOVE),
    )
    buy = _largest(
        lambda amount: _quote(live, market.quote.mint, amount),
        lambda quote: quote.amount_in <= quote.amount_out * raw * (1 + MOVE),
    )
    return Depth(
        mid=raw * scale,
        sell=sell.amount_in if sell else 0,
        buy=buy.amount_out if buy else 0,
        fee=_fee(live, market, sell.amount_in // PROBE_SHARE if sell else 0),
    )


def _price(live: LivePool, market: Market) -> Fraction:
    """Quote per base, both in base units."""
    price = Fraction(live.pool.price_x64, 2**U64_BITS)
    return price if live.pool.mints[0] == market.base.mint or not price else 1 / price


def _quote(live: LivePool, mint: Address, amount: int) -> Quote | None:
    try:
        return live.pool.quote(Trade(mint, amount), live.clock)
    except SwapRefused:
        return None


def _largest(ask: Callable[[int], Quote | None], good: Callable[[Quote], bool]) -> Quote | None:
    """The quote of the largest amount that is good.

    Tiny amounts are not, for what is rounded away, so a first good one is looked for from above.
    """

    def tried(amount: int) -> Quote | None:
        quote = ask(amount)
        return quote if quote and quote.amount_out and good(quote) else None

    for bit in reversed(range(U64_BITS)):
        best = tried(1 << bit)
        if best:
            break
    else:
        return None
    low, high = 1 << bit, 1 << bit + 1
    while high - low > 1:
        middle = (low + high) // 2
        quote = tried(middle)
        if quote:
            low, best = middle, quote
        else:
            high = middle
    return best


def _fee(live: LivePool, market: Market, probe: int) -> Fraction | None:
    """The first probe that the pool takes; a pool without depth is asked for a whole token."""
    for amount in (probe, 10**market.base.decimals, 10**market.base.decimals // PROBE_SHARE):
        quote = _quote(live, market.base.mint, amount)
        if quote:
            return sum(
                (
                    _share(quote, fee.mint == market.base.mint, fee.amount)
                    for fee in quote.fees
                    if fee.kind is not FeeKind.TRANSFER
                ),
                Fraction(),
            )
    return None


def _share(quote: Quote, on_input: bool, amount: int) -> Fraction:
    return Fraction(amount, quote.amount_in if on_input else quote.amount_out + amount)
