"""What a route is made of: hops from token to token, each split over pools."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluice.errors import FailReason
from sluice.markets.snapshot import LivePool
from sluice.orders.model import OrderTerms, SwapMode, VenueQuote
from sluice.venues.base import Address, Quote, SwapKind, Trade

KINDS = {SwapMode.EXACT_IN: SwapKind.EXACT_IN, SwapMode.EXACT_OUT: SwapKind.EXACT_OUT}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be routed; `amount` is base units of the token that `mode` fixes."""

    token_in: Address
    token_out: Address
    amount: int
    mode: SwapMode
    max_splits: int

    @classmethod
    def of(cls, terms: OrderTerms) -> "Wanted":
        """What an order asks for."""
        return cls(
            Address(terms.token_in),
            Address(terms.token_out),
            terms.amount,
            terms.swap_mode,
            terms.max_splits,
        )

    @property
    def kind(self) -> SwapKind:
        return KINDS[self.mode]


@dataclass(frozen=True, slots=True)
class Leg:
    """One pool's part of a hop, and what it pays for it."""

    pool: LivePool
    trade: Trade
    quote: Quote


@dataclass(frozen=True, slots=True)
class Hop:
    """From one token to another over one or more pools at once."""

    token_in: Address
    token_out: Address
    legs: tuple[Leg, ...]

    @property
    def amount_in(self) -> int:
        """What all legs take, in base units of `token_in`."""
        return sum(leg.quote.amount_in for leg in self.legs)

    @property
    def amount_out(self) -> int:
        """What all legs pay, in base units of `token_out`."""
        return sum(leg.quote.amount_out for leg in self.legs)


@dataclass(frozen=True, slots=True)
class Route:
    """One hop, or two through a hub token."""

    hops: tuple[Hop, ...]

    @property
    def amount_in(self) -> int:
        return self.hops[0].amount_in

    @property
    def amount_out(self) -> int:
        return self.hops[-1].amount_out

    @property
    def legs(self) -> int:
        """How many swaps it takes."""
        return sum(len(hop.legs) for hop in self.hops)


@dataclass(frozen=True, slots=True)
class Routed:
    """What routing came to: a route or a reason, and every quote behind it.

    `passing_faults` is whether a pool that might have been traded on could not be asked this time
    but may be the next: a client's limit that is not met without it is no verdict on the market.
    """

    route: Route | FailReason
    quotes: tuple[VenueQuote, ...]
    passing_faults: bool


def fees_of(quote: Quote) -> tuple[Mapping[str, str | int], ...]:
    """A quote's fees as they are kept with an order."""
    return tuple({"kind": str(f.kind), "mint": f.mint, "amount": f.amount} for f in quote.fees)
