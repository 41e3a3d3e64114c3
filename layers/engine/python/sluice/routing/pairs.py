"""Markets by their two tokens, and the tokens that most others are traded against."""

from sluice.markets.catalog import Pair
from sluice.venues.base import Address

SOL = Address("So11111111111111111111111111111111111111112")
USDC = Address("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
HUBS = (SOL, USDC)
"""Tokens that most others are traded against."""


def pair_of(one: Address, other: Address) -> Pair:
    """The market of two tokens."""
    return frozenset((one, other))
